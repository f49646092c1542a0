package edge

import (
	"context"
	"time"
)

// sharedAge is how old an answer may be that several share.
const sharedAge = time.Second

// shared is an answer that those share who ask at about the same time. One of them
// asks, and the others wait for the answer, or for the failure.
type shared[T any] struct {
	ask  func(ctx context.Context) (T, error)
	turn chan struct{} // holds an entry for the one who has what follows

	asked  time.Time
	answer T
	err    error
}

func share[T any](ask func(ctx context.Context) (T, error)) *shared[T] {
	return &shared[T]{ask: ask, turn: make(chan struct{}, 1)}
}

func (s *shared[T]) get(ctx context.Context) (answer T, err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	defer func() { <-s.turn }()
	if time.Since(s.asked) < sharedAge {
		return s.answer, s.err
	}
	answer, err = s.ask(ctx)
	if ctx.Err() == nil { // else the next asks for itself
		s.asked, s.answer, s.err = time.Now(), answer, err
	}
	return answer, err
}
