// Package loopback says whether something is of this machine alone, in one way for all
// who let that in, or have it speak in plain.
package loopback

import (
	"net"
	"strings"
)

// Name reports whether a host's name or address, without a port, is loopback's. Names
// below localhost lead nowhere else (RFC 6761).
func Name(host string) bool {
	host = strings.ToLower(host)
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Addr reports whether only this machine reaches an address.
func Addr(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
