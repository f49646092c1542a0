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
	value, _ := msg.([]byte) // nil for a tombstone
	to, ok := codecs.RedriveTo(ctx.Key(), value, ctx.Headers())
	if !ok {
		return false
	}
	r, err := codecs.RedriveOf(ctx.Key(), value, ctx.Headers())
	if err == nil && stream.Partition(ctx.Key(), in.partitions) != ctx.Partition() {
		err = errors.New("it lies in the wrong partition")
	}
	switch {
	case err != nil && in.answersForAll:
		in.letter(ctx, value, fmt.Errorf("no letter can be redriven by this: %w", err))
	case err == nil && to == in.role:
		handle(ctx, r)
	}
	return true
}

// resolved says what became of a letter. It is said again if the redrive comes again.
func resolved(l codecs.Letter, actor string, as codecs.Resolution, at time.Time) stream.Emission {
	l.Value, l.Headers = nil, nil
	l.Resolved, l.Actor, l.Time = as, actor, at
	return stream.Emission{Topic: codecs.DeadletterOrder, Key: l.Key, Headers: codecs.HeadersOfLetter(l)}
}

// standing is what a table's value says of its order and of a letter.
type standing struct {
	there   bool // else nothing is said
	parked  string
	waiting order.Waiting
	past    int64
	handled bool // it holds what the letter's record leads to
}

// verdict is what is to be done with the letter of a redrive.
type verdict int

const (
	unlisted  verdict = iota // it has no turn, and has none to wait for
	handled                  // it is handled now
	placed                   // it gets its turn
	stays                    // it is not its turn
	letGo                    // it is discarded now
	redriven                 // it was handled before
	discarded                // it was discarded before, or nobody waits for it
)

// resolutions are those verdicts by which a letter is closed at once.
var resolutions = map[verdict]codecs.Resolution{redriven: codecs.Redriven, discarded: codecs.Discarded}

// judge says what is to be done. Who has a turn, and when, is what the list says, as a
// letter is as old as the index that it was taken from. A letter that says it has one, and
// is in no list, had it, unless the list was lost to a version that does not know lists.
func judge(s standing, r codecs.Redrive) verdict {
	switch place := r.Place(); {
	case s.waiting.First() == place:
		if r.Discard {
			return letGo
		}
		return handled
	case s.waiting.Holds(place):
		return stays
	case !r.Parked || !s.there:
		if r.Discard {
			return discarded
		}
		return unlisted
	case s.handled:
		return redriven
	case past(r) == 0 || r.Offset < s.past:
		return discarded
	case r.Discard && s.parked != "" && len(s.waiting) == 0:
		return letGo
	case r.Discard: // too late
		return redriven
	case s.parked != "":
		return placed
	}
	return handled
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

// stays writes a letter anew that cannot be seen to yet. What asks to discard one has none
// of its bytes, so of that it only says that it stays.
func (in intake) stays(ctx goka.Context, r codecs.Redrive, err error, at time.Time) {
	if !r.Discard {
		in.untried(traceOf(ctx), r.Letter, err).Emit(ctx)
		return
	}
	r.Reason = clip(err.Error())
	resolved(r.Letter, r.Actor, codecs.Stays, at).Emit(ctx)
}

// maxWaitingValue is more than the letters that wait add to a table's value, in bytes,
// and why they do. It is kept free in each record, so that an order can always be parked:
// what else a value has is held to its limit.
const maxWaitingValue = 52 << 10

// tooLarge says that a table's value, without what waits, has more bytes than it may.
func tooLarge(what string, codec goka.Codec, bare any, limit int) error {
	encoded, err := codec.Encode(bare)
	if err == nil && len(encoded) > limit {
		err = fmt.Errorf("the %s would have more than %d bytes", what, limit)
	}
	return err
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
