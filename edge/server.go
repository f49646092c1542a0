package edge

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The bounds of a request.
const (
	maxHeaderBytes = 16 << 10
	headerTime     = 5 * time.Second  // to send the headers
	readTime       = 15 * time.Second // to send all of a request
	idleTime       = 2 * time.Minute  // between two requests of a connection
	writeTime      = MaxWait + emitTime + 2*queryTime + 2*lastLookTime + 10*time.Second
	// shutdownTime bounds the wait for requests that were begun.
	shutdownTime = 15 * time.Second
)

type serving struct{}

// Serve answers requests on the listener until ctx ends or the listener fails. Then
// it takes no more, lets go of the clients that wait, and finishes what was begun.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		ErrorLog:          errorLog(h),
		// Handlers know of the end by this value, not by their own context, as a
		// command that was begun is finished.
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), serving{}, ctx)
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	var failed error
	select {
	case failed = <-ended:
		stop()
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := s.Shutdown(limit)
	if err != nil {
		err = errors.Join(err, s.Close()) // cuts off who is left
	}
	return errors.Join(failed, err)
}

// errorLog is where the server tells of what reaches no handler, such as a
// listener that has no more files to accept with: where the handler logs, if it is
// one of ours.
func errorLog(h http.Handler) *log.Logger {
	to := slog.Default()
	if r, ours := h.(*router); ours {
		to = r.log
	}
	return slog.NewLogLogger(to.Handler(), slog.LevelWarn)
}

// waiting gives a context for a client that waits: it ends after the time, with
// the request, and when the server stops.
func waiting(r *http.Request, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := staying(r)
	limited, stop := context.WithTimeout(ctx, limit)
	return limited, func() { stop(); cancel() }
}

// staying gives a context for a client that stays: it ends with the request, and
// when the server stops.
func staying(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	server, ok := r.Context().Value(serving{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	forget := context.AfterFunc(server, cancel)
	return ctx, func() { forget(); cancel() }
}
