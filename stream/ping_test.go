package stream

import (
	"context"
	"net"
	"testing"
	"time"
)

// deaf is the address of a broker that takes connections and says nothing.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the system takes the connections
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	return l.Addr().String()
}

func TestBrokersThatHangKeepNobodyFromSeeingThatOneAnswers(t *testing.T) {
	t.Parallel()
	w := fakeWorld(t)
	hang := []string{deaf(t), deaf(t), deaf(t)}
	ping := func(brokers ...string) error {
		c, err := Open(Config{Brokers: brokers})
		check(t, err)
		t.Cleanup(func() { check(t, c.Close()) })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		t.Cleanup(cancel)
		return c.Ping(ctx)
	}
	check(t, ping(append(hang, w.fake.ListenAddrs()...)...))
	if err := ping(hang...); err == nil {
		t.Error("of those that hang one is said to answer")
	}
}
