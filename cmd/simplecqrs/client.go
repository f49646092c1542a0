package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// edgeClient asks an edge and prints what it answers.
type edgeClient struct {
	server string
	raw    bool // print the answer as it is
	out    output

	token, ca *string
}

// accessFlags are the flags that say who asks, and whom to trust. The token is best
// left to the environment, as others see the command line.
func (c *edgeClient) accessFlags(f *flag.FlagSet) {
	c.token = f.String("token", "", "`token` that says who you are; better given by the environment, which others do not see")
	c.ca = f.String("cacert", "", "`file` with the certificates of those who vouch for the edge, in PEM (default the system's)")
}

type edgeAnswer struct {
	status int
	body   []byte
}

const (
	// answerTime is what the edge may take, beside the wait that it is asked for.
	answerTime = 30 * time.Second
	maxAnswer  = 64 << 20
)

// ask sends a request; an answer that is a failure is an error, with its exit code.
func (c edgeClient) ask(ctx context.Context, method, path string, body map[string]json.RawMessage, wait time.Duration) (a edgeAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	encoded, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	r, err := http.NewRequestWithContext(ctx, method, c.server+path, nil)
	if err != nil {
		return a, err
	}
	if body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(encoded)), int64(len(encoded))
		r.Header.Set("Content-Type", "application/json")
	}
	if wait > 0 {
		r.Header.Set("Prefer", "wait="+strconv.Itoa(int(wait.Seconds())))
	}
	if *c.token != "" {
		r.Header.Set("Authorization", "Bearer "+*c.token)
	}
	client, err := httpClient(*c.ca)
	if err != nil {
		return a, err
	}
	defer client.CloseIdleConnections()
	got, err := client.Do(r)
	if err != nil {
		return a, err
	}
	a.status = got.StatusCode
	a.body, err = io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	if err = errors.Join(err, got.Body.Close()); err != nil || a.status < http.StatusBadRequest {
		return a, err
	}
	var problem struct{ Detail, Title string }
	if json.Unmarshal(a.body, &problem) != nil { // it is not from our edge
		problem.Detail = string(a.body[:min(len(a.body), 500)])
	}
	if c.raw {
		err = c.print(string(a.body))
	}
	said := cmp.Or(plain(problem.Detail), problem.Title, got.Status)
	return a, errors.Join(err, &codedError{errors.New(said), exitOf(a.status)})
}

// httpClient gives a client that trusts the certificates in a file, or the system's.
func httpClient(ca string) (*http.Client, error) {
	trust, err := clientTLS(ca)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	return &http.Client{Transport: transport}, nil
}

func (c edgeClient) print(text string) error {
	_, err := io.WriteString(c.out.answer, text)
	return err
}

// table is lines of cells.
type table [][]string

func (t table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range t {
		cells := make([]string, len(line))
		for i, cell := range line {
			cells[i] = plain(cell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) // nothing fails that writes to a string
	}
	_ = w.Flush() // nor does this
	return paddingAtEnds.ReplaceAllString(b.String(), "")
}

var paddingAtEnds = regexp.MustCompile(`(?m) +$`)

// plain is a text that does nothing to a terminal, in one line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func quoted(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return b
}
