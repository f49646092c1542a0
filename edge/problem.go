package edge

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"simplecqrs/order"
)

// handler serves a request or says why not; server alone turns an error into a
// problem.
type handler func(w http.ResponseWriter, r *http.Request) error

type server struct {
	handler
	log *slog.Logger
}

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		p := recover()
		switch p {
		case nil:
			return
		case http.ErrAbortHandler:
			panic(p) // net/http's own, to cut the connection
		}
		s.log.ErrorContext(r.Context(), "a handler panicked", slog.String("path", r.URL.Path),
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		s.write(w, r, problem{Status: http.StatusInternalServerError})
	}()
	if err := s.handler(w, r); err != nil {
		s.write(w, r, s.problemOf(r, err))
	}
}

// problem is the body of a failure (RFC 9457), with the seed's member error.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Error  string `json:"error"`

	header http.Header
}

// said is what went wrong in words, of which there are always some.
func (p problem) said() string { return cmp.Or(p.Detail, http.StatusText(p.Status)) }

// failure is an error that is HTTP's own: it has a status and no meaning elsewhere.
type failure struct {
	status int
	detail string
	header http.Header
}

func (f *failure) Error() string { return f.detail }

func fail(status int, format string, args ...any) error {
	return &failure{status: status, detail: fmt.Sprintf(format, args...)}
}

// statusOf is the one table from what went wrong to what HTTP calls it.
var statusOf = map[order.Kind]int{
	order.Invalid:     http.StatusBadRequest,
	order.NotFound:    http.StatusNotFound,
	order.Conflict:    http.StatusConflict,
	order.Unavailable: http.StatusServiceUnavailable,
}

// retryAfter is what a client is asked to wait, in seconds, when a part is away.
const retryAfter = "1"

// clientGone is the status, nginx's, of a request whose client did not wait for
// the answer. Nobody reads it but those who read the metrics.
const clientGone = 499

func (s server) problemOf(r *http.Request, err error) problem {
	var f *failure
	var e *order.Error
	switch gone := r.Context().Err(); {
	case errors.As(err, &f):
		return problem{Status: f.status, Detail: f.detail, header: f.header}
	case errors.As(err, &e) && statusOf[e.Kind] != 0:
		p := problem{Status: statusOf[e.Kind], Detail: e.Detail} // and not what is wrapped around it
		if e.Kind == order.Unavailable {
			p.header = http.Header{"Retry-After": {retryAfter}}
		}
		return p
	case gone != nil && errors.Is(err, gone):
		return problem{Status: clientGone}
	}
	s.log.ErrorContext(r.Context(), "a request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	return problem{Status: http.StatusInternalServerError}
}

// ofSuccess are headers of an answer that a handler may have set before it failed. They
// would say of a problem that it may be kept, or where what was not made is. That a
// client was waited for is true of a problem as well.
var ofSuccess = []string{"Cache-Control", "Content-Location", "Etag", "Location", "Order-Status"}

func (s server) write(w http.ResponseWriter, r *http.Request, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	p.Error = p.said()
	body, err := json.Marshal(p)
	if err != nil {
		s.log.ErrorContext(r.Context(), "a problem could not be encoded", slog.Any("error", err))
	}
	for _, name := range ofSuccess {
		w.Header().Del(name)
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	send(w, p.Status, "application/problem+json", body)
}

// send writes an answer with its body; one to HEAD goes without, by net/http.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client went away: there is nobody to tell
}

// sendJSON answers with a value as JSON.
func sendJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	send(w, status, "application/json", body)
	return nil
}

// Unserved is how the detail begins of the answer where nothing is, by which a client can tell
// that from an order that is not there.
const Unserved = "nothing is served at "

func nothingAt(r *http.Request) error {
	return &order.Error{Kind: order.NotFound, Detail: Unserved + r.URL.Path}
}

func (r *router) methodNotAllowed(_ http.ResponseWriter, q *http.Request) error {
	var allowed []string
	err := r.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		methods, err := route.GetMethods()
		if err != nil {
			return nil // a route for any method does not lead here
		}
		probe := q.Clone(q.Context())
		for _, m := range methods {
			probe.Method = m
			if route.Match(probe, &mux.RouteMatch{}) {
				allowed = append(allowed, m)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(allowed)
	allow := strings.Join(slices.Compact(allowed), ", ")
	return &failure{
		status: http.StatusMethodNotAllowed,
		detail: fmt.Sprintf("%s is not possible here; %s is", q.Method, allow),
		header: http.Header{"Allow": {allow}},
	}
}
