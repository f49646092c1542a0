package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxStreams bounds the clients that follow something, in a process. Each costs
	// some 20 KB.
	maxStreams = 2_000
	// streamRetry is what a client is asked to wait, in seconds, that is one too many.
	streamRetry = "5"
	// beatTime is how long a stream may be silent, by which both ends know that the
	// other is there. It is less than streamWriteTime: by HTTP/2 a stream whose deadline
	// passes is reset, though nothing is being written.
	beatTime = 5 * time.Second
	// streamWriteTime bounds each write of a stream. A client that takes nothing for so
	// long is cut off, and comes back to where it was, if it still lives.
	streamWriteTime = 10 * time.Second
	// partingTime is what is left of it once the server stops.
	partingTime = time.Second
	// maxUnflushed is how much of a stream is collected for one write, and a message.
	maxUnflushed = 32 << 10
)

// streams are the clients that follow something.
type streams struct {
	open    atomic.Int64
	clients *prometheus.GaugeVec
}

func newStreams(r prometheus.Registerer) *streams {
	s := &streams{clients: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "simplecqrs_sse_clients",
		Help: "Clients that follow an order, or all of them.",
	}, []string{"stream"})}
	r.MustRegister(s.clients)
	for _, stream := range []string{streamOrder, streamAll} {
		s.clients.WithLabelValues(stream)
	}
	return s
}

// The streams by their names in the metrics.
const (
	streamOrder = "order"
	streamAll   = "all"
)

// enter counts a client, who must leave, or refuses it.
func (s *streams) enter(stream string) (leave func(), err error) {
	if s.open.Add(1) > maxStreams {
		s.open.Add(-1)
		return nil, &failure{
			status: http.StatusServiceUnavailable,
			detail: fmt.Sprintf("%d clients follow something here already, and no more can; try again later", maxStreams),
			header: http.Header{"Retry-After": {streamRetry}},
		}
	}
	gauge := s.clients.WithLabelValues(stream)
	gauge.Inc()
	return func() { gauge.Dec(); s.open.Add(-1) }, nil
}

// streaming are the routes whose answers go on for as long as their clients stay.
var streaming = map[string]bool{"/query/{id}/stream": true, "/query/stream": true}

// sender writes server-sent events to a client.
type sender struct {
	ctx    context.Context
	w      http.ResponseWriter
	flush  *http.ResponseController
	buffer bytes.Buffer
	forget func() bool
	parted chan struct{} // closed once the connection knows of the end of ctx
	until  time.Time     // when all has to be written by then
}

// sending begins a stream, whose writes are cut short when ctx ends. The handler
// that began it must end it before it returns.
func sending(ctx context.Context, w http.ResponseWriter) (*sender, error) {
	s := &sender{ctx: ctx, w: w, flush: http.NewResponseController(w), parted: make(chan struct{})}
	s.forget = context.AfterFunc(ctx, func() {
		defer close(s.parted)
		s.until = time.Now().Add(partingTime)
		_ = s.flush.SetWriteDeadline(s.until) // a connection that has none is refused below
	})
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // or nginx keeps it back
	h.Set("X-Content-Type-Options", "nosniff")
	s.buffer.WriteString("retry: 1000\n\n")
	if err := s.flush.SetWriteDeadline(time.Now().Add(streamWriteTime)); err != nil {
		s.end()
		return nil, err // of a connection that knows no deadlines, or none any more
	}
	w.WriteHeader(http.StatusOK)
	return s, nil
}

func (s *sender) end() {
	if !s.forget() {
		<-s.parted
		_ = s.flush.SetWriteDeadline(s.until) // as send may have set another since
	}
}

// event adds a message. None of its parts has a line break in it.
func (s *sender) event(id, event string, data []byte) error {
	for _, field := range []struct {
		name  string
		value []byte
	}{{"id", []byte(id)}, {"event", []byte(event)}, {"data", data}} {
		if len(field.value) > 0 {
			s.buffer.WriteString(field.name)
			s.buffer.WriteString(": ")
			s.buffer.Write(field.value)
			s.buffer.WriteByte('\n')
		}
	}
	s.buffer.WriteByte('\n')
	if s.buffer.Len() >= maxUnflushed {
		return s.send()
	}
	return nil
}

// beat sends a comment, which a client does not see.
func (s *sender) beat() error {
	s.buffer.WriteString(":\n\n")
	return s.send()
}

// send writes out what was added.
func (s *sender) send() error {
	err := s.flush.SetWriteDeadline(time.Now().Add(streamWriteTime))
	if s.ctx.Err() != nil { // perhaps before that: the deadline may be too late for parting
		return s.ctx.Err()
	}
	if err == nil {
		_, err = s.w.Write(s.buffer.Bytes())
	}
	s.buffer.Reset()
	if s.buffer.Cap() > 2*maxUnflushed {
		s.buffer = bytes.Buffer{}
	}
	return errors.Join(err, s.flush.Flush())
}
