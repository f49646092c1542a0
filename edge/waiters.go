package edge

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// maxWaiting bounds the requests whose clients have us wait, in a process: as a stream
// each costs some 20 KB, and for as long as a minute.
const maxWaiting = 10_000

// waiters counts the clients that wait.
type waiters struct{ inside atomic.Int64 }

// enter counts a client that has us wait, who must leave, or refuses it before anything
// is done for it. One that does not wait is let pass.
func (w *waiters) enter(r *http.Request) (leave func(), err error) {
	if !waits(r) {
		return func() {}, nil
	}
	if w.inside.Add(1) > maxWaiting {
		w.inside.Add(-1)
		return nil, &failure{
			status: http.StatusServiceUnavailable,
			detail: fmt.Sprintf("%d clients wait here already, and no more can; try again later, or ask without having us wait", maxWaiting),
			header: http.Header{"Retry-After": {streamRetry}},
		}
	}
	return func() { w.inside.Add(-1) }, nil
}

// waits reports whether a request has us wait: it says so, or names a version that may
// be yet to come.
func waits(r *http.Request) bool {
	if len(r.Header["Prefer"]) > 0 {
		if wait, err := waitOf(r.Header); err == nil && wait > 0 {
			return true
		}
	}
	return r.URL.RawQuery != "" && r.URL.Query().Has("version")
}
