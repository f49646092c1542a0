package processors

import (
	"errors"
	"fmt"
	"time"

	"github.com/lovoo/goka"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/stream"
)

// redrives takes a record by which one role is to see to a letter, and has it do so if
// it is this one. It reports false for any other record. Being in the log, behind all
// that led to it, such a record means the same to whoever reads the log again.
func (in intake) redrives(ctx goka.Context, msg any, handle func(goka.Context, codecs.Redrive)) bool {
	to, found := ctx.Headers()[codecs.HeaderRedrive]
	if !found || string(to) != in.role {
		return found
	}
	value, _ := msg.([]byte) // nil for a tombstone
	r, err := codecs.RedriveOf(ctx.Key(), value, ctx.Headers())
	if err == nil && stream.Partition(ctx.Key(), in.partitions) != ctx.Partition() {
		err = errors.New("it lies in the wrong partition")
	}
	if err != nil {
		in.letter(ctx, value, fmt.Errorf("no letter can be redriven by this: %w", err))
		return true
	}
	handle(ctx, r)
	return true
}

// resolved says what became of a letter. It is said again if the redrive comes again.
func resolved(r codecs.Redrive, as codecs.Resolution, at time.Time) stream.Emission {
	l := r.Letter
	l.Value, l.Headers = nil, nil
	l.Resolved, l.Actor, l.Time = as, r.Actor, at
	return stream.Emission{Topic: codecs.DeadletterOrder, Key: l.Key, Headers: codecs.HeadersOfLetter(l)}
}

// isFirst reports whether a letter is the one whose turn it is. Hardly any order has one.
func isFirst(waiting order.Waiting, l codecs.Letter) bool {
	first := waiting.First()
	return first != "" && first == l.Place()
}

// past is the offset behind a record that is discarded; 0 if it lay elsewhere than in the
// log.
func past(r codecs.Redrive) int64 {
	if r.Topic != codecs.StoreOrder {
		return 0
	}
	return r.Offset + 1
}

// stays writes a letter anew that cannot be seen to yet. What asks to discard one has
// none of its bytes, so that one stays as it is.
func (in intake) stays(ctx goka.Context, letter stream.Emission, r codecs.Redrive) {
	if !r.Discard {
		letter.Emit(ctx)
	}
}

// maxWaitingValue is more than the letters that wait add to a table's value, in bytes,
// and why they do. It is kept free in each record, so that an order can always be parked.
const maxWaitingValue = 52 << 10

// room is what a table's value may have: all that is for values and, if letters wait, what
// is kept for those.
func room(limit int, waiting order.Waiting) int {
	if len(waiting) > 0 {
		return limit + maxWaitingValue
	}
	return limit
}

// why says why an order is parked once one more letter waits for the error: that of the
// first counts.
func why(parked string, waiting order.Waiting, l codecs.Letter, err error) string {
	if parked == "" || waiting.First() == l.Place() {
		return clip(err.Error())
	}
	return parked
}

// behind says why the record of a parked order is not handled.
func behind(what, parked string, waiting order.Waiting) error {
	if len(waiting) >= order.MaxWaiting {
		parked += fmt.Sprintf(" (%d wait already: this one gets its turn when it is redriven after them)", len(waiting))
	}
	return fmt.Errorf("behind an event that could not be %s: %s", what, parked)
}
