package access

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// spare is how long an issuer's answer, or its failure, is taken for its next one: each
// forged token has its keys asked for anew, and the issuer must not be flooded through us.
const spare = 5 * time.Second

// maxAnswer bounds an issuer's answer, in bytes.
const maxAnswer = 1 << 20

// sparing is a transport that does not ask the same within a short time. Its requests
// are those of no client of ours, so each failure is the issuer's.
type sparing struct {
	next    http.RoundTripper
	now     func() time.Time
	changed func(error) // told of a failure that is another than the last, and of its end

	mu   sync.Mutex
	last map[string]fetched
}

type fetched struct {
	at     time.Time
	err    error
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
		before := got.err
		got = s.ask(r)
		s.mu.Lock()
		s.last = map[string]fetched{url: got} // one is enough, as the keys alone are asked for again
		s.mu.Unlock()
		if s.changed != nil && textOf(got.err) != textOf(before) {
			s.changed(got.err)
		}
	}
	if got.err != nil {
		return nil, got.err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body)), ContentLength: int64(len(got.body)), Request: r,
	}, nil
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (s *sparing) ask(r *http.Request) fetched {
	header, body, err := s.fetch(r)
	return fetched{s.now(), err, header, body}
}

func (s *sparing) fetch(r *http.Request) (header http.Header, body []byte, err error) {
	answer, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it was read only
	if answer.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("it answered with %s", answer.Status)
	}
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("it answered with more than %d bytes", maxAnswer)
	}
	return answer.Header, body, err
}
