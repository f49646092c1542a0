package edge

import (
	"net/http"
	"testing"
)

func TestOneClientTooManyThatWaitsIsAskedToComeLater(t *testing.T) {
	w := newWorld(t)
	w.get, w.await = has(complete(seedID)), changingRow(6).await
	inside := &w.handler.(*router).door.waiters.inside
	inside.Store(maxWaiting)
	for _, c := range []struct {
		method, path, query string
		prefer              string
		status              int
	}{
		{http.MethodPost, "/command", "", "wait=1", http.StatusServiceUnavailable},
		{http.MethodGet, "/query/" + seedID, "until=MAIL_COMPLETED", "wait=1", http.StatusServiceUnavailable},
		{http.MethodGet, "/query/" + seedID, "%76ersion=1", "", http.StatusServiceUnavailable},
		{http.MethodPost, "/command", "", "", http.StatusAccepted},
		{http.MethodGet, "/query/" + seedID, "", "", http.StatusOK},
		{http.MethodGet, "/query/" + seedID, "", "wait=0", http.StatusOK},
	} {
		r := w.request(c.method, c.path, "")
		r.URL.RawQuery = c.query
		if c.prefer != "" {
			r.Header.Set("Prefer", c.prefer)
		}
		before := len(w.events())
		a := w.serve(r)
		if c.status != http.StatusServiceUnavailable {
			if a.StatusCode != c.status {
				t.Errorf("%+v: %d %s", c, a.StatusCode, a.body)
			}
			continue
		}
		a.wantProblem(t, c.status, "10000 clients wait here already, and no more can; try again later, or ask without having us wait")
		a.wantHeaders(t, "Retry-After", streamRetry)
		if len(w.events()) > before {
			t.Errorf("%+v: it was refused, and done", c)
		}
	}
	if n := inside.Load(); n != maxWaiting {
		t.Errorf("%d are inside", n)
	}
	inside.Store(0)
	r := w.request(http.MethodGet, "/query/"+seedID, "")
	r.URL.RawQuery = "version=1"
	if a := w.serve(r); a.StatusCode != http.StatusOK || inside.Load() != 0 {
		t.Errorf("answered %d, %d are inside", a.StatusCode, inside.Load())
	}
}
