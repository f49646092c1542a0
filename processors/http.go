package processors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"simplecqrs/order"
	"simplecqrs/telemetry"
)

// HTTPConfig says which service does a step's work.
type HTTPConfig struct {
	URL     string        // where work is asked for
	UndoURL string        // where it is undone; empty: the step is not undone
	Timeout time.Duration // of one call; 0: 10 s
	Bearer  string        // token for the header Authorization; empty: none
}

// HTTP is a participant that is asked by HTTP.
//
// The service is sent a POST with the JSON {"id", "step", "round", "input"} and the header
// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), a string in quotes. Key and
// body are the same for all attempts at one piece of work: order, step and round. It must
// do the work of a key once, and answer each attempt alike:
//
//   - 2xx: it is done. The body is JSON, 128 KiB at most, and becomes the step's output;
//     an empty one is null.
//   - 408, 409, 425, 429 and 5xx: it may or may not be done, and is asked for again by
//     the plan, not before Retry-After has passed (an hour at most, or the plan's longest
//     wait). So is what gets no answer.
//   - Any other 4xx: it is not done and will not be. A problem's detail (RFC 9457) is
//     the reason.
//   - 3xx are not followed, and count as failures.
//
// Only a 2xx is understood by its body; of any other it counts for the reason alone, and
// is waited for no longer than a second.
//
// To undo, {"id", "step", "round", "undoes"} is sent to the other URL, where undoes is the
// key of the work, under that key and "/undo". The service must undo what it did under the
// key, or remember that it is to do nothing: work that comes after its undo must be
// refused, by 410 say. It then answers 2xx, also if there was nothing to undo; what its
// body says, or whether it ends, is nobody's. That it cannot undo (4xx) it must not
// remember: an operator who has seen to the cause has it asked again, under the same key.
type HTTP struct {
	config HTTPConfig
	client *http.Client
}

const (
	defaultCallTime = 10 * time.Second
	// restTime bounds the wait for the end of an answer that is understood without it, and
	// reasonTime for that of one that tells in it why not.
	restTime   = 100 * time.Millisecond
	reasonTime = time.Second
)

// NewHTTP checks the settings.
func NewHTTP(c HTTPConfig) (*HTTP, error) {
	if err := checkURL(c.URL); err != nil {
		return nil, err
	}
	if c.UndoURL != "" {
		if err := checkURL(c.UndoURL); err != nil {
			return nil, err
		}
	}
	if strings.ContainsFunc(c.Bearer, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the bearer token has characters that no header can have") // and is not shown
	}
	if c.Timeout == 0 {
		c.Timeout = defaultCallTime
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("timeout %v: want more than nothing", c.Timeout)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = workLanes
	// All calls may share one connection (RFC 9113), and one that is dead may tell nobody. It is
	// closed when it has answered no ping by about the time that the calls on it are over, so
	// that later calls open another.
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: c.Timeout / 2, PingTimeout: c.Timeout / 2}
	return &HTTP{config: c, client: &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}, nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("URL %q: %w", text, errors.Unwrap(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("URL %q: want http:// or https:// and a host", text)
	}
	return nil
}

// call is the body of a request.
type call struct {
	ID     string          `json:"id"`
	Step   order.Step      `json:"step"`
	Round  int             `json:"round"`
	Undoes string          `json:"undoes,omitempty"`
	Input  json.RawMessage `json:"input,omitempty"`
}

// Do implements Participant.
func (h *HTTP) Do(ctx context.Context, r Request) (order.JSON, error) {
	return h.post(ctx, h.config.URL, r.Key(), call{
		ID: r.OrderID, Step: r.Step, Round: r.Round, Input: json.RawMessage(r.Input),
	})
}

// Undo implements Participant.
func (h *HTTP) Undo(ctx context.Context, r Request) error {
	if h.config.UndoURL == "" {
		return &Declined{Reason: "no URL is given at which it could be undone"}
	}
	_, err := h.post(ctx, h.config.UndoURL, r.Key()+"/undo", call{
		ID: r.OrderID, Step: r.Step, Round: r.Round, Undoes: r.Key(),
	})
	return err
}

func (h *HTTP) post(ctx context.Context, to, key string, c call) (order.JSON, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.config.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "simplecqrs")
	telemetry.Pass(request)
	request.Header.Set("Idempotency-Key", strconv.Quote(key)) // a structured field's string
	if h.config.Bearer != "" {
		request.Header.Set("Authorization", "Bearer "+h.config.Bearer)
	}
	answer, err := h.client.Do(request)
	if err != nil {
		return nil, &Failed{Reason: transportReason(err)}
	}
	defer func() { _ = answer.Body.Close() }() // it was read only
	done, undo := isDone(answer.StatusCode), c.Undoes != ""
	if !done || undo {
		wait := restTime // with its end the connection can be used again
		if !done {
			wait = reasonTime
		}
		enough := time.AfterFunc(wait, cancel)
		defer enough.Stop()
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxOutput+1))
	switch {
	case done && undo:
		return nil, nil
	case done && err != nil:
		return nil, &Failed{Reason: transportReason(err)}
	}
	return answerOf(answer, text)
}

func isDone(status int) bool { return status >= 200 && status < 300 }

// transportReason leaves out what net/http says of the request, which is in the log anyhow.
func transportReason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return "no answer: " + err.Error()
}

// answerOf reads an answer by its class.
func answerOf(answer *http.Response, body []byte) (order.JSON, error) {
	switch status := answer.StatusCode; {
	case isDone(status):
		if len(body) > maxOutput {
			return nil, &Failed{Reason: fmt.Sprintf("the answer has more than %d bytes", maxOutput)}
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return order.JSON("null"), nil
		}
		return body, nil
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests, status >= 500:
		return nil, &Failed{Reason: reasonIn(answer, body), RetryAfter: retryAfter(answer.Header, time.Now())}
	case status >= 400:
		return nil, &Declined{Reason: reasonIn(answer, body)}
	default:
		return nil, &Failed{Reason: fmt.Sprintf("%s, which is not followed", answer.Status)}
	}
}

// reasonIn is the detail of a problem, or else the status.
func reasonIn(answer *http.Response, body []byte) string {
	t, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || t != "application/problem+json" {
		return answer.Status
	}
	var problem struct{ Title, Detail string }
	if json.Unmarshal(body, &problem) != nil {
		return answer.Status
	}
	for _, text := range []string{problem.Detail, problem.Title} {
		if strings.TrimSpace(text) != "" {
			return fmt.Sprintf("%d: %s", answer.StatusCode, text)
		}
	}
	return answer.Status
}

// retryAfter reads a wait in seconds or until a date (RFC 9110, 10.2.3); 0 for none. A
// number that is too large comes as the largest: how long is waited at most is the plan's.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
