package edge

import "net/http"

// docs shows the API to people: GET /docs.
func docs(w http.ResponseWriter, r *http.Request) error { return sendFile(w, r, "docs.html") }
