package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const someLetter = "saga~store.order~3~42"

// letterbox is an edge as far as dead letters go; it keeps what it was asked.
type letterbox struct {
	url  string
	mu   sync.Mutex
	asks []string
}

func openLetterbox(t *testing.T) *letterbox {
	box := &letterbox{}
	written := time.Now().Add(-150 * time.Minute).UTC().Format(time.RFC3339)
	one := `"id":"` + someLetter + `","order":"ORD-00001","role":"saga","reason":"a \u001b bug","topic":"store.order","partition":3,"offset":42,"written":"` + written + `","parked":true,"tries":2`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		check(t, err)
		box.mu.Lock()
		box.asks = append(box.asks, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		box.mu.Unlock()
		answer, status := "", http.StatusOK
		switch what := r.Method + " " + r.URL.Path; what {
		case "GET /deadletters":
			if answer = `{"letters":[{` + one + `}],"next":"n2"}`; r.URL.Query().Has("after") {
				answer = `{"letters":[{` + one + `}]}`
			}
		case "GET /deadletters/" + someLetter:
			answer = `{` + one + `,"headers":{"ce_id":"x"},"value":"{\"a\":\"\\u001b\"}"}`
		case "GET /deadletters/mail~store.order~0~1":
			answer = `{"id":"mail~store.order~0~1","valueBase64":"/wA="}`
		case "POST /deadletters/" + someLetter + "/redrive":
			status, answer = http.StatusAccepted, `{"id":"`+someLetter+`","_letter":"/x"}`
		case "POST /deadletters/redrive", "POST /deadletters/discard":
			answer = `{"results":[{"id":"` + someLetter + `","status":202},{"id":"mail~store.order~0~1","status":409,"error":"another is before it"}]}`
			if strings.Contains(string(body), "filter") && !strings.Contains(string(body), "after") {
				answer = strings.TrimSuffix(answer, "}") + `,"next":"n2"}`
			}
		default:
			status, answer = http.StatusNotFound, `{"detail":"no such letter"}`
		}
		w.WriteHeader(status)
		_, err = io.WriteString(w, answer)
		check(t, err)
	}))
	t.Cleanup(s.Close)
	box.url = s.URL
	return box
}

func (b *letterbox) run(t *testing.T, args ...string) (code int, answer, log string) {
	return simplecqrs(t, append([]string{"deadletters"}, append(args, "-url", b.url)...)...)
}

func TestDeadLettersAreShownForPeople(t *testing.T) {
	b := openLetterbox(t)
	code, answer, log := b.run(t, "list", "-order", "ORD-00001", "-role", "saga", "-limit", "7")
	want := "LETTER                 ORDER      WRITTEN      PARKED  TRIES  REASON\n" +
		"saga~store.order~3~42  ORD-00001  2 hours ago  yes     2      a   bug\n"
	if diff := cmp.Diff(want, answer); diff != "" || code != 0 || log != "there may be more: -after n2\n" {
		t.Errorf("exit code %d, log %s, answer (-want +got):\n%s", code, log, diff)
	}
	_, answer, _ = b.run(t, "show", someLetter)
	for _, want := range []string{"from          store.order, partition 3, offset 42\n", "header ce_id  x\n", "\n{\n  \"a\": \"\\u001b\"\n}\n"} {
		if !strings.Contains(answer, want) {
			t.Errorf("it does not say %q but\n%s", want, answer)
		}
	}
	if _, answer, _ = b.run(t, "show", "mail~store.order~0~1"); !strings.HasSuffix(answer, "\nff 00\n") {
		t.Errorf("bytes that are no text: %s", answer)
	}
	if diff := cmp.Diff([]string{
		"GET /deadletters?limit=7&order=ORD-00001&role=saga", "GET /deadletters/" + someLetter, "GET /deadletters/mail~store.order~0~1",
	}, b.asks); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestDeadLettersAreShownToProgramsAsTheEdgeShowsThem(t *testing.T) {
	b := openLetterbox(t)
	for _, args := range [][]string{{"list"}, {"show", someLetter}, {"redrive", someLetter}, {"discard", "-role", "saga"}} {
		_, answer, _ := b.run(t, append(args, "-o", "json")...)
		for d := json.NewDecoder(strings.NewReader(answer)); d.More(); {
			var any map[string]any
			check(t, d.Decode(&any))
		}
		if !strings.Contains(answer, `"id":"`+someLetter) {
			t.Errorf("%q: %s", args, answer)
		}
	}
}

func TestDeadLettersAreDealtWithOneByOneOrAllThatAreSo(t *testing.T) {
	b := openLetterbox(t)
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"redrive", someLetter, "-actor", "ann", "-reason", "mended"}, 0, []string{someLetter + "  accepted\n"}},
		{[]string{"discard", "edge~x~0~0", "-actor="}, 3, []string{"no such letter"}},
		{[]string{"discard", someLetter, "mail~store.order~0~1", "-actor="}, 4, []string{
			someLetter + "  accepted\n", "mail~store.order~0~1   refused   another is before it\n", "1 of 2 went wrong",
		}},
		{[]string{"redrive", "-order", "ORD-00001", "-actor="}, 4, []string{"2 of 4 went wrong"}},
	} {
		code, answer, log := b.run(t, c.args...)
		if code != c.code {
			t.Errorf("%q: exit code %d", c.args, code)
		}
		for _, want := range c.says {
			if !strings.Contains(answer+log, want) {
				t.Errorf("%q: it does not say %q but %s%s", c.args, want, answer, log)
			}
		}
	}
	if diff := cmp.Diff([]string{
		"POST /deadletters/" + someLetter + "/redrive {\"actor\":\"ann\",\"reason\":\"mended\"}",
		"POST /deadletters/edge~x~0~0/discard {}",
		fmt.Sprintf(`POST /deadletters/discard {"ids":[%q,"mail~store.order~0~1"]}`, someLetter),
		`POST /deadletters/redrive {"filter":{"order":"ORD-00001"}}`,
		`POST /deadletters/redrive {"filter":{"after":"n2","order":"ORD-00001"}}`,
	}, b.asks); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestADryRunListsTheLettersThatAreMeant(t *testing.T) {
	b := openLetterbox(t)
	code, answer, log := b.run(t, "discard", "-role", "saga", "-dry-run", "-actor=")
	if code != 0 || log != "" || strings.Count(answer, someLetter) != 2 || strings.Count(answer, "REASON") != 1 {
		t.Errorf("exit code %d, answer %s, log %s", code, answer, log)
	}
	if diff := cmp.Diff([]string{"GET /deadletters?limit=500&role=saga", "GET /deadletters?after=n2&limit=500&role=saga"}, b.asks); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestAMistakeAboutDeadLettersIsToldBeforeAnythingIsAsked(t *testing.T) {
	b := openLetterbox(t)
	for want, args := range map[string][]string{
		"say what to do":                          {},
		"name one letter":                         {"show"},
		`"42" is no letter's id`:                  {"show", "42"},
		"name letters, or say by -order or -role": {"redrive"},
		"show shows one":                          {"list", someLetter},
	} {
		if code, _, log := simplecqrs(t, append([]string{"deadletters"}, args...)...); code != 2 || !strings.Contains(log, want) {
			t.Errorf("%q: exit code %d, log %s", args, code, log)
		}
	}
	if len(b.asks) > 0 {
		t.Errorf("asked %q", b.asks)
	}
}
