package embedded

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kfake"
)

// errorLog passes the errors of a server on.
func errorLog(server string) *slog.Logger {
	return slog.New(errorsOnly{slog.Default().Handler()}).With(slog.String("server", server))
}

// errorsOnly is a handler that passes on what is an error.
type errorsOnly struct{ slog.Handler }

func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

func (h errorsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attrs)}
}

func (h errorsOnly) WithGroup(name string) slog.Handler {
	return errorsOnly{h.Handler.WithGroup(name)}
}

// brokerLog is what the broker logs to.
type brokerLog struct{ *slog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError {
		l.Error(fmt.Sprintf(format, args...))
	}
}
