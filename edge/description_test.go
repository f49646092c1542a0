package edge

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"
)

// operations gives what is described, by method and path without the names of parameters.
func operations(t *testing.T) (all []string) {
	t.Helper()
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			all = append(all, method+" "+nameless(path))
		}
	}
	slices.Sort(all)
	return all
}

func nameless(path string) string { return regexp.MustCompile(`{[^}]*}`).ReplaceAllString(path, "{}") }

func TestWhatIsServedIsWhatIsDescribed(t *testing.T) {
	served := map[string]bool{}
	check(t, newWorld(t).handler.(*router).Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		template, err := route.GetPathTemplate()
		check(t, err)
		methods, err := route.GetMethods()
		check(t, err)
		paths := []string{template}
		if before, after, several := strings.Cut(template, "{verb:"); several {
			verbs, after, _ := strings.Cut(after, "}")
			paths = nil
			for verb := range strings.SplitSeq(verbs, "|") {
				paths = append(paths, before+verb+after)
			}
		}
		for _, path := range paths {
			for _, method := range methods {
				if method != http.MethodHead { // as GET is, which the description says once
					served[method+" "+nameless(path)] = true
				}
			}
			if slices.Contains(methods, http.MethodGet) != slices.Contains(methods, http.MethodHead) &&
				path != "/command" && !strings.HasSuffix(path, "/stream") {
				t.Errorf("%s is answered to one of GET and HEAD", path)
			}
		}
		return nil
	}))
	if diff := cmp.Diff(operations(t), slices.Sorted(maps.Keys(served))); diff != "" {
		t.Errorf("what is served (-described +served):\n%s", diff)
	}
}

func TestTheDescriptionIsServedAsItIs(t *testing.T) {
	got := newWorld(t).do(http.MethodGet, "/openapi.yaml")
	got.wantHeaders(t, "Content-Type", "application/yaml")
	if got.StatusCode != http.StatusOK || strings.TrimSpace(got.body) != strings.TrimSpace(string(openAPI)) {
		t.Errorf("answered %s, %d bytes", got.Status, len(got.body))
	}
}

var loaded = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(openapi3.NewLoader().Context)
})

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := loaded()
	check(t, err)
	return doc
}

var routed = sync.OnceValues(func() (routers.Router, error) {
	doc, err := loaded()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

// described holds every answer to the description, and every request that was not
// refused.
func described(t *testing.T) mux.MiddlewareFunc {
	t.Helper()
	find, err := routed()
	check(t, err)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked := r.Clone(r.Context())
			var sent bytes.Buffer
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.TeeReader(r.Body, &sent), r.Body}
			told := &telling{ResponseWriter: w, status: http.StatusOK}
			next.ServeHTTP(told, r)
			asked.Body = io.NopCloser(bytes.NewReader(bytes.TrimSpace(sent.Bytes())))
			told.hold(t, find, asked)
		})
	}
}

// telling notes what is answered.
type telling struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (a *telling) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *telling) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *telling) Write(p []byte) (int, error) {
	a.body.Write(p)
	return a.ResponseWriter.Write(p)
}

// isJSON are the media types whose bodies are held to schemas.
var isJSON = regexp.MustCompile(`^application/([a-z.-]+\+)?json`)

func (a *telling) hold(t *testing.T, find routers.Router, r *http.Request) {
	if a.status == clientGone { // nobody is told
		return
	}
	head := r.Method == http.MethodHead
	if head {
		r.Method = http.MethodGet
	}
	route, parameters, err := find.FindRoute(r)
	if err != nil {
		if a.status < http.StatusBadRequest { // a path that is none, such as one with an empty id
			t.Errorf("%s %s is not described, and answered %d", r.Method, r.URL, a.status)
		}
		return
	}
	if route.Operation.Responses.Status(a.status) == nil { // of some, such as 304, the filter does not ask
		t.Errorf("%s %s was answered %d, which is not described", r.Method, r.URL, a.status)
		return
	}
	noted.add(route.Operation, a.status)
	asked := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true},
	}
	if a.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(r.Context(), asked); err != nil {
			t.Errorf("%s %s was answered %d, although it is not as described: %v", r.Method, r.URL, a.status, err)
		}
	}
	told := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: asked, Status: a.status, Header: a.Header(),
		Body: io.NopCloser(&a.body),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			ExcludeResponseBody: head || !isJSON.MatchString(a.Header().Get("Content-Type")),
		},
	}
	if err := openapi3filter.ValidateResponse(r.Context(), told); err != nil {
		t.Errorf("the answer %d to %s %s is not as described: %v", a.status, r.Method, r.URL, err)
	}
	if strings.HasPrefix(a.Header().Get("Content-Type"), "text/event-stream") {
		holdMessages(t, route, a.body.String())
	}
}

// messages are the schemas of what the streams send, by operation and event.
var messages = map[string]map[string]string{
	"streamOrder":  {"order": "History"},
	"streamEvents": {"": "LiveEvent", "reset": ""}, // there is nothing to say of the latter
}

// holdMessages holds what a stream has sent to the schemas.
func holdMessages(t *testing.T, route *routers.Route, sent string) {
	for message := range strings.SplitSeq(sent, "\n\n") {
		fields := map[string]string{}
		for line := range strings.SplitSeq(message, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			fields[name] = value
		}
		data, has := fields["data"]
		if !has { // a comment, or where to go on
			continue
		}
		schema, known := messages[route.Operation.OperationID][fields["event"]]
		var value any
		err := json.Unmarshal([]byte(data), &value)
		if err == nil && schema != "" {
			err = route.Spec.Components.Schemas[schema].Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors())
		}
		if !known || err != nil {
			t.Errorf("%s: the message %q is not as described: %v", route.Path, message, err)
		}
	}
}
