package edge

import (
	"context"
	"net/http"
	"slices"
)

// caller is who sent a request, where there is authentication.
type caller struct {
	subject string // empty for a stranger, who may see only that the process lives
	scopes  []string
}

type callerKey struct{}

func (c caller) in(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

func (c caller) may(scope string) bool { return slices.Contains(c.scopes, scope) }

// subjectOf is who sent a request; empty without authentication.
func subjectOf(r *http.Request) string {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c.subject
}

// strange reports whether a request is of somebody unknown, where one should be known.
func strange(r *http.Request) bool {
	c, authenticated := r.Context().Value(callerKey{}).(caller)
	return authenticated && c.subject == ""
}

// actorOf is who asked for something: the one who sent the request, on behalf of whom
// its body names. Without authentication the body's word is all that there is.
func actorOf(r *http.Request, named string) string {
	subject := subjectOf(r)
	switch {
	case subject == "" || subject == named:
		return named
	case named == "":
		return subject
	}
	return subject + " (for " + named + ")"
}
