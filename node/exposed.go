package node

import (
	"fmt"

	"simplecqrs/loopback"
)

// exposed refuses to serve strangers, and to have tokens sent so that others can read them.
func (c Config) exposed() error {
	at := c.Listener.Addr()
	switch {
	case loopback.Addr(at):
		return nil
	case c.Guard.Callers == nil:
		return fmt.Errorf("%s is reached from beyond this machine, and whoever reaches it could do anything: "+
			"say who may with -tokens or -oidc-issuer, or listen on 127.0.0.1", at)
	case c.TLS == nil && !c.PlainHTTP:
		return fmt.Errorf("%s is reached from beyond this machine, and tokens would travel there for others to read: "+
			"give -tls-cert and -tls-key, or -plain-http if something in front of this does TLS", at)
	}
	return nil
}
