package edge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The bounds of a request.
const (
	maxHeaderBytes = 16 << 10
	headerTime     = 5 * time.Second  // to send the headers
	readTime       = 15 * time.Second // to send all of a request
	idleTime       = 2 * time.Minute  // between two requests of a connection
	writeTime      = MaxWait + emitTime + 10*time.Second
	// shutdownTime bounds the wait for requests that were begun.
	shutdownTime = 15 * time.Second
)

type stopping struct{}

// Serve answers requests on the listener until ctx ends. Then it takes no more,
// lets go of the clients that wait, and finishes what was begun.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		// Handlers know of the end by this value, not by their own context, as a
		// command that was begun is finished.
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stopping{}, ctx.Done())
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := s.Shutdown(limit)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// waiting gives a context for a client that waits: it ends after the time, with
// the request, and when the server stops.
func waiting(r *http.Request, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	stop, ok := r.Context().Value(stopping{}).(<-chan struct{})
	if !ok {
		return ctx, cancel
	}
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// checkHost refuses a request whose Host is none, as links are made of it.
func checkHost(next http.Handler, log *slog.Logger) http.Handler {
	return server{func(w http.ResponseWriter, r *http.Request) error {
		if u, err := url.Parse("http://" + r.Host + "/"); err != nil || r.Host == "" || u.Host != r.Host || u.User != nil {
			return fail(http.StatusBadRequest, "the header Host is %q: want a host, and a port if need be", r.Host)
		}
		next.ServeHTTP(w, r)
		return nil
	}, log}
}
