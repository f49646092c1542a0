package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"simplecqrs/order"
)

func TestAPathThatIsUnknownIsAProblem(t *testing.T) {
	for _, path := range []string{
		"/commands", "/command/", "/query/", "/command/brew", "/command/" + seedID, "/command/" + seedID + "/brew",
		"/index.html", "/assets", "/assets/", "/assets/../web.go",
		"/command/" + seedID + "/pause/", "/command/pause/", "/query/" + seedID + "/", "/query/" + seedID + "/nowhere",
		// Not sent to the clean path, where a client would come with another method.
		"//command", "/./command", "/query/../command", "*",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, "PURGE"} {
			w := newWorld(t)
			got := w.do(method, path)
			got.wantProblem(t, http.StatusNotFound, "nothing is served at "+path)
			got.wantHeaders(t, "Location", "")
			w.wantNothingEmitted()
		}
	}
}

func TestAMethodThatAPathDoesNotHaveIsAProblemThatNamesThoseItHas(t *testing.T) {
	const read = "GET, HEAD"
	for path, allow := range map[string]string{
		"/command":                      "GET, POST", // and no HEAD, which must change nothing
		"/query/" + seedID:              read,
		"/query/" + seedID + "/history": read,
		"/query/no-id":                  read,
		"/query":                        read,
		"/query/stuck":                  read,
		"/command/cancel":               "POST",
		"/command/" + seedID + "/skip":  "POST",
		"/":                             read,
		"/assets/base.css":              read,
		"/healthz":                      read,
		"/readyz":                       read,
		"/metrics":                      read,
	} {
		for _, method := range []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
			http.MethodDelete, http.MethodOptions, http.MethodTrace, "PURGE", "get",
		} {
			if strings.Contains(", "+allow+",", " "+method+",") {
				continue
			}
			w := newWorld(t)
			got := w.do(method, path)
			got.wantProblem(t, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not possible here; %s is", method, allow))
			got.wantHeaders(t, "Allow", allow)
			w.wantNothingEmitted()
		}
	}
}

func TestEachKindOfErrorHasAStatus(t *testing.T) {
	for kind, status := range map[order.Kind]int{
		order.Invalid: 400, order.NotFound: 404, order.Conflict: 409, order.Unavailable: 503,
	} {
		w := newWorld(t)
		w.get = func(context.Context, string) (order.Row, error) {
			return order.Row{}, fmt.Errorf("mongo: %w", &order.Error{Kind: kind, Detail: "so it is"})
		}
		w.command(seedID+"/pause", "").wantProblem(t, status, "so it is")
		w.wantNothingLogged()
	}
}

func TestAFailureOfOursIsLoggedAndNotShown(t *testing.T) {
	for name, err := range map[string]error{
		"an error":                    errors.New("mongodb://admin:secret@10.0.0.7 refuses"),
		"an error of no known kind":   &order.Error{Kind: 99, Detail: "mongodb://admin:secret@10.0.0.7 refuses"},
		"somebody else's time is out": fmt.Errorf("mongodb://admin:secret@10.0.0.7 refuses: %w", context.Canceled),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.get = func(context.Context, string) (order.Row, error) { return order.Row{}, err }
			w.do(http.MethodGet, "/query/"+seedID).wantProblem(t, http.StatusInternalServerError, "")
			w.wantLogged("secret")
			w.wantLogged("/query/" + seedID)
		})
	}
}

func TestAPanicIsLoggedAndNotShown(t *testing.T) {
	w := newWorld(t)
	w.get = func(context.Context, string) (order.Row, error) { panic("mongodb://admin:secret@10.0.0.7") }
	w.do(http.MethodGet, "/query/"+seedID).wantProblem(t, http.StatusInternalServerError, "")
	w.wantLogged("secret")
	w.wantLogged("problem_test.go") // the stack
	w.wantCounted(`simplecqrs_http_request_seconds_count{code="500",method="get",route="/query/{id}"} 1`)
}

func TestAHandlerMayCutTheConnection(t *testing.T) {
	w := newWorld(t)
	w.get = func(context.Context, string) (order.Row, error) { panic(http.ErrAbortHandler) }
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("what reaches the server is %v", err)
		}
		w.wantNothingLogged()
	}()
	w.do(http.MethodGet, "/query/"+seedID)
}

func TestAProblemHasNoHeadersOfTheAnswerThatFailed(t *testing.T) {
	headers := []string{"ETag", "Cache-Control", "Location", "Content-Location", "Order-Status"}
	for name, failing := range map[string]func() error{
		"it fails":  func() error { return &order.Error{Kind: order.NotFound, Detail: "gone"} },
		"it panics": func() error { panic("at the disco") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.handler = server{func(a http.ResponseWriter, _ *http.Request) error {
				for _, h := range headers {
					a.Header().Set(h, "of the answer")
				}
				return failing()
			}, w.health().Logger}
			a := w.do(http.MethodGet, "/")
			a.wantHeaders(t, "Cache-Control", "no-store")
			for _, h := range headers {
				if got := a.Header.Get(h); got == "of the answer" {
					t.Errorf("%s is %q", h, got)
				}
			}
		})
	}
}
