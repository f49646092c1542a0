package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"simplecqrs/edge"
)

// Exit codes of what asks an edge, beside the others.
const (
	exitNotFound    = 3
	exitRefused     = 4
	exitUnavailable = 5
	exitForbidden   = 6
	exitOtherEnd    = 7
)

const exitHelp = `
Exit codes: 0 all went well, 1 it failed, 2 it was asked for what it does not know,
3 there is no such thing, 4 refused as things stand, 5 the edge is not there or cannot
answer, 6 not allowed, 7 the order has ended otherwise than completed. Of several the
first that went wrong counts.`

// codedError is a failure that has an exit code of its own.
type codedError struct {
	error
	code int
}

// codeOf is the exit code for a failure.
func codeOf(err error) int {
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailed
}

// exitOf is the exit code for a status that is a failure.
func exitOf(status int) int {
	switch status {
	case http.StatusBadRequest:
		return exitUsage
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return exitRefused
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnavailable
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitForbidden
	}
	return exitFailed
}

// edgeClient asks an edge and prints what it answers.
type edgeClient struct {
	url   string
	token string
	http  *http.Client
	raw   bool // print the answer as it is
	out   output
}

// clientFlags are the flags that say which edge is meant, and how to talk with it.
func clientFlags(f *flag.FlagSet) {
	define(f, "url", "http://127.0.0.1:8080", httpURL, "`URL` of the edge")
	f.String("token", "", "`token` that lets one in; other users of the machine may see it there, which -token-file avoids")
	f.String("token-file", "", "`file` with the token")
	f.String("cacert", "", "`file` with the certificates, in PEM, of who may vouch for the edge (default those of the machine)")
	define(f, "o", "text", oneOf("text", "json"), "`format` of the answer: text for people, or json as the edge gives it")
}

// clientOf is the client that the flags say.
func clientOf(f *flag.FlagSet, out output) (c edgeClient, err error) {
	value := func(name string) string { return f.Lookup(name).Value.String() }
	c = edgeClient{
		url: strings.TrimRight(value("url"), "/"), token: value("token"), raw: value("o") == "json", out: out,
	}
	if file := value("token-file"); file != "" {
		if c.token != "" {
			return c, wrongArguments("-token and -token-file do not go together")
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return c, wrongArguments("-token-file: " + err.Error())
		}
		c.token = strings.TrimSpace(string(text))
	}
	if c.http, err = httpClient(value("cacert")); err != nil {
		return c, wrongArguments("-cacert: " + err.Error())
	}
	return c, nil
}

// httpClient gives a client that trusts the certificates in a file, or the machine's.
func httpClient(ca string) (*http.Client, error) {
	trust, err := clientTLS(ca)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, transport.MaxIdleConnsPerHost = trust, atOnce
	return &http.Client{Transport: transport}, nil
}

type edgeAnswer struct {
	status int
	header http.Header
	body   []byte
}

const (
	// answerTime is what the edge may take, beside the wait that it is asked for.
	answerTime = 30 * time.Second
	// turnTime is how much of that may go by until it takes a request, of one who has sent
	// it more than it takes in a second.
	turnTime  = answerTime / 2
	maxAnswer = 64 << 20
	// atOnce is how many requests are on their way at once, where there are several.
	atOnce = 16
)

// request makes a request of the edge; a body that is nil is none.
func (c edgeClient) request(ctx context.Context, method, path string, body map[string]json.RawMessage) (*http.Request, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if body == nil {
		encoded = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	return r, nil
}

// send sends a request. That nobody answers has an exit code.
func (c edgeClient) send(r *http.Request) (*http.Response, error) {
	answer, err := c.http.Do(r)
	if err != nil && !errors.Is(err, context.Canceled) {
		err = &codedError{fmt.Errorf("%w\n%s", err, advice(err)), exitUnavailable}
	}
	return answer, err
}

// advice is what can be done if an edge is not reached.
func advice(err error) string {
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return "Whose certificates to trust, -cacert says."
	}
	return "Is that where an edge listens? -url says."
}

// ask sends a request, with headers that are pairs of name and value; an answer that is a
// failure is an error, with its exit code.
func (c edgeClient) ask(ctx context.Context, method, path string, body map[string]json.RawMessage, wait time.Duration, headers ...string) (a edgeAnswer, err error) {
	last := time.Now().Add(turnTime)
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	for {
		r, err := c.request(ctx, method, path, body)
		if err != nil {
			return a, err
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		if wait > 0 {
			r.Header.Set("Prefer", "wait="+strconv.Itoa(int(wait.Seconds())))
		}
		got, err := c.send(r)
		if err != nil {
			return a, err
		}
		turn := turnOf(got)
		if turn == 0 || time.Now().Add(turn).After(last) {
			return c.answered(got)
		}
		if err := got.Body.Close(); err != nil {
			return a, &codedError{err, exitUnavailable}
		}
		select {
		case <-time.After(turn):
		case <-ctx.Done():
			return a, context.Cause(ctx)
		}
	}
}

// turnOf is after what time a request may come again that was one too many, of which
// nothing was done; 0 if it was not, or nothing is said of that.
func turnOf(got *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(got.Header.Get("Retry-After"), 10, 16)
	if err != nil || got.StatusCode != http.StatusTooManyRequests {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// answered reads an answer.
func (c edgeClient) answered(got *http.Response) (a edgeAnswer, err error) {
	a.status, a.header = got.StatusCode, got.Header
	a.body, err = io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	if err = errors.Join(err, got.Body.Close()); err != nil {
		return a, &codedError{err, exitUnavailable}
	}
	if a.status < http.StatusBadRequest {
		if !json.Valid(a.body) {
			err = c.noEdge(a, got.Status)
		}
		return a, err
	}
	var problem struct{ Detail, Title string }
	if json.Unmarshal(a.body, &problem) != nil || problem.Detail+problem.Title == "" {
		return a, c.noEdge(a, got.Status)
	}
	// A process with other roles, or an edge whose address is another, serves no such path.
	if strings.HasPrefix(problem.Detail, edge.Unserved) {
		return a, errorf(exitUnavailable, "this is no edge at %s: %s", c.url, plain(problem.Detail))
	}
	if c.raw {
		err = c.out.print(string(a.body))
	}
	said := plain(cmp.Or(problem.Detail, problem.Title))
	if a.status == http.StatusUnauthorized {
		said += " (-token-file FILE, or SIMPLECQRS_TOKEN)"
	}
	return a, errors.Join(err, &codedError{errors.New(said), exitOf(a.status)})
}

// noEdge says that an answer is of something else, as a proxy, and shows how it begins.
func (c edgeClient) noEdge(a edgeAnswer, status string) error {
	said := strings.TrimSpace(status + " " + plain(string(a.body[:min(len(a.body), 200)])))
	code := exitUnavailable
	if exitOf(a.status) == exitForbidden { // what stands before an edge may let in, or not
		code = exitForbidden
	}
	return errorf(code, "this is no edge at %s: it answers %s", c.url, said)
}

// get asks for something and reads it to be shown; or prints it as it is, if that is wanted.
func (c edgeClient) get(ctx context.Context, path string, into any, shown func() error) error {
	a, err := c.ask(ctx, http.MethodGet, path, nil, 0)
	switch {
	case err != nil:
		return err
	case c.raw:
		return c.out.print(string(a.body))
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return err
	}
	return shown()
}

func quoted(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return b
}

// errorf is a failure with an exit code.
func errorf(code int, format string, args ...any) error {
	return &codedError{fmt.Errorf(format, args...), code}
}
