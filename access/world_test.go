package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// journal is what was logged, and says when it is more.
type journal struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next write
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.changed)
	j.changed = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) now() (string, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String(), j.changed
}

func (j *journal) count(what string) int {
	text, _ := j.now()
	return strings.Count(text, what)
}

// said waits for a text.
func (j *journal) said(t *testing.T, what string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		text, changed := j.now()
		if strings.Contains(text, what) {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("never said %q, but:\n%s", what, text)
		}
	}
}

var allScopes = []string{"command", "query", "admin"}

func hashOf(token string) string {
	h := sha256.Sum256([]byte(token))
	return hashed + hex.EncodeToString(h[:])
}

// file writes a file that its owner alone may read.
func file(t *testing.T, content string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "file")
	rewrite(t, name, content)
	return name
}

func rewrite(t *testing.T, name, content string) {
	t.Helper()
	check(t, os.WriteFile(name, []byte(content), 0o600))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
