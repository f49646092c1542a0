package node

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"simplecqrs/edge"
)

type nobody struct{}

func (nobody) Authenticate(context.Context, string) (string, []string, error) { return "", nil, nil }

type listenerAt struct {
	net.Listener
	at net.Addr
}

func (l listenerAt) Addr() net.Addr { return l.at }

func TestWhatIsReachedFromBeyondTheMachineHasCallersAndTLS(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080} }
	none, some := edge.Guard{}, edge.Guard{Callers: nobody{}}
	for _, c := range []struct {
		at     net.Addr
		guard  edge.Guard
		tls    *tls.Config
		plain  bool
		served bool
	}{
		{at("127.0.0.1"), none, nil, false, true},
		{at("127.1.2.3"), none, nil, false, true},
		{at("::1"), none, nil, false, true},
		{at("::ffff:127.0.0.1"), none, nil, false, true},
		{&net.UnixAddr{Name: "/run/simplecqrs", Net: "unix"}, none, nil, false, true},
		{at("0.0.0.0"), none, nil, false, false},
		{at("::"), none, nil, false, false},
		{at("192.168.0.7"), none, &tls.Config{}, true, false},
		{&net.TCPAddr{}, none, nil, false, false},
		{at("0.0.0.0"), some, nil, false, false},
		{at("0.0.0.0"), some, &tls.Config{}, false, true},
		{at("0.0.0.0"), some, nil, true, true},
	} {
		err := Config{Listener: listenerAt{at: c.at}, Guard: c.guard, TLS: c.tls, PlainHTTP: c.plain}.exposed()
		if (err == nil) != c.served {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestANodeThatIsNotGuardedDoesNotStart(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	check(t, err)
	defer func() { check(t, l.Close()) }()
	_, err = Start(t.Context(), Config{Brokers: []string{"127.0.0.1:1"}, Query: QueryLocal, Roles: []string{RoleEdge}, Listener: l})
	if err == nil || err.Error() != (Config{Listener: l}).exposed().Error() {
		t.Errorf("it says %v", err)
	}
}
