package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tmaxmax/go-sse"
)

const (
	// silence is for how long a stream may say nothing, which is three of the edge's
	// heartbeats, before it counts as lost.
	silence = 45 * time.Second
	// rejoinPause and rejoinTime are how often a stream that is lost is tried again, and
	// for how long.
	rejoinPause = time.Second
	rejoinTime  = time.Minute
)

// errEnough is said by who reads a stream and wants no more of it.
var errEnough = errors.New("enough")

var errSilent = errors.New("nothing was heard for " + silence.String())

// stream gives each message of a stream of the edge's, until each returns an error:
// errEnough for none. A stream that is lost is gone on with behind the last message.
func (c edgeClient) stream(ctx context.Context, path string, each func(sse.Event) error) error {
	var last string
	var lost time.Time // zero: never yet, or not since the last message
	joined := false
	for {
		err := c.join(ctx, path, last, func(m sse.Event) error {
			joined, last, lost = true, m.LastEventID, time.Time{}
			if m.Data == "" {
				return nil // it says where the stream is, and nothing else
			}
			return each(m)
		})
		var broken *brokenStream
		switch {
		case errors.Is(err, errEnough):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &broken) && (!joined || codeOf(err) != exitUnavailable):
			return err
		case lost.IsZero():
			joined, lost = true, time.Now()
			c.out.tell("the stream was lost (%v); trying again\n", err)
		case time.Since(lost) > rejoinTime:
			return &codedError{err, exitUnavailable}
		}
		select {
		case <-ctx.Done():
		case <-time.After(rejoinPause):
		}
	}
}

// brokenStream is the end of a stream that had begun.
type brokenStream struct{ error }

// join reads a stream from behind a message on until it breaks or each wants no more.
func (c edgeClient) join(ctx context.Context, path, last string, each func(sse.Event) error) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	patience := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer patience.Stop()
	answer, err := c.send(r)
	switch {
	case context.Cause(ctx) == errSilent:
		return &brokenStream{errSilent}
	case err != nil:
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		_, err := c.answered(answer)
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	for m, err := range sse.Read(heard{answer.Body, patience}, &sse.ReadConfig{MaxEventSize: maxAnswer}) {
		if err != nil {
			return &brokenStream{cmp.Or(context.Cause(ctx), err)}
		}
		if err := each(m); err != nil {
			return err
		}
	}
	return &brokenStream{io.ErrUnexpectedEOF}
}

// heard is a reader that is waited for anew after each read.
type heard struct {
	io.Reader
	patience *time.Timer
}

func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.patience.Reset(silence)
	return n, err
}
