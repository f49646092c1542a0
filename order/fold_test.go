package order_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
)

const id = "ORD-B384F"

// at is a moment of the tests' day.
func at(second int) time.Time { return time.Date(2026, 3, 1, 12, 0, second, 0, time.UTC) }

// event is the first attempt at what the type says, at that second.
func event(of order.Type, second int) order.Event {
	return order.Event{
		OrderID: id, Type: of, ID: order.EventID(id, of, 1), Time: at(second), Source: "test", Attempt: 1,
	}
}

func completed(s order.Step, second int) order.Event {
	e := event(order.TypeOf(s, order.Completed), second)
	e.Outputs = map[order.Step]order.JSON{s: order.JSON(`{"body":"` + id + "_" + string(e.Type) + `"}`)}
	return e
}

// last is the request with whose completion the order is complete.
func last(s order.Step, second int) order.Event {
	e := event(order.TypeOf(s, order.Requested), second)
	e.Outcome = order.StatusCompleted
	return e
}

// said is the saga's word on where the order stands.
func said(of order.Type, status order.Status, second int) order.Event {
	e := event(of, second)
	e.ID, e.Status = "the saga's "+string(of), status
	return e
}

// failed is the end of an order that a step declined.
func failed(second int) order.Event {
	e := said("ORDER_FAILED", order.StatusFailed, second)
	e.Reason = "PAYMENT: no money"
	return e
}

// scheduled is an order for later.
func scheduled(second int) order.Event {
	e := event("ORDER_SCHEDULED", second)
	e.StartAt = at(50)
	return e
}

// as is the same said by another event, in answer to some request.
func as(id, cause string, e order.Event) order.Event {
	e.ID, e.Causation = id, cause
	return e
}

func happy() []order.Event {
	return []order.Event{
		event("ORDER_REQUESTED", 1), completed(order.Detail, 2),
		event("PAYMENT_REQUESTED", 3), completed(order.Payment, 4),
		last(order.Mail, 5), completed(order.Mail, 6),
	}
}

func fold(events ...order.Event) order.Row { return foldOn(order.Row{}, events...) }

func foldOn(r order.Row, events ...order.Event) order.Row {
	for _, e := range events {
		r = order.Fold(r, e)
	}
	return r
}

func TestTheHappySixGiveTheSeedsRow(t *testing.T) {
	want := order.Row{
		ID: id, Type: "MAIL_COMPLETED",
		Outputs: map[order.Step]order.JSON{
			order.Detail:  order.JSON(`{"body":"ORD-B384F_ORDER_COMPLETED"}`),
			order.Payment: order.JSON(`{"body":"ORD-B384F_PAYMENT_COMPLETED"}`),
			order.Mail:    order.JSON(`{"body":"ORD-B384F_MAIL_COMPLETED"}`),
		},
		Meta: order.Meta{
			Version: 6, Status: order.StatusCompleted, CreatedAt: at(1), UpdatedAt: at(6),
			Final: order.Mail, Outcome: order.StatusCompleted,
			History: []order.Entry{
				{ID: "ORD-B384F/ORDER_REQUESTED/1", Type: "ORDER_REQUESTED", Time: at(1), Attempt: 1, Status: order.StatusRunning},
				{ID: "ORD-B384F/ORDER_COMPLETED/1", Type: "ORDER_COMPLETED", Time: at(2), Attempt: 1},
				{ID: "ORD-B384F/PAYMENT_REQUESTED/1", Type: "PAYMENT_REQUESTED", Time: at(3), Attempt: 1},
				{ID: "ORD-B384F/PAYMENT_COMPLETED/1", Type: "PAYMENT_COMPLETED", Time: at(4), Attempt: 1},
				{ID: "ORD-B384F/MAIL_REQUESTED/1", Type: "MAIL_REQUESTED", Time: at(5), Attempt: 1},
				{ID: "ORD-B384F/MAIL_COMPLETED/1", Type: "MAIL_COMPLETED", Time: at(6), Attempt: 1, Status: order.StatusCompleted},
			},
		},
	}
	if diff := cmp.Diff(want, fold(happy()...)); diff != "" {
		t.Errorf("the row (-want +got):\n%s", diff)
	}
}

func TestFold(t *testing.T) {
	rival := completed(order.Detail, 9)
	rival.ID, rival.Outputs[order.Detail] = "another", order.JSON(`"another"`)
	foreign := completed(order.Payment, 9)
	foreign.Outputs[order.Detail] = order.JSON(`"not its to say"`)
	silent := event("ORDER_COMPLETED", 2)
	later := completed(order.Detail, 8)
	later.ID, later.Attempt, later.Outputs[order.Detail] = "of the second", 2, order.JSON(`"of the second"`)
	stray := later
	later.Causation = "ORD-B384F/ORDER_REQUESTED/2"
	skippedDetail := said("ORDER_SKIPPED", order.StatusRunning, 8)
	skippedDetail.Outputs = map[order.Step]order.JSON{order.Detail: order.JSON(`"by hand"`)}
	refusal, early := event("PAYMENT_FAILED", 8), event("PAYMENT_REQUESTED", 9)
	refusal.Outputs = map[order.Step]order.JSON{order.Payment: order.JSON(`"half of it"`)}
	early.Outputs = refusal.Outputs
	odd := last(order.Mail, 5)
	odd.Outcome = "in three days"
	timed := event("PAYMENT_TIMED_OUT", 4)
	timed.Attempt, timed.Causation, timed.Reason = 3, "that request", "no answer"

	type outputs map[order.Step]string
	for _, rule := range []struct {
		name    string
		when    []order.Event
		events  []order.Type
		status  order.Status
		outputs outputs
		updated int // the second
	}{
		{
			name: "no event gives the zero row",
		},
		{
			name: "an order runs from its first event on",
			when: happy()[:1], events: []order.Type{"ORDER_REQUESTED"}, status: order.StatusRunning, updated: 1,
		},
		{
			name: "the last step's request does not complete it",
			when: happy()[4:5], events: []order.Type{"MAIL_REQUESTED"}, status: order.StatusRunning, updated: 5,
		},
		{
			name: "nor does another step's completion",
			when: []order.Event{last(order.Mail, 5), completed(order.Payment, 6)}, events: []order.Type{"MAIL_REQUESTED", "PAYMENT_COMPLETED"},
			status: order.StatusRunning, outputs: outputs{order.Payment: `{"body":"ORD-B384F_PAYMENT_COMPLETED"}`}, updated: 6,
		},
		{
			name: "a last completion that came too early counts once it is requested, as it is not said again",
			when: []order.Event{completed(order.Mail, 1), last(order.Mail, 2), completed(order.Mail, 3)}, events: []order.Type{"MAIL_COMPLETED", "MAIL_REQUESTED"},
			status: order.StatusCompleted, outputs: outputs{order.Mail: `{"body":"ORD-B384F_MAIL_COMPLETED"}`}, updated: 2,
		},
		{
			name: "a step that failed does not end it: whoever decides says that",
			when: []order.Event{event("PAYMENT_REQUESTED", 2), event("PAYMENT_FAILED", 3)}, events: []order.Type{"PAYMENT_REQUESTED", "PAYMENT_FAILED"}, status: order.StatusRunning, updated: 3,
		},
		{
			name: "the saga's word ends it",
			when: []order.Event{event("PAYMENT_FAILED", 3), failed(4)}, events: []order.Type{"PAYMENT_FAILED", "ORDER_FAILED"}, status: order.StatusFailed, updated: 4,
		},
		{
			name: "what others say after the end is listed, and the end stays",
			when: []order.Event{failed(1), last(order.Mail, 2), completed(order.Mail, 3)}, events: []order.Type{"ORDER_FAILED", "MAIL_REQUESTED", "MAIL_COMPLETED"},
			status: order.StatusFailed, outputs: outputs{order.Mail: `{"body":"ORD-B384F_MAIL_COMPLETED"}`}, updated: 3,
		},
		{
			name: "a failure after the completion changes the status no more",
			when: append(happy()[4:], event("PAYMENT_FAILED", 7)), events: []order.Type{"MAIL_REQUESTED", "MAIL_COMPLETED", "PAYMENT_FAILED"},
			status: order.StatusCompleted, outputs: outputs{order.Mail: `{"body":"ORD-B384F_MAIL_COMPLETED"}`}, updated: 7,
		},
		{
			name: "an outcome that is none is passed over",
			when: []order.Event{odd, completed(order.Mail, 6)}, events: []order.Type{"MAIL_REQUESTED", "MAIL_COMPLETED"},
			status: order.StatusRunning, outputs: outputs{order.Mail: `{"body":"ORD-B384F_MAIL_COMPLETED"}`}, updated: 6,
		},
		{
			name: "an unknown type is listed and otherwise passed over",
			when: []order.Event{event("ORDER_REQUESTED", 1), timed, event("?", 5)}, events: []order.Type{"ORDER_REQUESTED", "PAYMENT_TIMED_OUT", "?"},
			status: order.StatusRunning, updated: 5,
		},
		{
			name: "events out of order are listed as they came, and the latest time stays",
			when: []order.Event{completed(order.Payment, 4), event("ORDER_REQUESTED", 1)}, events: []order.Type{"PAYMENT_COMPLETED", "ORDER_REQUESTED"},
			status: order.StatusRunning, outputs: outputs{order.Payment: `{"body":"ORD-B384F_PAYMENT_COMPLETED"}`}, updated: 4,
		},
		{
			name: "a step says only its own output",
			when: []order.Event{foreign}, events: []order.Type{"PAYMENT_COMPLETED"},
			status: order.StatusUnknown, outputs: outputs{order.Payment: `{"body":"ORD-B384F_PAYMENT_COMPLETED"}`}, updated: 9,
		},
		{
			name: "only a completion has an output",
			when: []order.Event{refusal, early}, events: []order.Type{"PAYMENT_FAILED", "PAYMENT_REQUESTED"}, status: order.StatusRunning, updated: 9,
		},
		{
			name: "a completion without an output leaves the one that is there",
			when: []order.Event{rival, silent}, events: []order.Type{"ORDER_COMPLETED", "ORDER_COMPLETED"},
			status: order.StatusUnknown, outputs: outputs{order.Detail: `"another"`}, updated: 9,
		},
		{
			name: "the output is that of the step's latest completion",
			when: []order.Event{completed(order.Detail, 2), rival}, events: []order.Type{"ORDER_COMPLETED", "ORDER_COMPLETED"},
			status: order.StatusUnknown, outputs: outputs{order.Detail: `"another"`}, updated: 9,
		},
		{
			name: "but not of an attempt before the one that is done",
			when: []order.Event{later, rival}, events: []order.Type{"ORDER_COMPLETED", "ORDER_COMPLETED"},
			status: order.StatusUnknown, outputs: outputs{order.Detail: `"of the second"`}, updated: 9,
		},
		{
			name: "as far as that was requested",
			when: []order.Event{stray, rival}, events: []order.Type{"ORDER_COMPLETED", "ORDER_COMPLETED"},
			status: order.StatusUnknown, outputs: outputs{order.Detail: `"another"`}, updated: 9,
		},
		{
			name: "what comes after a skip without one is shown",
			when: []order.Event{said("ORDER_SKIPPED", order.StatusRunning, 8), rival}, events: []order.Type{"ORDER_SKIPPED", "ORDER_COMPLETED"},
			status: order.StatusRunning, outputs: outputs{order.Detail: `"another"`}, updated: 9,
		},
		{
			name: "nor of one that was skipped",
			when: []order.Event{skippedDetail, rival}, events: []order.Type{"ORDER_SKIPPED", "ORDER_COMPLETED"},
			status: order.StatusRunning, outputs: outputs{order.Detail: `"by hand"`}, updated: 9,
		},
		{
			name: "a fourth step needs no edit of the fold",
			when: []order.Event{completed(order.Mail, 1), last("SHIPPING", 2), completed("SHIPPING", 3)}, events: []order.Type{"MAIL_COMPLETED", "SHIPPING_REQUESTED", "SHIPPING_COMPLETED"},
			status: order.StatusCompleted, outputs: outputs{order.Mail: `{"body":"ORD-B384F_MAIL_COMPLETED"}`, "SHIPPING": `{"body":"ORD-B384F_SHIPPING_COMPLETED"}`}, updated: 3,
		},
	} {
		t.Run(rule.name, func(t *testing.T) {
			row := fold(rule.when...)
			var events []order.Type
			events = append(events, row.Events()...)
			if diff := cmp.Diff(rule.events, events); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if n := len(rule.events); n > 0 && row.Type != rule.events[n-1] {
				t.Errorf("the type is %s, want that of the last event, %s", row.Type, rule.events[n-1])
			}
			if row.Meta.Status != rule.status {
				t.Errorf("it is %q, want %q", row.Meta.Status, rule.status)
			}
			if row.Meta.Version != int64(len(rule.events)) {
				t.Errorf("the version is %d after %d changes", row.Meta.Version, len(rule.events))
			}
			var got outputs
			for s, out := range row.Outputs {
				if got == nil {
					got = outputs{}
				}
				got[s] = string(out)
			}
			if diff := cmp.Diff(rule.outputs, got); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
			if len(rule.when) == 0 {
				return
			}
			if !row.Meta.CreatedAt.Equal(rule.when[0].Time) {
				t.Errorf("it was created at %v, want the first event's %v", row.Meta.CreatedAt, rule.when[0].Time)
			}
			if !row.Meta.UpdatedAt.Equal(at(rule.updated)) {
				t.Errorf("it was updated at %v, want %v", row.Meta.UpdatedAt, at(rule.updated))
			}
		})
	}
}

func TestTheHistoryKeepsWhatHappenedWhenAndWhy(t *testing.T) {
	e := event("PAYMENT_FAILED", 4)
	e.Attempt, e.Causation, e.Reason, e.Actor = 3, "that request", "no money", "ann"
	want := []order.Entry{{
		ID: e.ID, Type: "PAYMENT_FAILED", Time: at(4), Attempt: 3, Causation: "that request", Reason: "no money",
		Actor: "ann", Status: order.StatusUnknown,
	}}
	row := fold(e)
	if diff := cmp.Diff(want, row.Meta.History); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if !row.Holds(e.ID) || row.Holds("that request") || row.Holds("") {
		t.Error("the row does not hold just what was folded")
	}
}

// A copy is known by its id alone, whatever else differs.
func TestAnEventIsFoldedOnce(t *testing.T) {
	row := fold(happy()...)
	for _, e := range happy() {
		e.Type, e.Time, e.Outcome, e.Status = "MAIL_COMPLETED", at(50), order.StatusFailed, order.StatusFailed
		e.Outputs = map[order.Step]order.JSON{order.Mail: order.JSON(`"again"`)}
		if diff := cmp.Diff(row, order.Fold(row, e)); diff != "" {
			t.Errorf("%s again (-once +twice):\n%s", e.ID, diff)
		}
	}
}

// From one row two futures are folded, as when a partition is read again elsewhere.
func TestFoldLeavesItsArgumentAsItWas(t *testing.T) {
	for n := range happy() {
		row := fold(happy()[:n]...)
		row.Meta.History = append(make([]order.Entry, 0, 16), row.Meta.History...) // room to write over
		before := fold(happy()[:n]...)
		first := foldOn(row, completed(order.Detail, 20), completed("SHIPPING", 21))
		second := foldOn(row, event("PAYMENT_FAILED", 22), failed(23))
		if diff := cmp.Diff(before.Outputs, row.Outputs); diff != "" {
			t.Errorf("after %d events, the outputs (-before +after):\n%s", n, diff)
		}
		if diff := cmp.Diff(before.Events(), row.Events()); diff != "" {
			t.Errorf("after %d events, the events (-before +after):\n%s", n, diff)
		}
		if diff := cmp.Diff(foldOn(before, completed(order.Detail, 20), completed("SHIPPING", 21)), first); diff != "" {
			t.Errorf("after %d events, the second future wrote into the first (-want +got):\n%s", n, diff)
		}
		if second.Outputs["SHIPPING"] != nil {
			t.Errorf("after %d events, the first future wrote into the second", n)
		}
	}
}

const letter = "store.order/3/17"

func TestPark(t *testing.T) {
	running := fold(happy()[:2]...)
	parked := order.Park(running, id, letter, "panic: no such step")
	want := fold(happy()[:2]...)
	want.Meta.Parked, want.Meta.Waiting, want.Meta.Version = "panic: no such step", order.Waiting{letter}, 3
	if diff := cmp.Diff(want, parked); diff != "" {
		t.Errorf("a parked row says why, and is newer (-want +got):\n%s", diff)
	}
	if running.Meta.Parked != "" || running.Meta.Version != 2 {
		t.Error("parking changed the row that it was given")
	}
	if diff := cmp.Diff(parked, order.Park(parked, id, letter, "panic: no such step")); diff != "" {
		t.Errorf("parking it for the same reason again changes it (-once +twice):\n%s", diff)
	}
	if again := order.Park(parked, id, letter, "another"); again.Meta.Parked != "another" || again.Meta.Version != 4 {
		t.Errorf("parked for another reason it says %q in version %d", again.Meta.Parked, again.Meta.Version)
	}
	ended := order.Park(fold(happy()...), id, letter, "too much")
	if ended.Meta.Status != order.StatusCompleted {
		t.Errorf("parked after its end it is %q", ended.Meta.Status)
	}
}

// The first event of an order can be the one that fails.
func TestAnOrderCanBeParkedBeforeItsFirstEvent(t *testing.T) {
	parked := order.Park(order.Row{}, id, letter, "panic")
	want := order.Row{ID: id, Meta: order.Meta{Version: 1, Status: order.StatusUnknown, Parked: "panic", Waiting: order.Waiting{letter}}}
	if diff := cmp.Diff(want, parked); diff != "" {
		t.Errorf("the row (-want +got):\n%s", diff)
	}
	row := order.Fold(parked, happy()[0])
	if !row.Meta.CreatedAt.Equal(at(1)) || row.Meta.Version != 2 {
		t.Errorf("with its first event it is version %d, created at %v", row.Meta.Version, row.Meta.CreatedAt)
	}
}

func TestTheStatusIsTheSagasWord(t *testing.T) {
	skipped := said("MAIL_SKIPPED", order.StatusRunning, 7)
	skipped.Outputs = map[order.Step]order.JSON{order.Mail: order.JSON(`"by hand"`), order.Detail: order.JSON(`"not its to say"`)}
	putOff := said("ORDER_SCHEDULED", order.StatusScheduled, 2)
	putOff.StartAt = at(55)
	onlyStep := last(order.Detail, 1)
	rival := last(order.Detail, 2)
	rival.ID = "rival"
	paid := happy()[:5]
	then := func(events []order.Event, more ...order.Event) []order.Event {
		return append(events[:len(events):len(events)], more...)
	}
	late := then(paid, as("declined", "", event("MAIL_FAILED", 6)), as("end", "declined", said("ORDER_FAILED", order.StatusFailed, 7)),
		as("late", "", completed(order.Payment, 8)), as("over", "", event("PAYMENT_COMPENSATION_TIMED_OUT", 9)))
	second := as("early", "", completed(order.Mail, 6))
	second.Attempt = 2
	parked := as("parked", order.ParkedID(id, letter), said("ORDER_STUCK", order.StatusStuck, 10))

	for _, rule := range []struct {
		name string
		when []order.Event
		want string // shown; and what is beneath, if it is another
	}{
		{"a request begins an order", happy()[:1], "running"},
		{"so does another plan's", []order.Event{event("SHIPPING_REQUESTED", 1)}, "running"},
		{"nothing else that a step says does", []order.Event{completed(order.Payment, 1), event("PAYMENT_FAILED", 2), event("PAYMENT_TIMED_OUT", 3)}, "unknown"},
		{"nor does a command", []order.Event{event("ORDER_PAUSE_REQUESTED", 1)}, "unknown"},
		{"nor its rejection", []order.Event{event("ORDER_PAUSE_REQUESTED", 1), said("ORDER_COMMAND_REJECTED", order.StatusUnknown, 2)}, "unknown"},
		{"a request after that does", []order.Event{event("ORDER_PAUSE_REQUESTED", 1), said("ORDER_COMMAND_REJECTED", order.StatusUnknown, 2), happy()[0]}, "running"},
		{"also one before its rejection", []order.Event{event("ORDER_PAUSE_REQUESTED", 1), happy()[0], said("ORDER_COMMAND_REJECTED", order.StatusUnknown, 2)}, "running"},
		{"a rejection moves nothing, though it is said late", then(paid, said("ORDER_STUCK", order.StatusStuck, 6), said("ORDER_COMMAND_REJECTED", order.StatusRunning, 7)), "stuck"},
		{"but knows the end", then(paid, said("ORDER_COMMAND_REJECTED", order.StatusCompleted, 7)), "completed"},
		{"what the saga said before the end counts no more after it", append(happy(), said("ORDER_PAUSED", order.StatusRunning, 7)), "completed"},
		{"nor that it was stuck", append(happy(), said("ORDER_STUCK", order.StatusStuck, 7)), "completed"},
		{"of no end", then(paid, failed(6), said("ORDER_PAUSED", order.StatusRunning, 7)), "failed"},
		{"an order for later is scheduled", []order.Event{scheduled(1)}, "scheduled"},
		{"and is no more once it was requested, though the saga says so late", []order.Event{scheduled(1), said("ORDER_REQUESTED", order.StatusRunning, 2), putOff}, "running"},
		{"until the saga requests it", []order.Event{scheduled(1), said("ORDER_REQUESTED", order.StatusRunning, 2)}, "running"},
		{"a stranger's request does not", []order.Event{scheduled(1), happy()[0]}, "scheduled"},
		{"an order that runs is not scheduled", []order.Event{happy()[0], scheduled(2)}, "running"},
		{"a failure alone changes nothing", then(paid, event("MAIL_FAILED", 6)), "running"},
		{"that it is undone the saga says", then(paid, event("MAIL_FAILED", 6), said("PAYMENT_COMPENSATION_REQUESTED", order.StatusCompensating, 7)), "compensating"},
		{"that it is stuck, too", then(paid, event("MAIL_FAILED", 6), said("ORDER_STUCK", order.StatusStuck, 7)), "stuck"},
		{"and that it is not any more", then(paid, said("ORDER_STUCK", order.StatusStuck, 7), said("MAIL_REQUESTED", order.StatusRunning, 8)), "running"},
		{
			"but not by what was led to before what it was stuck by, and was on its way for longer",
			then(paid, event("MAIL_TIMED_OUT", 6), as("over", "", event("PAYMENT_COMPENSATION_TIMED_OUT", 7)),
				as("stuck", "over", said("ORDER_STUCK", order.StatusStuck, 8)),
				as("late", paid[4].ID, said("PAYMENT_COMPENSATION_REQUESTED", order.StatusCompensating, 9))), "stuck",
		},
		{
			"only by what came behind that",
			then(paid, event("MAIL_TIMED_OUT", 6), as("stuck", paid[4].ID, said("ORDER_STUCK", order.StatusStuck, 8)), as("retry", "", event("ORDER_RETRY_REQUESTED", 9)),
				as("again", "retry", said("MAIL_REQUESTED", order.StatusRunning, 10))), "running",
		},
		{
			"what the saga decides for when it comes again lies where it came first, and counts all the same",
			then(paid[:4], as("early", "", completed(order.Mail, 5)), event("MAIL_REQUESTED", 6), as("over", "", event("MAIL_TIMED_OUT", 7)),
				as("stuck", "over", said("ORDER_STUCK", order.StatusStuck, 8)), as("end", "early", said("ORDER_FINISHED", order.StatusCompleted, 9))), "completed",
		},
		{
			"also if it tells of an undo",
			then(paid[:2], as("early", "", event("ORDER_COMPENSATED", 3)), as("no", "", event("PAYMENT_FAILED", 4)),
				as("undo", "no", said("ORDER_COMPENSATION_REQUESTED", order.StatusCompensating, 5)), as("over", "", event("ORDER_COMPENSATION_TIMED_OUT", 6)),
				as("stuck", "over", said("ORDER_STUCK", order.StatusStuck, 7)), as("end", "early", said("ORDER_FAILED", order.StatusFailed, 8))), "failed",
		},
		{
			"or of an attempt that was yet to be made",
			then(paid, second, event("MAIL_TIMED_OUT", 7), as("again", "", event("MAIL_REQUESTED", 8)),
				as("over", "", event("MAIL_TIMED_OUT", 9)), as("stuck", "over", said("ORDER_STUCK", order.StatusStuck, 10)),
				as("end", "early", said("ORDER_FINISHED", order.StatusCompleted, 11))), "completed",
		},
		{
			"or, by its own headers, of an undo that is asked for once more",
			then(paid[:2], as("undo", "", said("ORDER_COMPENSATION_REQUESTED", order.StatusRunning, 3)), as("early", "undo", event("ORDER_COMPENSATED", 4)),
				as("again", "", said("ORDER_COMPENSATION_REQUESTED", order.StatusCompensating, 5)), as("over", "", event("ORDER_COMPENSATION_TIMED_OUT", 6)),
				as("stuck", "over", said("ORDER_STUCK", order.StatusStuck, 7)), as("end", "early", said("ORDER_FAILED", order.StatusFailed, 8))), "failed",
		},
		{
			"nor is a parked order moved by what was said before",
			then(paid, parked, as("late", paid[3].ID, said("MAIL_REQUESTED", order.StatusRunning, 11))), "stuck",
		},
		{
			"nor one that is stuck since, and was parked when that was said",
			then(paid, as("over", "", event("MAIL_TIMED_OUT", 6)), parked, said("ORDER_UNPARKED", order.StatusStuck, 11),
				as("stuck", "over", said("ORDER_STUCK", order.StatusStuck, 12)), as("late", paid[3].ID, said("MAIL_REQUESTED", order.StatusRunning, 13))), "stuck",
		},
		{
			"but one that was parked once is moved as any other",
			then(paid, parked, said("ORDER_UNPARKED", order.StatusStuck, 11), as("again", paid[4].ID, said("MAIL_REQUESTED", order.StatusRunning, 12))), "running",
		},
		{"and that it was cancelled", then(paid, event("ORDER_CANCEL_REQUESTED", 6), said("ORDER_CANCELLED", order.StatusCancelled, 7)), "cancelled"},
		{"a failed order is undone once more if it had an effect after all", then(paid, failed(6), completed(order.Payment, 7), said("PAYMENT_COMPENSATION_REQUESTED", order.StatusCompensating, 8)), "compensating"},

		{"that this is stuck, of which it could not tell that it had begun", then(late, as("stuck", "over", said("ORDER_STUCK", order.StatusStuck, 10))), "stuck"},
		{"but not what was stuck before the end", then(late, as("stuck", paid[3].ID, said("ORDER_STUCK", order.StatusStuck, 10))), "failed"},
		{"nor for a cause that nobody has heard", then(late, as("stuck", "?", said("ORDER_STUCK", order.StatusStuck, 10))), "failed"},
		{"but that it is parked", then(late, parked), "stuck"},
		{"of a cancelled one, too", []order.Event{said("ORDER_CANCELLED", order.StatusCancelled, 9), parked}, "stuck"},
		{"also by a version that knew no letters", then(late, as("stuck", order.ParkedID(id, ""), parked)), "stuck"},
		{"but not that another is", then(late, as("stuck", order.ParkedID("ORD-00001", letter), parked)), "failed"},
		{"nor what has a name like it", then(late, as("stuck", order.ParkedID(id, "")+"2", parked)), "failed"},
		{"of a completed one there is nothing to be undone", append(happy(), parked), "completed"},
		{"until it is parked no more: it is failed", then(late, parked, said("ORDER_UNPARKED", order.StatusFailed, 11)), "failed"},
		{"or cancelled", []order.Event{said("ORDER_CANCELLED", order.StatusCancelled, 9), parked, said("ORDER_UNPARKED", order.StatusCancelled, 11)}, "cancelled"},
		{"or undone once more", then(late, parked, said("ORDER_UNPARKED", order.StatusCompensating, 11)), "compensating"},
		{"and that it was parked is not heard again", then(late, parked, said("ORDER_UNPARKED", order.StatusFailed, 11), parked), "failed"},

		{"an order that is paused shows that", then(paid, event("ORDER_PAUSE_REQUESTED", 6), said("ORDER_PAUSED", order.StatusRunning, 7)), "paused, running"},
		{"whatever is beneath", then(paid, said("ORDER_STUCK", order.StatusStuck, 6), said("ORDER_PAUSED", order.StatusStuck, 7)), "paused, stuck"},
		{"and is not when it is resumed", then(paid, said("ORDER_PAUSED", order.StatusRunning, 6), said("ORDER_RESUMED", order.StatusCompensating, 7)), "compensating"},
		{"nor when it has ended", then(paid, said("ORDER_PAUSED", order.StatusRunning, 6), said("ORDER_FINISHED", order.StatusCompleted, 7)), "completed"},
		{"by a stranger's word it is neither paused", then(paid, event("ORDER_PAUSED", 6)), "running"},
		{"nor resumed", then(paid, said("ORDER_PAUSED", order.StatusRunning, 6), event("ORDER_RESUMED", 7)), "paused, running"},
		{"paused is no status that can be said", then(paid, said("?", order.StatusPaused, 6)), "running"},
		{"nor is one of a later version", then(paid, said("?", "frozen", 6)), "running"},

		{"the straight way ends with the last completion", happy(), "completed"},
		{"not if it was failed before: the saga may have heard that first", then(paid, event("MAIL_FAILED", 6), completed(order.Mail, 7)), "running"},
		{"nor if anything failed at any time", then(happy()[:2], event("ORDER_FAILED", 3), last(order.Mail, 5), completed(order.Mail, 6)), "running"},
		{"nor if it timed out", then(paid, event("MAIL_TIMED_OUT", 6), completed(order.Mail, 7)), "running"},
		{"nor if it expired", then(paid, event("ORDER_EXPIRED", 6), completed(order.Mail, 7)), "running"},
		{"nor if anything was ordered", then(paid, event("ORDER_CANCEL_REQUESTED", 6), completed(order.Mail, 7)), "running"},
		{"then the saga says the end", then(paid, event("MAIL_FAILED", 6), completed(order.Mail, 7), said("ORDER_FINISHED", order.StatusCompleted, 8)), "completed"},
		{"what is said after the end unsettles it no more", append(happy(), event("MAIL_FAILED", 7), event("ORDER_CANCEL_REQUESTED", 8), said("ORDER_COMMAND_REJECTED", order.StatusCompleted, 9)), "completed"},
		{"a skipped step does not end it: the saga says that", then(paid, skipped), "running"},

		{"a completion that answers the request ends it", then(paid, as("x", paid[4].ID, completed(order.Mail, 6))), "completed"},
		{"one that answers another does not", then(paid, as("x", "another", completed(order.Mail, 6))), "running"},
		{"one that names none does, if it is of the attempt", then(paid, as("x", "", completed(order.Mail, 6))), "completed"},
		{"and else does not", then(paid, func() order.Event { e := completed(order.Mail, 6); e.Attempt = 2; return e }()), "running"},
		{"an order of one step ends with the answer to its request", []order.Event{onlyStep, as("x", onlyStep.ID, completed(order.Detail, 3))}, "completed"},
		{"also if another client requests it", []order.Event{onlyStep, rival, as("x", onlyStep.ID, completed(order.Detail, 3))}, "completed"},
		{"if that does not say whom it answers, the saga says the end", []order.Event{onlyStep, rival, as("x", "", completed(order.Detail, 3))}, "running"},
		{"and after it another client's request unsettles nothing", []order.Event{onlyStep, as("x", onlyStep.ID, completed(order.Detail, 2)), rival}, "completed"},
		{"and not with that to a rival's", []order.Event{onlyStep, rival, as("x", "rival", completed(order.Detail, 3))}, "running"},
		{"if a stranger's word was taken for the end, the saga's still counts", then([]order.Event{completed(order.Mail, 1)}, append(paid, said("ORDER_CANCELLED", order.StatusCancelled, 8))...), "cancelled"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			m := fold(rule.when...).Meta
			got := string(m.Shown())
			if m.Shown() != m.Status {
				got += ", " + string(m.Status)
			}
			if got != rule.want {
				t.Errorf("it is %s, want %s", got, rule.want)
			}
		})
	}

	if out := fold(then(paid, skipped)...).Outputs; string(out[order.Mail]) != `"by hand"` || string(out[order.Detail]) == `"not its to say"` {
		t.Errorf("a skipped step has what the operator supplied, and says nothing of others: %s", out)
	}
	for name, c := range map[string]struct {
		when []order.Event
		want time.Time
	}{
		"as requested":                 {[]order.Event{scheduled(1)}, at(50)},
		"as the saga has put it off":   {[]order.Event{scheduled(1), putOff}, at(55)},
		"not as a stranger would":      {[]order.Event{happy()[0], scheduled(2)}, time.Time{}},
		"and is kept when it has come": {[]order.Event{scheduled(1), said("ORDER_REQUESTED", order.StatusRunning, 2)}, at(50)},
	} {
		if got := fold(c.when...).Meta.StartAt; !got.Equal(c.want) {
			t.Errorf("it begins %s: %v, want %v", name, got, c.want)
		}
	}
}

// By its history alone one can draw how an order stood at any time.
func TestTheHistoryKeepsEachChangeOfWhatIsShown(t *testing.T) {
	row := fold(append(happy()[:2], event("ORDER_PAUSE_REQUESTED", 3), said("ORDER_PAUSED", order.StatusRunning, 4),
		said("ORDER_STUCK", order.StatusStuck, 5), said("ORDER_RESUMED", order.StatusStuck, 6), failed(7), event("?", 8))...)
	var got []order.Status
	for _, e := range row.Meta.History {
		got = append(got, e.Status)
	}
	want := []order.Status{order.StatusRunning, "", "", order.StatusPaused, "", order.StatusStuck, order.StatusFailed, ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the statuses (-want +got):\n%s", diff)
	}
	parked := order.Fold(order.Park(order.Row{}, id, letter, "panic"), event("?", 1))
	if got := parked.Meta.History[0].Status; got != order.StatusUnknown {
		t.Errorf("the first event of a row that was parked before shows %q", got)
	}
}
