package edge

import (
	"net/http"
	"path"

	"github.com/gorilla/mux"

	"simplecqrs/web"
)

// page shows the page for people: GET /.
func page(w http.ResponseWriter, r *http.Request) error { return sendFile(w, r, "index.html") }

// asset serves what pages are made of: GET /assets/{name}.
func asset(w http.ResponseWriter, r *http.Request) error {
	name := mux.Vars(r)["name"]
	if path.Ext(name) == ".html" { // a page has an address of its own
		return notServed(r)
	}
	return sendFile(w, r, name)
}

func notServed(r *http.Request) error {
	return nothingAt(r)
}

// sendFile answers with a file of the pages'. A browser keeps it and asks each time
// whether it is still the same, so that all files are of one version.
func sendFile(w http.ResponseWriter, r *http.Request, name string) error {
	f, found := web.Get(name)
	if !found {
		return notServed(r)
	}
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.ETag)
	if matches(r.Header.Values("If-None-Match"), f.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = w.Write(f.Body) // the client went away: there is nobody to tell
	return nil
}
