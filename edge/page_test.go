package edge

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/web"
)

// pages are paths of files, and their media types.
var pages = map[string]string{
	"/":                "text/html; charset=utf-8",
	"/docs":            "text/html; charset=utf-8",
	"/monitor":         "text/html; charset=utf-8",
	"/assets/base.css": "text/css; charset=utf-8",
	"/assets/main.js":  "text/javascript; charset=utf-8",
	"/assets/icon.svg": "image/svg+xml",
}

func TestAFileIsServedAsItIsUnderThePolicy(t *testing.T) {
	for path, mediaType := range pages {
		w := newWorld(t)
		got := w.do(http.MethodGet, path)
		name := strings.TrimPrefix(strings.TrimPrefix(path, "/assets"), "/")
		if mediaType == pages["/"] {
			name = cmp.Or(name, "index") + ".html"
		}
		want, found := web.Get(name)
		if !found || got.StatusCode != http.StatusOK || got.body != string(want.Body) {
			t.Errorf("GET %s answered %d with %d bytes, want the %d of %s", path, got.StatusCode, len(got.body), len(want.Body), name)
		}
		got.wantHeaders(t, "Content-Type", mediaType, "X-Content-Type-Options", "nosniff", "Cache-Control", "no-cache",
			"Content-Security-Policy", policy, "ETag", want.ETag)
		if head := w.do(http.MethodHead, path); head.StatusCode != http.StatusOK {
			t.Errorf("HEAD %s answered %d", path, head.StatusCode)
		}
	}
}

func TestABrowserThatHasTheFileIsNotSentItAgain(t *testing.T) {
	w := newWorld(t)
	for path := range pages {
		tag := w.do(http.MethodGet, path).Header.Get("ETag")
		again := w.do(http.MethodGet, path, "If-None-Match", tag)
		if again.StatusCode != http.StatusNotModified || again.body != "" {
			t.Errorf("GET %s answered %d with %d bytes to one who has it", path, again.StatusCode, len(again.body))
		}
		if other := w.do(http.MethodGet, path, "If-None-Match", `"another"`, "If-Match", `"another"`, "Range", "bytes=1-2"); other.StatusCode != http.StatusOK {
			t.Errorf("GET %s answered %d to one who has another", path, other.StatusCode)
		}
	}
}

func TestThePolicyAllowsNothingInlineAndNothingFromElsewhere(t *testing.T) {
	for _, never := range []string{"unsafe", "*", "http:", "https:", "script-src", "style-src"} {
		if strings.Contains(policy, never) {
			t.Errorf("the policy has %s: %s", never, policy)
		}
	}
}

func TestAFileThatIsNotThereIsAProblem(t *testing.T) {
	for _, name := range []string{"nothing.js", "index.html", "web.go", "..", ".", "%2e%2e", "base.css/"} {
		w := newWorld(t)
		w.do(http.MethodGet, "/assets/"+name).wantProblem(t, http.StatusNotFound, "nothing is served at /assets/"+name)
	}
}

func TestAProcessThatIsNoEdgeServesTheFilesButNotThePage(t *testing.T) {
	w := newWorld(t)
	h := w.health()
	h.Registry = prometheus.NewRegistry() // the edge has its figures in the other
	w.handler = NewHealth(h)
	if got := w.do(http.MethodGet, "/assets/base.css"); got.StatusCode != http.StatusOK {
		t.Errorf("answered %d, want the file", got.StatusCode)
	}
	w.do(http.MethodGet, "/").wantProblem(t, http.StatusNotFound, "nothing is served at /")
}
