package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func nested(levels int) string {
	return `{"detail":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
}

func TestWhatAClientSendsForTheStepsTravelsWithTheEvent(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       map[order.Step]order.JSON
	}{
		{"nothing", "", nil},
		{"white space", " \r\n", nil},
		{"no members", "{}", map[order.Step]order.JSON{}},
		{
			"numbers as they are written, white space gone",
			` {"payment": {"amount": 12.50, "of": 1e400, "n": 12345678901234567890}, "mail": "a b"} `,
			map[order.Step]order.JSON{
				order.Payment: order.JSON(`{"amount":12.50,"of":1e400,"n":12345678901234567890}`),
				order.Mail:    order.JSON(`"a b"`),
			},
		},
		{"the seed's name of the first step", `{"detail":null}`, map[order.Step]order.JSON{order.Detail: order.JSON("null")}},
		{"the same name in two objects", `{"detail":[{"a":1},{"a":{"a":1}}]}`, map[order.Step]order.JSON{
			order.Detail: order.JSON(`[{"a":1},{"a":{"a":1}}]`),
		}},
		{"as deep as may be", nested(maxDepth), map[order.Step]order.JSON{
			order.Detail: order.JSON(strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1)),
		}},
		{"as large as may be", `{"mail":1}` + strings.Repeat(" ", maxBody-10), map[order.Step]order.JSON{order.Mail: order.JSON("1")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			got := w.post(c.body)
			got.want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
			if diff := cmp.Diff(c.want, w.events()[0].Inputs); diff != "" {
				t.Errorf("inputs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABodyThatIsNoCommandIsRefusedAndSaysWhy(t *testing.T) {
	const known = "; known are detail, payment, mail, startAt"
	for _, c := range []struct {
		name, body, detail string
	}{
		{"not JSON", "order please", "the body is no JSON: invalid character 'o' looking for beginning of value"},
		{"half of it", `{"mail":`, "the body is no JSON: unexpected end of JSON input"},
		{"something behind it", `{} {}`, "the body is no JSON: invalid character '{' after top-level value"},
		{"a comma too many", `{"mail":1,}`, "the body is no JSON: invalid character '}' looking for beginning of object key string"},
		{"an array", `[{"mail":1}]`, "the body is no JSON object"},
		{"null", `null`, "the body is no JSON object"},
		{"a number", `1`, "the body is no JSON object"},
		{"not UTF-8", "{\"mail\":\"\xff\"}", "the body is not UTF-8"},
		{"a step that is none", `{"shipping":1}`, `the body's member "shipping" is unknown` + known},
		{"a step by its event's name", `{"PAYMENT":1}`, `the body's member "PAYMENT" is unknown` + known},
		{"several that are none", `{"b":1,"a":1,"c":1}`, `the body's member "a" is unknown` + known},
		{"a member twice", `{"mail":1,"mail":2}`, `the body's member "mail" stands twice`},
		{"a member twice, once in disguise", `{"mail":1,"m\u0061il":2}`, `the body's member "mail" stands twice`},
		{"a member twice, further in", `{"detail":[{"price":1,"price":2}]}`, `the body's member "price" stands twice`},
		{"too deep", nested(maxDepth + 1), "the body is nested deeper than 32 levels"},
		{"far too deep", nested(maxBody / 4), "the body is no JSON: invalid character '[' exceeded max depth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.post(c.body).wantProblem(t, http.StatusBadRequest, c.detail)
			w.wantNothingEmitted()
			w.wantNothingLogged()
		})
	}
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	for _, body := range []string{
		`{"mail":1}` + strings.Repeat(" ", maxBody-9),
		strings.Repeat("x", 10*maxBody),
	} {
		w := newWorld(t)
		w.post(body).wantProblem(t, http.StatusRequestEntityTooLarge, "the body is larger than 65536 bytes")
		w.wantNothingEmitted()
	}
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	w := newWorld(t)
	r := w.request(http.MethodPost, "/command", "", "Content-Type", "application/json")
	r.Body = io.NopCloser(iotest.ErrReader(errors.New("connection reset")))
	w.serve(r).wantProblem(t, http.StatusBadRequest, "the body could not be read")
	w.wantNothingEmitted()
}

func TestABodyOfAnotherTypeIsRefused(t *testing.T) {
	for _, c := range []struct {
		headers []string
		detail  string // empty: it is taken
	}{
		{[]string{"Content-Type", "application/json"}, ""},
		{[]string{"Content-Type", "Application/JSON; charset=utf-8"}, ""},
		{[]string{"Content-Type", "text/plain"}, `the body is "text/plain": want application/json`},
		{[]string{"Content-Type", "application/jsonp"}, `the body is "application/jsonp": want application/json`},
		{[]string{"Content-Type", "application/json;;"}, `the body is "application/json;;": want application/json`},
		{nil, `the body is "": want application/json`},
		{[]string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, `the body is encoded with "gzip": want it as it is`},
	} {
		w := newWorld(t)
		got := w.serve(w.request(http.MethodPost, "/command", `{"mail":1}`, c.headers...))
		if c.detail == "" {
			got.want(t, http.StatusAccepted, acceptedBody(w.placed(), "http://"+site))
			continue
		}
		got.wantProblem(t, http.StatusUnsupportedMediaType, c.detail)
		w.wantNothingEmitted()
	}
}

// FuzzBody holds any body to: it is refused as the client's fault, or what is taken
// of it is JSON without white space, which means the same.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"mail": [1, {"a": null}]}`, `{"mail":1,"mail":2}`, `{"payment":{"amount":12.50}} x`,
		`[`, `{"detail":"\ud800"}`, `{"detail":1e400}`, `{"startAt":"2026-02-01T00:00:00Z"}`, nested(maxDepth + 1), "\xff",
	} {
		f.Add([]byte(seed))
	}
	e := &edge{Config: Config{Definition: saga.Default()}}
	f.Fuzz(func(t *testing.T, body []byte) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		all, err := membersOf(bytes.TrimSpace(body))
		var p placing
		if err == nil {
			p, err = e.placingIn(all, at)
		}
		var refused *failure
		if err != nil {
			if !errors.As(err, &refused) || refused.status != http.StatusBadRequest {
				t.Fatalf("%v", err)
			}
			return
		}
		if !p.startAt.IsZero() && p.startAt.Before(at) {
			t.Errorf("begins at %v", p.startAt)
		}
		delete(all, "startAt")
		if len(all) != len(p.inputs) {
			t.Errorf("%d members, %d inputs", len(all), len(p.inputs))
		}
		for step, input := range p.inputs {
			var b bytes.Buffer
			check(t, json.Compact(&b, input))
			if !bytes.Equal(b.Bytes(), input) {
				t.Errorf("%s: %s", step, input)
			}
		}
	})
}
