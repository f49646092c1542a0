package loopback

import (
	"net"
	"testing"
)

func TestWhatIsOfThisMachineAloneIsKnown(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "app.localhost": true, "127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "evil.example": false, "localhost.evil.example": false, "notlocalhost": false, "0.0.0.0": false, "::": false, "192.168.0.7": false, "127.0.0.1.evil.example": false,
	} {
		if got := Name(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
	for _, c := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, true},
		{&net.TCPAddr{IP: net.IPv6loopback}, true},
		{&net.TCPAddr{IP: net.IPv4zero}, false},
		{&net.TCPAddr{}, false},
		{&net.UnixAddr{}, true},
		{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, false},
	} {
		if got := Addr(c.addr); got != c.want {
			t.Errorf("%v: %v", c.addr, got)
		}
	}
}
