package edge

import (
	"net"
	"net/http"
	"strings"

	"simplecqrs/loopback"
)

// policy has pages load nothing but what is served beside them, and the shapes that
// their styles hold, and no other page put them in a frame.
const policy = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// tlsForAYear has browsers come by TLS alone.
const tlsForAYear = "max-age=31536000"

// ServeHTTP serves by the routes, and has browsers be strict with all that is served.
func (r *router) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if q.TLS != nil && !localName(q.Host) { // which is not ours alone: other ports have other programs
		h.Set("Strict-Transport-Security", tlsForAYear)
	}
	r.Router.ServeHTTP(w, q)
}

// nameIn is the name or the address in a Host, without its port.
func nameIn(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	return strings.ToLower(name)
}

// localName reports whether a Host is loopback's.
func localName(host string) bool { return loopback.Name(nameIn(host)) }
