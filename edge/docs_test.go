package edge

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestTheAPIIsShown(t *testing.T) {
	w := newWorld(t)
	w.wantPage("/docs", "API")
	got := w.do(http.MethodGet, "/docs/openapi.json")
	var description struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]any
	}
	got.decode(t, &description)
	if !strings.HasPrefix(description.OpenAPI, "3.1") || description.Paths["/command"] == nil {
		t.Errorf("the description is %.200s", got.body)
	}
	got.wantHeaders(t, "Content-Type", "application/json", "X-Content-Type-Options", "nosniff")
}

func TestYAMLIsTheSameAsJSONInTheSameOrder(t *testing.T) {
	const text = `
z: &one {b: 1.5, a: [yes, "no", null, 2026-01-02]}
200: *one
text: |
  two
  lines <&>
"true": true
`
	const want = `{"z":{"b":1.5,"a":["yes","no",null,"2026-01-02"]},"200":{"b":1.5,"a":["yes","no",null,"2026-01-02"]},` +
		`"text":"two\nlines \u003c\u0026\u003e\n","true":true}`
	got, err := asJSON([]byte(text))
	check(t, err)
	if string(got) != want || !json.Valid(got) {
		t.Errorf("it is %s, want %s", got, want)
	}
}

func TestADescriptionThatCannotBeReadIsAnError(t *testing.T) {
	for _, text := range []string{"a: [", "{[a]: b}", "a: !!int x", "a: .nan"} {
		if got, err := asJSON([]byte(text)); err == nil {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}
