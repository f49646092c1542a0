package processors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/stream"
)

// letter writes the record to deadletter.order.
func (in intake) letter(ctx goka.Context, value []byte, err error) {
	in.letterOf(traceOf(ctx), in.record(ctx, value), err).Emit(ctx)
}

// traceOf is a context in the trace of the record that is handled.
func traceOf(ctx goka.Context) context.Context { return stream.TraceOf(context.Background(), ctx) }

// record is a record with its place, as a letter that has yet to say what is wrong.
func (in intake) record(ctx goka.Context, value []byte) codecs.Letter {
	return codecs.Letter{
		Role: in.role, Topic: string(ctx.Topic()), Partition: ctx.Partition(), Offset: ctx.Offset(),
		Written: ctx.Timestamp(), Key: ctx.Key(), Value: value, Headers: ctx.Headers(),
	}
}

// letterOf is the letter of a record that the role has tried to handle once more than the
// letter says. ctx is in the record's trace.
func (in intake) letterOf(ctx context.Context, l codecs.Letter, err error) stream.Emission {
	l.Tries++
	return in.untried(ctx, l, err)
}

// untried is the letter of a record that the role has not tried to handle this time.
func (in intake) untried(ctx context.Context, l codecs.Letter, err error) stream.Emission {
	l.Reason = reasonOf(err)
	l = fitting(l)
	in.letters.Inc()
	in.log.WarnContext(ctx, "a record could not be handled and is a dead letter", slog.String("letter", l.ID()),
		slog.String("order", clip(l.Key)), slog.String("reason", clip(err.Error())))
	return stream.Emission{
		Topic: codecs.DeadletterOrder, Key: l.Key, Value: l.Value, Headers: codecs.HeadersOfLetter(l),
	}
}

const (
	// maxKept is how much of a record fits a letter, in bytes.
	maxKept = maxLetter - recordMargin
	// headerMargin is more than a header takes beside its name and value.
	headerMargin = 16
)

// fitting cuts what is too large even for a letter. Brokers bound a batch as it is
// sent, so that one that is compressed may bring in any size. The record is still
// whole at the place that the letter names.
func fitting(l codecs.Letter) codecs.Letter {
	headers := 0
	for name, value := range l.Headers {
		headers += len(name) + len(value) + headerMargin
	}
	if len(l.Key)+len(l.Value)+headers <= maxKept {
		return l
	}
	l.Reason = fmt.Sprintf("cut from a key of %d, a value of %d and headers of %d bytes: %s",
		len(l.Key), len(l.Value), headers, l.Reason)
	const share = maxKept / 3
	l.Key, l.Value = l.Key[:min(len(l.Key), share)], l.Value[:min(len(l.Value), share)]
	if headers > share {
		l.Headers = nil
	}
	return l
}

// guarded calls pure code and gives its panic as an error, so that one record
// does not end the processor. It must not be put around a call of goka's
// context, whose panics are meant to.
func guarded[T any](pure func() T) (result T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return pure(), nil
}

type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// reasonOf is an error in a letter, which has room for a stack.
func reasonOf(err error) string {
	var p *panicked
	if errors.As(err, &p) {
		return fmt.Sprintf("%s\n%s", clip(err.Error()), p.stack)
	}
	return clip(err.Error())
}

// maxReason bounds what an error says in a letter and, while the order is parked,
// in its row. It is in bytes, and leaves a letter's reason room for a stack.
const maxReason = 1 << 10

// clip gives an error's text as a reason may have it.
func clip(text string) string {
	const end = "…"
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= maxReason {
		return text
	}
	cut := maxReason - len(end)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + end
}
