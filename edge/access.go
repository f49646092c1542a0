package edge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"simplecqrs/order"
)

// What a caller may do. None of them includes another.
const (
	ScopeCommand = "command" // give commands
	ScopeQuery   = "query"   // read orders and figures, and see the pages
	ScopeAdmin   = "admin"   // deal with dead letters, and look into the process
)

// Scopes are all that there are.
func Scopes() []string { return []string{ScopeCommand, ScopeQuery, ScopeAdmin} }

const (
	forAll   = ""  // is the scope of what strangers may ask
	forKnown = "*" // and this of what all may who have a good token
)

// scopes says which scope a route needs, by the first part of its template.
var scopes = map[string]string{
	"healthz":      forAll,
	"readyz":       forAll, // but for the details
	"command":      ScopeCommand,
	"query":        ScopeQuery,
	"metrics":      ScopeQuery,
	"":             ScopeQuery, // the page
	"assets":       ScopeQuery,
	"favicon.ico":  ScopeQuery,
	"openapi.yaml": ScopeQuery,
	"docs":         ScopeQuery,
	"deadletters":  ScopeAdmin,
	"monitor":      ScopeAdmin,
}

// scopeOf is the scope that a route needs. A route that is not listed is a bug that
// shows before anything is served.
func scopeOf(route string) string {
	if route == noRoute {
		return forKnown // strangers are not told what there is
	}
	part, _, _ := strings.Cut(strings.TrimPrefix(route, "/"), "/")
	scope, listed := scopes[part]
	if !listed {
		panic(fmt.Sprintf("edge: nothing says which scope the route %s needs", route))
	}
	return scope
}

// Callers knows the holders of tokens.
type Callers interface {
	// Authenticate tells whom a token is of, and what its holder may do. An error is an
	// *order.Error: Unavailable if that cannot be told now, Invalid for a token that is
	// not good.
	Authenticate(ctx context.Context, token string) (subject string, scopes []string, err error)
}

// Guard says who is let in.
type Guard struct {
	// Callers knows who may do what; nil lets everybody do all, which is for loopback.
	Callers Callers
	// Hosts are the names, beside loopback's, that clients call this process by. Where
	// there are no Callers a request with another is refused: it is a page's that has
	// its own name lead here.
	Hosts []string
	// CommandRate bounds the commands of a client, in each second; 0: it is not bounded.
	CommandRate float64
	// CommandBurst is how many may come at once; 0: as many as in a second.
	CommandBurst int
}

// door is a guard at work.
type door struct {
	Guard
	limits  *limits // nil: there is none
	waiters *waiters
}

func newDoor(g Guard) door {
	return door{g, newLimits(g.CommandRate, g.CommandBurst), &waiters{}}
}

// guarded lets in to a route whom it is for.
func (d door) guarded(route string, h handler) handler {
	scope := scopeOf(route)
	return func(w http.ResponseWriter, r *http.Request) error {
		if scope == ScopeCommand || !reads(r.Method) {
			if err := admit(r); err != nil {
				return err
			}
		}
		var err error
		if v, done := r.Context().Value(findingKey{}).(finding); done {
			err = v.err
		} else {
			r, err = d.known(r, scope)
		}
		if err != nil {
			return err
		}
		if scope == ScopeCommand {
			if err := d.limits.take(r); err != nil {
				return err
			}
		}
		leave, err := d.waiters.enter(r)
		if err != nil {
			return err
		}
		defer leave()
		return h(w, r)
	}
}

// finding is what came of a look at who sent a request.
type finding struct{ err error }

type findingKey struct{}

// introduced finds out who sent a request before it takes part in a trace that it names:
// a stranger's could name anybody's, and have each of its requests kept.
func (d door) introduced(route string, h http.Handler) http.Handler {
	scope := scopeOf(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["Traceparent"]; sent && d.Callers != nil {
			known, err := d.known(r, scope)
			if err != nil {
				known.Header.Del("Traceparent")
				known.Header.Del("Tracestate")
			}
			r = known.WithContext(context.WithValue(known.Context(), findingKey{}, finding{err}))
		}
		h.ServeHTTP(w, r)
	})
}

// reads reports whether requests with a method change nothing.
func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// known finds out who sent a request, and whether they may have the scope.
func (d door) known(r *http.Request, scope string) (*http.Request, error) {
	if d.Callers == nil {
		if scope != forAll && scope != forKnown && !d.ours(r.Host) {
			return r, fail(http.StatusMisdirectedRequest,
				"nothing is served here under the name %q: use localhost, or have the server started with -host", r.Host)
		}
		return r, nil
	}
	token, given := tokenOf(r.Header)
	if !given {
		if scope == forAll {
			return caller{}.in(r), nil
		}
		return r, unauthorized("", "this needs a token: send the header Authorization with Bearer and a token")
	}
	subject, scopes, err := d.Callers.Authenticate(r.Context(), token)
	var judged *order.Error
	switch {
	case err == nil:
	case scope == forAll:
		return caller{}.in(r), nil
	case errors.As(err, &judged) && judged.Kind == order.Invalid:
		return r, unauthorized(`, error="invalid_token"`, judged.Detail)
	default:
		return r, err
	}
	c := caller{subject, scopes}
	if scope != forAll && scope != forKnown && !c.may(scope) {
		return r, &failure{
			status: http.StatusForbidden,
			detail: "this needs the scope " + scope + ", which the token does not have",
			header: http.Header{"Www-Authenticate": {bearer + `, error="insufficient_scope", scope="` + scope + `"`}},
		}
	}
	return c.in(r), nil
}

// stays judges a client that reads on, as its token may have ended since it was let in.
// While that cannot be told it stays.
func (d door) stays(ctx context.Context, r *http.Request) error {
	_, err := d.known(r.WithContext(ctx), ScopeQuery)
	if refused := (*failure)(nil); errors.As(err, &refused) {
		return err
	}
	return nil
}

// ours reports whether a Host is loopback's, or among those that were given.
func (d door) ours(host string) bool {
	return localName(host) || slices.ContainsFunc(d.Hosts, func(h string) bool { return strings.EqualFold(h, nameIn(host)) })
}

const (
	bearer = `Bearer realm="simplecqrs"`
	// basic has a browser ask for a password, which is taken as the token.
	basic = `Basic realm="simplecqrs", charset="UTF-8"`
)

// unauthorized is the answer (RFC 6750) to a request whose token is not good, or that has none.
func unauthorized(why, detail string) error {
	return &failure{
		status: http.StatusUnauthorized, detail: detail,
		header: http.Header{"Www-Authenticate": {bearer + why, basic}},
	}
}

// tokenOf gives the token that a request has: a bearer's, or the password that a
// browser was given.
func tokenOf(h http.Header) (token string, given bool) {
	scheme, rest, _ := strings.Cut(h.Get("Authorization"), " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "bearer":
		token = rest
	case "basic":
		decoded, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return "", false
		}
		_, token, _ = strings.Cut(string(decoded), ":")
	}
	return token, token != ""
}
