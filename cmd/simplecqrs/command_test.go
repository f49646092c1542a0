package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"simplecqrs/embedded"
)

// childEnv makes the test binary the command instead, in a process of its own that
// can be interrupted.
const childEnv = "SIMPLECQRS_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience bounds the wait for any state.
const patience = 2 * time.Minute

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// simplecqrs runs the command to its end.
func simplecqrs(t *testing.T, args ...string) (code int, answer, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var a, l strings.Builder
	code = run(ctx, args, output{answer: &a, log: &l})
	return code, a.String(), l.String()
}

// startBroker starts a broker, with our topics if there are to be partitions.
func startBroker(t *testing.T, partitions int) string {
	t.Helper()
	b, err := embedded.StartBroker("")
	check(t, err)
	t.Cleanup(b.Close)
	if partitions > 0 {
		code, _, log := simplecqrs(t, "topics", "create", "-brokers", b.Addrs()[0], "-partitions", fmt.Sprint(partitions))
		if code != 0 {
			t.Fatalf("topics create: exit code %d, log %s", code, log)
		}
	}
	return b.Addrs()[0]
}

// transcript is what a command has written so far.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next write
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
	return w.text.Write(p)
}

func (w *transcript) now() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String(), w.changed
}

// said waits for a text and gives what stands there in the place of the brackets.
func (w *transcript) said(t *testing.T, pattern string) string {
	t.Helper()
	limit := time.After(patience)
	for {
		text, changed := w.now()
		if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("never said %q, but:\n%s", pattern, text)
		}
	}
}

// get gives the status and body at a URL.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	check(t, err)
	defer func() { check(t, answer.Body.Close()) }()
	body, err := io.ReadAll(answer.Body)
	check(t, err)
	return answer.StatusCode, string(body)
}
