package edge

import (
	_ "embed"
	"net/http"
)

// openAPI describes all that is served, for programs and for those who write them. A
// test holds the routes to it, each answer that a test gets, and each message of a stream;
// and each status that it has is answered to some test.
//
//go:embed openapi.yaml
var openAPI []byte

// description serves it: GET /openapi.yaml.
func description(w http.ResponseWriter, _ *http.Request) error {
	send(w, http.StatusOK, "application/yaml", openAPI)
	return nil
}
