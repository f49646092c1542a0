package access

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// spare is how long an issuer's answer is taken for its next one: each forged token
// has its keys asked for anew, and the issuer must not be flooded through us.
const spare = 5 * time.Second

// maxAnswer bounds an issuer's answer, in bytes.
const maxAnswer = 1 << 20

// sparing is a transport that does not ask the same within a short time.
type sparing struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	last map[string]fetched
}

type fetched struct {
	at     time.Time
	header http.Header
	body   []byte
}

// RoundTrip implements http.RoundTripper, for GET alone.
func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	url := r.URL.String()
	s.mu.Lock()
	got, asked := s.last[url]
	s.mu.Unlock()
	if !asked || s.now().Sub(got.at) >= spare {
		var err error
		if got, err = s.ask(r); err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.last = map[string]fetched{url: got} // one is enough, as the keys alone are asked for again
		s.mu.Unlock()
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body)), ContentLength: int64(len(got.body)), Request: r,
	}, nil
}

func (s *sparing) ask(r *http.Request) (got fetched, err error) {
	answer, err := s.next.RoundTrip(r)
	if err != nil {
		return got, err
	}
	defer func() { _ = answer.Body.Close() }() // it was read only
	if answer.StatusCode != http.StatusOK {
		return got, fmt.Errorf("it answered with %s", answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("it answered with more than %d bytes", maxAnswer)
	}
	return fetched{s.now(), answer.Header, body}, err
}
