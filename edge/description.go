package edge

import (
	_ "embed"
	"net/http"
)

// openAPI describes all that is served, for programs and for those who write them. A
// test holds the routes to it, and each answer that a test gets.
//
//go:embed openapi.yaml
var openAPI []byte

// description serves it: GET /openapi.yaml.
func description(w http.ResponseWriter, _ *http.Request) error {
	send(w, http.StatusOK, "application/yaml", openAPI)
	return nil
}
