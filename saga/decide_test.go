package saga_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestForward(t *testing.T) {
	rules{
		{
			name: "a requested order asks for nothing: its own event is the request of its first step",
			when: trace{requested},
			then: "running ORDER/1",
		},
		{
			name: "a completed step asks for the next",
			when: paying,
			then: "running PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
		{
			name: "the last step is asked for as the last",
			when: mailing,
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 last running"},
		},
		{
			name: "the last step's completion ends the order, and nothing is said about it",
			when: mailed,
			then: "completed",
		},
		{
			name: "an order of one step ends with it",
			when: trace{requestedFor(onlyOrder), completed(order.Detail)},
			then: "completed",
		},
		{
			name: "an order that took another way than the straight one ends by the saga's word",
			when: then(paying, trace{failed(order.Payment, 1), due, completedIn(order.Payment, 2), completed(order.Mail)}),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "so does one of which anything was said that might have led elsewhere",
			when: then(mailing, trace{caused(declined(order.Payment), "a request that nobody made"), completed(order.Mail)}),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "be it before the order began",
			when: then(trace{ordered(order.Pause)}, mailed),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "the last step is not asked for as the last if a stranger said before that it was done",
			when: then(paying, trace{foreign(completed(order.Mail)), completed(order.Payment)}),
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 running"},
		},
		{
			name: "also after a failure, be it said before or after that",
			when: then(paying, trace{failed(order.Payment, 1), foreign(completed(order.Mail)), due, completedIn(order.Payment, 2), completedIn(order.Payment, 2)}),
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 running"},
		},
		{
			name: "so does one whose end a stranger said before it was asked for",
			when: then(paying, trace{foreign(completed(order.Mail)), completed(order.Payment), completed(order.Mail)}),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "or before it began",
			when: then(trace{foreign(completed(order.Mail))}, mailed),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "but not one that strangers did in time, whatever they say of other steps",
			when: trace{requested, foreign(completed(order.Detail)), foreign(completed(order.Detail)), foreign(completed("OTHER")), foreign(completed(order.Payment)), foreign(completed(order.Mail))},
			then: "completed",
		},
		{
			name: "an order ends on the steps that it began with, whatever plan is in force when it is requested again",
			when: trace{requestedFor(shipping), requested, completed(order.Detail)},
			then: "running SHIPPING/1", owed: owed{"SHIPPING_REQUESTED/1 last running"},
		},
	}.hold(t)
}

func TestCopiesOweOnlyWhatTheyCausedAndNobodyAnswered(t *testing.T) {
	rules{
		{
			name: "the same request twice begins the order once",
			when: trace{requested, requested},
			then: "running ORDER/1",
		},
		{
			name: "the same completion twice, the next step unanswered: asks again under the same id, moves once",
			when: then(paying, trace{completed(order.Detail)}),
			then: "running PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
		{
			name: "the same completion three times: and again",
			when: then(paying, trace{completed(order.Detail), completed(order.Detail)}),
			then: "running PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
		{
			name: "a completion whose request was answered since owes nothing more",
			when: then(mailing, trace{completed(order.Detail)}),
			then: "running MAIL/1",
		},
		{
			name: "the request of an order that went on owes nothing",
			when: then(paying, trace{requested}),
			then: "running PAYMENT/1",
		},
		{
			name: "another completion of a step that is done did not cause what is open, and owes nothing",
			when: then(paying, trace{as("another completion", completed(order.Detail))}),
			then: "running PAYMENT/1",
		},
		{
			name: "the last completion twice owes nothing, as it caused nothing",
			when: then(mailed, trace{completed(order.Mail)}),
			then: "completed",
		},
		{
			name: "the word on the end is owed at each copy of its cause, as nobody answers it",
			when: then(over, trace{undone(order.Detail, 1)}),
			then: "failed", owed: owed{"ORDER_FAILED/1 failed: MAIL: busy (3 attempts)"},
		},
		{
			name: "the last completion of an order that was unsettled tells the end again",
			when: then(trace{ordered(order.Pause)}, mailed, trace{completed(order.Mail)}),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "a failure whose attempt is to be repeated owes nothing until that is due",
			when: then(paying, trace{failed(order.Payment, 1), failed(order.Payment, 1)}),
			then: "running PAYMENT/1 waits",
		},
		{
			name: "the timer that asked for the attempt asks again until the saga hears it",
			when: then(paying, trace{failed(order.Payment, 1), rings, rings}),
			then: "running PAYMENT/1 waits", owed: owed{"PAYMENT_REQUESTED/2"},
		},
		{
			name: "and then no more",
			when: then(paying, trace{failed(order.Payment, 1), due, stale}),
			then: "running PAYMENT/2",
		},
		{
			name: "but not once that is answered",
			when: then(paying, trace{failed(order.Payment, 1), due, completedIn(order.Payment, 2), stale}),
			then: "running MAIL/1",
		},
		{
			name: "the failure that began the undoing owes its first request again",
			when: then(paying, trace{declined(order.Payment), declined(order.Payment)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: PAYMENT: no money"},
		},
		{
			name: "an old completion after the end owes nothing",
			when: then(over, trace{completed(order.Detail)}),
			then: "failed",
		},
		{
			name: "what led to a stuck order tells that again, and asks for nothing",
			when: then(undoStuck, trace{undoFailed(order.Payment, 2)}),
			then: "stuck undo PAYMENT/2", owed: owed{"ORDER_STUCK/1 stuck: undoing PAYMENT: busy (2 attempts)"},
		},
		{
			name: "what made the last attempt of a stuck step asks for nothing",
			when: then(paying, trace{declined(order.Payment), undoFailedWith(order.Detail, 1, saga.Failure{Reason: "no"}), declined(order.Payment)}),
			then: "stuck undo ORDER/1",
		},
		{
			name: "a request that is asked for again during a pause has no deadline",
			when: then(paying, trace{ordered(order.Pause), completed(order.Detail)}),
			then: "running paused PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
	}.hold(t)
}

func TestAnswersCountOnlyToARequestThatWasMade(t *testing.T) {
	const own = "a request of ours under another id"
	rules{
		{
			name: "a completion for an order that nobody requested moves nothing",
			when: trace{completed(order.Detail)},
			then: "",
		},
		{
			name: "so does a declined step of one",
			when: trace{declined(order.Detail)},
			then: "",
		},
		{
			name: "a completion that comes before its request is passed over",
			when: trace{requested, completed(order.Payment)},
			then: "running ORDER/1",
		},
		{
			name: "a declined step that nobody asked for is passed over",
			when: trace{requested, declined(order.Mail)},
			then: "running ORDER/1",
		},
		{
			name: "an answer of a step that is not of the plan is passed over",
			when: trace{requested, completed("SHIPPING"), declined("SHIPPING"), undone("SHIPPING", 1), undoFailed("SHIPPING", 1)},
			then: "running ORDER/1",
		},
		{
			name: "an answer of no step at all is passed over, also when nothing is open",
			when: then(mailed, trace{completed(""), declined(""), undone("", 1), undoFailed("", 1), foreign(declined(""))}),
			then: "completed",
		},
		{
			name: "a completion in answer to a request that nobody made is passed over",
			when: then(paying, trace{caused(completed(order.Payment), "a request that nobody made")}),
			then: "running PAYMENT/1",
		},
		{
			name: "also a refusal",
			when: then(paying, trace{caused(declined(order.Payment), "a request that nobody made")}),
			then: "running PAYMENT/1",
		},
		{
			name: "an attempt that was not made yet cannot be completed",
			when: then(paying, trace{completedIn(order.Payment, 2)}),
			then: "running PAYMENT/1",
		},
		{
			name: "an answer that names no request is taken at its step's word",
			when: then(paying, trace{foreign(completed(order.Payment))}),
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 last running"},
		},
		{
			name: "also a refusal that names none",
			when: then(paying, trace{foreign(declined(order.Payment))}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: PAYMENT: no money"},
		},
		{
			name: "also what is undone, and what is not",
			when: then(refunding, trace{foreign(undone(order.Payment, 1)), foreign(undoFailedWith(order.Detail, 1, saga.Failure{Reason: "no"}))}),
			then: "stuck undo ORDER/1", owed: owed{"ORDER_STUCK/1 stuck: undoing ORDER: no (1 attempts)"},
		},
		{
			name: "but not that an attempt was completed which was not made",
			when: then(paying, trace{foreign(completedIn(order.Payment, 2))}),
			then: "running PAYMENT/1",
		},
		{
			name: "nor that one has failed which is over",
			when: then(paying, trace{failed(order.Payment, 1), due, foreign(declined(order.Payment))}),
			then: "running PAYMENT/2",
		},
		{
			name: "a request under a foreign id is answered by that",
			when: trace{requestedAs(own, plan), caused(completed(order.Detail), own)},
			then: "running PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
		{
			name: "also declined by that",
			when: trace{requestedAs(own, plan), caused(declined(order.Detail), own)},
			then: "failed", owed: owed{"ORDER_FAILED/1 failed: ORDER: no money"},
		},
		{
			name: "also when its second attempt is made",
			when: trace{requestedAs(own, plan), caused(failed(order.Detail, 1), own), due, caused(completed(order.Detail), own)},
			then: "running PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
		{
			name: "its second attempt has the usual id",
			when: trace{requestedAs(own, plan), caused(failed(order.Detail, 1), own), due, completedIn(order.Detail, 2)},
			then: "running PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
		{
			name: "work for a rival request is never used",
			when: trace{requestedAs(own, plan), requestedAs("rival", plan), caused(completed(order.Detail), "rival")},
			then: "running ORDER/1",
		},
		{
			name: "not even if the rival had the usual id",
			when: trace{requestedAs(own, plan), requested, completed(order.Detail)},
			then: "running ORDER/1",
		},
		{
			name: "but as the participant may have done it, a refusal of our own says nothing of that",
			when: trace{requestedAs(own, plan), requested, caused(declined(order.Detail), own)},
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: ORDER: no money"},
		},
		{
			name: "nor does one from before",
			when: trace{requested, declined(order.Detail), requestedAs("rival", plan)},
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: ORDER: no money"},
		},
		{
			name: "once it is undone it stays so, however many ask",
			when: trace{
				requested, declined(order.Detail), requestedAs("rival", plan), undone(order.Detail, 1), requestedAs("rival", plan),
				requestedAs("another", plan), caused(completed(order.Detail), "another"),
			},
			then: "failed",
		},
		{
			name: "also of an order that was cancelled before it began",
			when: trace{scheduled, ordered(order.Cancel), requested},
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: cancelled: changed my mind"},
		},
		{
			name: "or is cancelled after that",
			when: trace{scheduled, requested, ordered(order.Cancel)},
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: cancelled: changed my mind"},
		},
	}.hold(t)
}

func TestRetry(t *testing.T) {
	rules{
		{
			name: "an attempt after which another may go better waits for that",
			when: then(paying, trace{failed(order.Payment, 1)}),
			then: "running PAYMENT/1 waits",
		},
		{
			name: "when the time has come the next attempt is made",
			when: then(paying, trace{failed(order.Payment, 1), due}),
			then: "running PAYMENT/2", owed: owed{"PAYMENT_REQUESTED/2"},
		},
		{
			name: "what was asked for before something else moved the order on counts, and moves nothing",
			when: then(paying, trace{failed(order.Payment, 1), completed(order.Payment), asked(order.Payment, 2)}),
			then: "running MAIL/1",
		},
		{
			name: "so that what it does is known, even if the order is undone meanwhile",
			when: then(trace{requestedFor(long), completed(order.Detail), completed(order.Payment)}, trace{failed("PACKING", 1), ordered(order.Cancel), asked("PACKING", 2), completedIn("PACKING", 2)}),
			then: "compensating undo PAYMENT/1",
		},
		{
			name: "in a pause it is made, and its clock stands",
			when: then(paying, trace{failed(order.Payment, 1), ordered(order.Pause), asked(order.Payment, 2)}),
			then: "running paused PAYMENT/2",
		},
		{
			name: "a timer that was set before says nothing",
			when: then(paying, trace{failed(order.Payment, 1), stale}),
			then: "running PAYMENT/1 waits",
		},
		{
			name: "the last step is asked for as the last in each attempt",
			when: then(mailing, trace{failed(order.Mail, 1), due}),
			then: "running MAIL/2", owed: owed{"MAIL_REQUESTED/2 last"},
		},
		{
			name: "a completion of any attempt completes the step, while the next is waited for",
			when: then(paying, trace{failed(order.Payment, 1), completed(order.Payment)}),
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 last running"},
		},
		{
			name: "and while it is made",
			when: then(paying, trace{failed(order.Payment, 1), due, completed(order.Payment)}),
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 last running"},
		},
		{
			name: "but only once",
			when: then(paying, trace{failed(order.Payment, 1), due, completed(order.Payment), completedIn(order.Payment, 2)}),
			then: "running MAIL/1",
		},
		{
			name: "a failure of an earlier attempt says nothing that its end has not said",
			when: then(paying, trace{outOfTime, due, declined(order.Payment)}),
			then: "running PAYMENT/2",
		},
		{
			name: "not even between two attempts",
			when: then(paying, trace{outOfTime, declined(order.Payment)}),
			then: "running PAYMENT/1 waits",
		},
		{
			name: "retries that are spent are undone, the step itself first as it may have taken effect",
			when: then(paying, spent(order.Payment, 1)),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: PAYMENT: busy (3 attempts)"},
		},
		{
			name: "a refusal of a later attempt ends the retries, and the earlier ones are undone",
			when: then(paying, trace{failed(order.Payment, 1), due, declinedIn(order.Payment, 2)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: PAYMENT: no money"},
		},
	}.hold(t)
}

func TestDeadlines(t *testing.T) {
	hourLong := trace{requested, later(59*time.Minute + 50*time.Second), completed(order.Detail)}
	rules{
		{
			name: "that an attempt has timed out is said, and moves nothing until it is heard",
			when: then(paying, trace{due}),
			then: "running PAYMENT/1", owed: owed{"PAYMENT_TIMED_OUT/1"},
		},
		{
			name: "a timer that fires twice says it twice",
			when: then(paying, trace{due, due}),
			then: "running PAYMENT/1", owed: owed{"PAYMENT_TIMED_OUT/1"},
		},
		{
			name: "an attempt that has timed out is made again",
			when: then(paying, trace{outOfTime, due}),
			then: "running PAYMENT/2", owed: owed{"PAYMENT_REQUESTED/2"},
		},
		{
			name: "its own word says of which attempt",
			when: then(paying, trace{outOfTime, due, due}),
			then: "running PAYMENT/2", owed: owed{"PAYMENT_TIMED_OUT/2"},
		},
		{
			name: "the last attempt's timing out undoes the step",
			when: then(paying, trace{outOfTime, due, outOfTime, due, outOfTime}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: PAYMENT: timed out (3 attempts)"},
		},
		{
			name: "what the log has before the word counts first: a completion",
			when: then(paying, trace{due, completed(order.Payment), outOfTimeFor(2)}),
			then: "running MAIL/1",
		},
		{
			name: "or a failure",
			when: then(paying, trace{due, failed(order.Payment, 1), outOfTimeFor(2)}),
			then: "running PAYMENT/1 waits",
		},
		{
			name: "or a pause",
			when: then(paying, trace{due, ordered(order.Pause), outOfTimeFor(2), ordered(order.Resume), outOfTimeFor(2)}),
			then: "running PAYMENT/1",
		},
		{
			name: "or the end",
			when: then(mailing, trace{due, completed(order.Mail), outOfTimeFor(3), outOfTimeFor(4)}),
			then: "completed",
		},
		{
			name: "a word that the attempt has timed out for which the order waits says nothing",
			when: then(paying, trace{failed(order.Payment, 1), outOfTimeFor(3)}),
			then: "running PAYMENT/1 waits",
		},
		{
			name: "nor does one of an order that nobody requested",
			when: trace{outOfTimeFor(0), expiredFor(0)},
			then: "",
		},
		{
			name: "that the order is out of time is said, and moves nothing until it is heard",
			when: then(hourLong, trace{due}),
			then: "running PAYMENT/1", owed: owed{"ORDER_EXPIRED/1"},
		},
		{
			name: "an order that is out of time is undone",
			when: then(hourLong, trace{outOfTime}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: not done within 1h0m0s"},
		},
		{
			name: "also while it waits for the next attempt",
			when: then(hourLong, trace{failedWith(order.Payment, 1, saga.Failure{Retryable: true, RetryAfter: time.Minute}), outOfTime}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: not done within 1h0m0s"},
		},
		{
			name: "also while it waits for an operator",
			when: then(payStuck, trace{outOfTime}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: not done within 1h0m0s"},
		},
		{
			name: "also while a step is undone to be done anew",
			when: then(payStuck, trace{later(59*time.Minute + 50*time.Second), ordered(order.Retry), outOfTime}),
			then: "compensating undo PAYMENT/2", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/2 compensating: not done within 1h0m0s"},
		},
		{
			name: "what the log has before that word counts first",
			when: then(hourLong, trace{due, completed(order.Payment), expiredFor(2)}),
			then: "running MAIL/1",
		},
		{
			name: "undoing has no deadline but its attempts'",
			when: then(refunding, trace{later(2 * time.Hour), outOfTime}),
			then: "compensating undo PAYMENT/1 waits",
		},
		{
			name: "an attempt to undo times out, too",
			when: then(refunding, trace{due}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_TIMED_OUT/1"},
		},
		{
			name: "and is made again",
			when: then(refunding, trace{outOfTime, due}),
			then: "compensating undo PAYMENT/2", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/2: MAIL: busy (3 attempts)"},
		},
		{
			name: "an order that has ended has no deadline",
			when: then(over, trace{stale, expiredFor(0)}),
			then: "failed",
		},
	}.hold(t)
}

func TestCompensation(t *testing.T) {
	const shipped = order.Step("SHIPPING")
	packed := trace{requestedFor(long), completed(order.Detail), completed(order.Payment), completed("PACKING")}
	rules{
		{
			name: "a declined first step has nothing to undo",
			when: trace{requested, declined(order.Detail)},
			then: "failed", owed: owed{"ORDER_FAILED/1 failed: ORDER: no money"},
		},
		{
			name: "a declined step had no effect: what is undone is the one before",
			when: then(paying, trace{declined(order.Payment)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: PAYMENT: no money"},
		},
		{
			name: "the newest is undone first",
			when: refunding,
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: MAIL: busy (3 attempts)"},
		},
		{
			name: "then the one before",
			when: refunded,
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: MAIL: busy (3 attempts)"},
		},
		{
			name: "then the order has failed",
			when: over,
			then: "failed", owed: owed{"ORDER_FAILED/1 failed: MAIL: busy (3 attempts)"},
		},
		{
			name: "a step that cannot be undone is skipped",
			when: then(packed, trace{declined(shipped)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: SHIPPING: no money"},
		},
		{
			name: "a declined step that was completed after all is undone after what is being undone",
			when: then(packed, trace{declined(shipped), completed(shipped), undone(order.Payment, 1)}),
			then: "compensating undo SHIPPING/1", owed: owed{"SHIPPING_COMPENSATION_REQUESTED/1 compensating: SHIPPING: no money"},
		},
		{
			name: "also if the order has ended: it is undone once more",
			when: then(paying, trace{declined(order.Payment), undone(order.Detail, 1), completed(order.Payment)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: PAYMENT: no money"},
		},
		{
			name: "and ends as it had",
			when: then(paying, trace{declined(order.Payment), undone(order.Detail, 1), completed(order.Payment), undone(order.Payment, 1)}),
			then: "failed", owed: owed{"ORDER_FAILED/1 failed: PAYMENT: no money"},
		},
		{
			name: "a cancelled order, too",
			when: then(trace{requested, failed(order.Detail, 1), due, failed(order.Detail, 2)}, trace{ordered(order.Cancel), undone(order.Detail, 1), completed(order.Detail)}),
			then: "cancelled",
		},
		{
			name: "a completion of what cannot be undone leaves an ended order as it is",
			when: then(over, trace{completed(order.Mail)}),
			then: "failed",
		},
		{
			name: "the completion of a step that is being undone changes nothing",
			when: then(refunding, trace{completed(order.Payment)}),
			then: "compensating undo PAYMENT/1",
		},
		{
			name: "nor does that of one that is undone",
			when: then(refunded, trace{completed(order.Payment)}),
			then: "compensating undo ORDER/1",
		},
		{
			name: "a failure says nothing to an order that is being undone",
			when: then(refunding, trace{declined(order.Payment), declinedIn(order.Mail, 2)}),
			then: "compensating undo PAYMENT/1",
		},
		{
			name: "a failed attempt to undo is made again",
			when: then(refunding, trace{undoFailed(order.Payment, 1), due}),
			then: "compensating undo PAYMENT/2", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/2: MAIL: busy (3 attempts)"},
		},
		{
			name: "any attempt's success counts",
			when: then(refunding, trace{undoFailed(order.Payment, 1), due, undone(order.Payment, 1)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: MAIL: busy (3 attempts)"},
		},
		{
			name: "also between two attempts",
			when: then(refunding, trace{undoFailed(order.Payment, 1), undone(order.Payment, 1)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: MAIL: busy (3 attempts)"},
		},
		{
			name: "but not that of one that was not made",
			when: then(refunding, trace{undone(order.Payment, 2), undone(order.Detail, 1), undone(order.Mail, 1)}),
			then: "compensating undo PAYMENT/1",
		},
		{
			name: "a failure of an earlier attempt to undo says nothing",
			when: then(refunding, trace{undoFailed(order.Payment, 1), due, undoFailed(order.Payment, 1)}),
			then: "compensating undo PAYMENT/2",
		},
		{
			name: "when its attempts are spent the order is stuck, and never dropped",
			when: undoStuck,
			then: "stuck undo PAYMENT/2", owed: owed{"ORDER_STUCK/1 stuck: undoing PAYMENT: busy (2 attempts)"},
		},
		{
			name: "so it is when undoing is refused for good",
			when: then(refunding, trace{undoFailedWith(order.Payment, 1, saga.Failure{Reason: "too late"})}),
			then: "stuck undo PAYMENT/1", owed: owed{"ORDER_STUCK/1 stuck: undoing PAYMENT: too late (1 attempts)"},
		},
		{
			name: "it is not tried again by itself",
			when: then(undoStuck, trace{stale, undoFailed(order.Payment, 1), outOfTimeFor(99)}),
			then: "stuck undo PAYMENT/2",
		},
		{
			name: "but that it is undone after all frees it",
			when: then(undoStuck, trace{undone(order.Payment, 1)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: MAIL: busy (3 attempts)"},
		},
		{
			name: "what is undone is never undone by word of an order that is not being undone",
			when: then(paying, trace{undone(order.Payment, 1), undoFailed(order.Payment, 1), undone(order.Detail, 1)}),
			then: "running PAYMENT/1",
		},
	}.hold(t)
}

func TestPause(t *testing.T) {
	rules{
		{
			name: "a pause is said, and keeps what is running",
			when: then(paying, trace{ordered(order.Pause)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_PAUSED/1 running"},
		},
		{
			name: "a completion is recorded, and nothing new is requested",
			when: then(paying, trace{ordered(order.Pause), completed(order.Payment)}),
			then: "running paused MAIL/0 waits",
		},
		{
			name: "resume goes on from there",
			when: then(paying, trace{ordered(order.Pause), completed(order.Payment), ordered(order.Resume)}),
			then: "running MAIL/1", owed: owed{"ORDER_RESUMED/1 running", "MAIL_REQUESTED/1 last running"},
		},
		{
			name: "resume asks for nothing that runs",
			when: then(paying, trace{ordered(order.Pause), ordered(order.Resume)}),
			then: "running PAYMENT/1", owed: owed{"ORDER_RESUMED/1 running"},
		},
		{
			name: "a failure is recorded, and its next attempt waits its time after the pause",
			when: then(paying, trace{ordered(order.Pause), failed(order.Payment, 1), later(time.Hour), ordered(order.Resume)}),
			then: "running PAYMENT/1 waits", owed: owed{"ORDER_RESUMED/1 running"},
		},
		{
			name: "and is made then",
			when: then(paying, trace{ordered(order.Pause), failed(order.Payment, 1), later(time.Hour), ordered(order.Resume), due}),
			then: "running PAYMENT/2", owed: owed{"PAYMENT_REQUESTED/2"},
		},
		{
			name: "the last completion ends a paused order",
			when: then(mailing, trace{ordered(order.Pause), completed(order.Mail)}),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "a refusal with nothing to undo ends it, too",
			when: trace{requested, ordered(order.Pause), declined(order.Detail)},
			then: "failed", owed: owed{"ORDER_FAILED/1 failed: ORDER: no money"},
		},
		{
			name: "a refusal has the undoing wait for the pause's end",
			when: then(paying, trace{ordered(order.Pause), declined(order.Payment)}),
			then: "compensating paused undo ORDER/0 waits",
		},
		{
			name: "and begin then",
			when: then(paying, trace{ordered(order.Pause), declined(order.Payment), ordered(order.Resume)}),
			then: "compensating undo ORDER/1",
			owed: owed{"ORDER_RESUMED/1 compensating", "ORDER_COMPENSATION_REQUESTED/1 compensating: PAYMENT: no money"},
		},
		{
			name: "an order that is being undone can be paused",
			when: then(refunding, trace{ordered(order.Pause)}),
			then: "compensating paused undo PAYMENT/1", owed: owed{"ORDER_PAUSED/1 compensating"},
		},
		{
			name: "what is undone is recorded, and nothing more is undone",
			when: then(refunding, trace{ordered(order.Pause), undone(order.Payment, 1)}),
			then: "compensating paused undo ORDER/0 waits",
		},
		{
			name: "the last undoing ends a paused order",
			when: then(refunded, trace{ordered(order.Pause), undone(order.Detail, 1)}),
			then: "failed", owed: owed{"ORDER_FAILED/1 failed: MAIL: busy (3 attempts)"},
		},
		{
			name: "a stuck order can be paused",
			when: then(payStuck, trace{ordered(order.Pause)}),
			then: "stuck paused PAYMENT/3", owed: owed{"ORDER_PAUSED/1 stuck"},
		},
		{
			name: "and is stuck when that is over",
			when: then(payStuck, trace{ordered(order.Pause), ordered(order.Resume)}),
			then: "stuck PAYMENT/3", owed: owed{"ORDER_RESUMED/1 stuck"},
		},
		{
			name: "it cannot be retried before",
			when: then(payStuck, trace{ordered(order.Pause), ordered(order.Retry)}),
			then: "stuck paused PAYMENT/3", owed: owed{"ORDER_COMMAND_REJECTED/1 stuck: the order is paused: resume it first"},
		},
		{
			name: "nor skipped",
			when: then(payStuck, trace{ordered(order.Pause), ordered(order.Skip)}),
			then: "stuck paused PAYMENT/3", owed: owed{"ORDER_COMMAND_REJECTED/1 stuck: the order is paused: resume it first"},
		},
		{
			name: "a late completion frees it, and it waits for the pause's end",
			when: then(payStuck, trace{ordered(order.Pause), completedIn(order.Payment, 2)}),
			then: "running paused MAIL/0 waits",
		},
		{
			name: "a step that fails during the pause sticks",
			when: trace{requestedFor(sticky), completed(order.Detail), ordered(order.Pause), declined(order.Payment)},
			then: "stuck paused PAYMENT/1", owed: owed{"ORDER_STUCK/1 stuck: PAYMENT: no money"},
		},
		{
			name: "a scheduled order can be paused, and does not begin",
			when: trace{scheduled, ordered(order.Pause), later(3 * time.Hour), stale},
			then: "scheduled paused",
		},
		{
			name: "a start time is a date: one that has passed in the pause is due at its end",
			when: trace{scheduled, ordered(order.Pause), later(3 * time.Hour), ordered(order.Resume), due},
			then: "running ORDER/1", owed: owed{"ORDER_REQUESTED/1"},
		},
		{
			name: "a paused order cannot be paused",
			when: then(paying, trace{ordered(order.Pause), again(order.Pause)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: the order is paused already"},
		},
		{
			name: "one that is not cannot be resumed",
			when: then(paying, trace{ordered(order.Resume)}),
			then: "running PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: the order is not paused"},
		},
	}.hold(t)
}

// The rest of each deadline is kept to the nanosecond, whatever the order waits for.
func TestAPauseStopsTheClocks(t *testing.T) {
	for name, c := range map[string]struct {
		when trace
		due  time.Duration // that is left of what is next
		all  time.Duration // of the order's deadline
	}{
		"while a step runs":                  {then(paying, trace{later(20 * time.Second)}), 40 * time.Second, time.Hour - 20*time.Second},
		"while it is undone":                 {then(refunding, trace{later(20 * time.Second)}), 10 * time.Second, 0},
		"while nothing is due":               {then(undoStuck, trace{later(20 * time.Second)}), 0, 0},
		"when the attempt has just run out":  {then(paying, trace{later(time.Minute)}), 1, 59 * time.Minute},
		"when it has run out for some time":  {then(paying, trace{later(2 * time.Minute)}), 1, 58 * time.Minute},
		"when the whole order has run out":   {then(paying, trace{later(2 * time.Hour)}), 1, 1},
		"while the next attempt is far away": {then(paying, trace{failedWith(order.Payment, 1, saga.Failure{Retryable: true, RetryAfter: time.Minute}), later(time.Second)}), 59 * time.Second, time.Hour - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := told(then(c.when, trace{ordered(order.Pause)})...)
			if _, _, open := w.state.Timer(); open {
				t.Error("a timer is set during the pause")
			}
			if w.state.Open.Rest != c.due || w.state.Rest != c.all || !w.state.Open.Due.IsZero() || !w.state.Deadline.IsZero() {
				t.Errorf("%v and %v are left, want %v and %v", w.state.Open.Rest, w.state.Rest, c.due, c.all)
			}
			w.tell(later(5*time.Hour), ordered(order.Resume))
			left := func(at time.Time) time.Duration {
				if at.IsZero() {
					return 0
				}
				return at.Sub(w.now)
			}
			if due, all := left(w.state.Open.Due), left(w.state.Deadline); due != c.due || all != c.all {
				t.Errorf("after it %v and %v are left, want %v and %v", due, all, c.due, c.all)
			}
			if w.state.Rest != 0 || w.state.Open.Rest != 0 {
				t.Errorf("the rests %v and %v are kept", w.state.Rest, w.state.Open.Rest)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	const why = "cancelled: changed my mind"
	rules{
		{
			name: "cancelling undoes what was done, and what may have been",
			when: then(paying, trace{ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "and then the order is cancelled",
			when: cancelled,
			then: "cancelled", owed: owed{"ORDER_CANCELLED/1 cancelled: " + why},
		},
		{
			name: "its first step is undone, too, as it may have been done",
			when: trace{requested, ordered(order.Cancel)},
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "a step that waits for its next attempt is undone",
			when: then(paying, trace{failed(order.Payment, 1), ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "one that waits to be undone, to be done anew, is asked for by a number that no timer has used",
			when: then(payStuck, trace{ordered(order.Retry), undoFailed(order.Payment, 1), ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/3", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/3 compensating: " + why},
		},
		{
			name: "and that the timer used it says nothing more",
			when: then(payStuck, trace{ordered(order.Retry), undoFailed(order.Payment, 1), ordered(order.Cancel), askedToUndo(order.Payment, 2)}),
			then: "compensating undo PAYMENT/3",
		},
		{
			name: "a step that nobody requested is not",
			when: then(paying, trace{ordered(order.Pause), completed(order.Payment), ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1", owed: owed{"ORDER_RESUMED/1 running", "PAYMENT_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "an order whose only effect cannot be undone is cancelled as it stands",
			when: then(mailing, trace{ordered(order.Cancel), undone(order.Payment, 1), undone(order.Detail, 1)}),
			then: "cancelled", owed: owed{"ORDER_CANCELLED/1 cancelled: " + why},
		},
		{
			name: "cancelling ends a pause: an order that is to end must move",
			when: then(paying, trace{ordered(order.Pause), ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1",
			owed: owed{"ORDER_RESUMED/1 running", "PAYMENT_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "a scheduled order is cancelled at once",
			when: trace{scheduled, ordered(order.Cancel)},
			then: "cancelled", owed: owed{"ORDER_CANCELLED/1 cancelled: " + why},
		},
		{
			name: "and does not begin when its time comes",
			when: trace{scheduled, ordered(order.Cancel), later(2 * time.Hour), stale},
			then: "cancelled",
		},
		{
			name: "a paused one, too",
			when: trace{scheduled, ordered(order.Pause), ordered(order.Cancel)},
			then: "cancelled", owed: owed{"ORDER_RESUMED/1 scheduled", "ORDER_CANCELLED/1 cancelled: " + why},
		},
		{
			name: "a stuck step is undone",
			when: then(payStuck, trace{ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "but not one that was declined",
			when: then(payRefuse, trace{ordered(order.Cancel)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "a step that is undone to be done anew is undone for good",
			when: then(payStuck, trace{ordered(order.Retry), ordered(order.Cancel), undone(order.Payment, 1)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: " + why},
		},
		{
			name: "an order that is being undone cannot be cancelled",
			when: then(refunding, trace{ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 compensating: the order is being undone already"},
		},
		{
			name: "nor one that is stuck in it",
			when: then(undoStuck, trace{ordered(order.Cancel)}),
			then: "stuck undo PAYMENT/2", owed: owed{"ORDER_COMMAND_REJECTED/1 stuck: the order is being undone already: retry or skip what is stuck"},
		},
		{
			name: "nor one that has failed",
			when: then(over, trace{ordered(order.Cancel)}),
			then: "failed", owed: owed{"ORDER_COMMAND_REJECTED/1 failed: the order is failed"},
		},
		{
			name: "nor one that is cancelled",
			when: then(cancelled, trace{again(order.Cancel)}),
			then: "cancelled", owed: owed{"ORDER_COMMAND_REJECTED/1 cancelled: the order is cancelled"},
		},
		{
			name: "nor one that is completed",
			when: then(mailed, trace{ordered(order.Cancel)}),
			then: "completed", owed: owed{"ORDER_COMMAND_REJECTED/1 completed: the order is completed"},
		},
		{
			name: "a completion after it is undone with the rest",
			when: then(paying, trace{ordered(order.Pause), declined(order.Payment), ordered(order.Resume), completed(order.Payment), undone(order.Detail, 1)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: PAYMENT: no money"},
		},
	}.hold(t)
}

func TestStuckOrders(t *testing.T) {
	again2 := trace{ordered(order.Retry), undone(order.Payment, 1)} // of a step that may have taken effect
	rules{
		{
			name: "a step for which an operator is called sticks when its attempts are spent",
			when: payStuck,
			then: "stuck PAYMENT/3", owed: owed{"ORDER_STUCK/1 stuck: PAYMENT: busy (3 attempts)"},
		},
		{
			name: "also when it is declined",
			when: payRefuse,
			then: "stuck PAYMENT/1", owed: owed{"ORDER_STUCK/1 stuck: PAYMENT: no money"},
		},
		{
			name: "a late completion frees it",
			when: then(payStuck, trace{completedIn(order.Payment, 2)}),
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 last running"},
		},
		{
			name: "a late failure does not",
			when: then(payStuck, trace{declinedIn(order.Payment, 2), foreign(declinedIn(order.Payment, 2))}),
			then: "stuck PAYMENT/3",
		},
		{
			name: "but the one that stuck it tells so again",
			when: then(payStuck, trace{failed(order.Payment, 3)}),
			then: "stuck PAYMENT/3", owed: owed{"ORDER_STUCK/1 stuck: PAYMENT: busy (3 attempts)"},
		},
		{
			name: "a declined step that is retried is undone first, lest it be done after all",
			when: then(payRefuse, trace{ordered(order.Retry)}),
			then: "running undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 running"},
		},
		{
			name: "it is a new piece of work then, and its attempts go on",
			when: then(payRefuse, trace{ordered(order.Retry), undone(order.Payment, 1)}),
			then: "running PAYMENT/2", owed: owed{"PAYMENT_REQUESTED/2 round 2 running"},
		},
		{
			name: "whatever is said of the old one in the meantime",
			when: then(payRefuse, trace{ordered(order.Retry), completed(order.Payment), undone(order.Payment, 1)}),
			then: "running PAYMENT/2", owed: owed{"PAYMENT_REQUESTED/2 round 2 running"},
		},
		{
			name: "one that cannot be undone is a new piece of work at once",
			when: then(mailRefused, trace{ordered(order.Retry)}),
			then: "running MAIL/2", owed: owed{"MAIL_REQUESTED/2 round 2 last running"},
		},
		{
			name: "one that may have taken effect is undone first",
			when: then(payStuck, trace{ordered(order.Retry)}),
			then: "running undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 running"},
		},
		{
			name: "and is then a new piece of work",
			when: then(payStuck, again2),
			then: "running PAYMENT/4", owed: owed{"PAYMENT_REQUESTED/4 round 2 running"},
		},
		{
			name: "one that may have taken effect and cannot be undone stays the same piece of work",
			when: then(mailStuck, trace{ordered(order.Retry)}),
			then: "running MAIL/4", owed: owed{"MAIL_REQUESTED/4 last running"},
		},
		{
			name: "the completion of an earlier attempt then counts",
			when: then(mailStuck, trace{ordered(order.Retry), completedIn(order.Mail, 2)}),
			then: "completed", owed: owed{"ORDER_FINISHED/1 completed"},
		},
		{
			name: "of a new piece of work only a new attempt's does",
			when: then(payStuck, again2, trace{completedIn(order.Payment, 3), foreign(completed(order.Payment))}),
			then: "running PAYMENT/4",
		},
		{
			name: "a new attempt's completes it",
			when: then(payStuck, again2, trace{completedIn(order.Payment, 4)}),
			then: "running MAIL/1", owed: owed{"MAIL_REQUESTED/1 last running"},
		},
		{
			name: "the policy counts from the retry on",
			when: then(payStuck, again2, trace{failed(order.Payment, 4), due, failed(order.Payment, 5), due}),
			then: "running PAYMENT/6", owed: owed{"PAYMENT_REQUESTED/6 round 2"},
		},
		{
			name: "and it sticks again when that is spent",
			when: then(payStuck, again2, spent(order.Payment, 4)),
			then: "stuck PAYMENT/6", owed: owed{"ORDER_STUCK/1 stuck: PAYMENT: busy (3 attempts)"},
		},
		{
			name: "a new piece of work that is declined is undone as such",
			when: then(payStuck, again2, trace{declinedIn(order.Payment, 4), again(order.Retry)}),
			then: "running undo PAYMENT/2", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/2 round 2 running"},
		},
		{
			name: "its undoing is asked for by a number that no timer has used for the old piece of work",
			when: then(payStuck, trace{ordered(order.Retry), undoFailed(order.Payment, 1), undone(order.Payment, 1), ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/3", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/3 round 2 compensating: cancelled: changed my mind"},
		},
		{
			name: "and what comes of the number that one has used says nothing of the new",
			when: then(payStuck, trace{
				ordered(order.Retry), undoFailed(order.Payment, 1), undone(order.Payment, 1), ordered(order.Cancel),
				askedToUndo(order.Payment, 2), undone(order.Payment, 2),
			}),
			then: "compensating undo PAYMENT/3",
		},
		{
			name: "nor if it was asked for before the cancel was heard",
			when: then(payStuck, trace{
				ordered(order.Retry), undoFailed(order.Payment, 1), undone(order.Payment, 1), askedToUndo(order.Payment, 2),
				ordered(order.Cancel), undone(order.Payment, 2),
			}),
			then: "compensating undo PAYMENT/3",
		},
		{
			name: "that the old piece of work is undone says nothing of the new",
			when: then(payStuck, again2, trace{failed(order.Payment, 4), ordered(order.Cancel), undone(order.Payment, 1)}),
			then: "compensating undo PAYMENT/2",
		},
		{
			name: "undoing it first is tried as often as the policy says",
			when: then(payStuck, trace{ordered(order.Retry)}, undoSpent(order.Payment, 1)),
			then: "stuck undo PAYMENT/2", owed: owed{"ORDER_STUCK/1 stuck: undoing PAYMENT: busy (2 attempts)"},
		},
		{
			name: "and can be retried",
			when: then(payStuck, trace{ordered(order.Retry)}, undoSpent(order.Payment, 1), trace{again(order.Retry)}),
			then: "running undo PAYMENT/3", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/3 running"},
		},
		{
			name: "or skipped, and the step is done anew",
			when: then(payStuck, trace{ordered(order.Retry)}, undoSpent(order.Payment, 1), trace{without(order.Skip)}),
			then: "running PAYMENT/4",
			owed: owed{"PAYMENT_COMPENSATION_SKIPPED/1 running: paid by hand", "PAYMENT_REQUESTED/4 round 2 running"},
		},
		{
			name: "or skipped with an output, by which it is the step that is done",
			when: then(payStuck, trace{ordered(order.Retry)}, undoSpent(order.Payment, 1), trace{ordered(order.Skip)}),
			then: "running MAIL/1",
			owed: owed{`PAYMENT_SKIPPED/1 running PAYMENT={"by":"hand"}: paid by hand`, "MAIL_REQUESTED/1 last running"},
		},
		{
			name: "a stuck step is skipped with what the operator supplies",
			when: then(payStuck, trace{ordered(order.Skip)}),
			then: "running MAIL/1",
			owed: owed{`PAYMENT_SKIPPED/1 running PAYMENT={"by":"hand"}: paid by hand`, "MAIL_REQUESTED/1 last running"},
		},
		{
			name: "said twice with the same, and once the next step is done without its request",
			when: then(payStuck, trace{ordered(order.Skip), completed(order.Mail), ordered(order.Skip)}),
			then: "completed", owed: owed{`PAYMENT_SKIPPED/1 running PAYMENT={"by":"hand"}: paid by hand`},
		},
		{
			name: "skipping the last step ends the order",
			when: then(mailStuck, trace{ordered(order.Skip)}),
			then: "completed",
			owed: owed{`MAIL_SKIPPED/1 running MAIL={"by":"hand"}: paid by hand`, "ORDER_FINISHED/1 completed"},
		},
		{
			name: "a skipped step is undone with the rest, as it was done",
			when: then(payRefuse, trace{ordered(order.Skip), ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: cancelled: changed my mind"},
		},
		{
			name: "a stuck undoing is retried",
			when: then(undoStuck, trace{ordered(order.Retry)}),
			then: "compensating undo PAYMENT/3", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/3 compensating: MAIL: busy (3 attempts)"},
		},
		{
			name: "as often as the policy says",
			when: then(undoStuck, trace{ordered(order.Retry), undoFailed(order.Payment, 3), due, undoFailed(order.Payment, 4)}),
			then: "stuck undo PAYMENT/4", owed: owed{"ORDER_STUCK/1 stuck: undoing PAYMENT: busy (2 attempts)"},
		},
		{
			name: "and the success of an attempt before the retry counts",
			when: then(undoStuck, trace{ordered(order.Retry), undone(order.Payment, 2)}),
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: MAIL: busy (3 attempts)"},
		},
		{
			name: "a stuck step is skipped without anything",
			when: then(payStuck, trace{without(order.Skip)}),
			then: "running MAIL/1", owed: owed{"PAYMENT_SKIPPED/1 running: paid by hand", "MAIL_REQUESTED/1 last running"},
		},
		{
			name: "a stuck undoing is not skipped with an output: an operator who means the step would have it taken for undone",
			when: then(undoStuck, trace{ordered(order.Skip)}),
			then: "stuck undo PAYMENT/2",
			owed: owed{"ORDER_COMMAND_REJECTED/1 stuck: the order is being undone, and an output says that a step is done: skip without one"},
		},
		{
			name: "a stuck undoing is skipped: the operator vouches for it",
			when: then(undoStuck, trace{without(order.Skip)}),
			then: "compensating undo ORDER/1",
			owed: owed{
				"PAYMENT_COMPENSATION_SKIPPED/1 compensating: paid by hand",
				"ORDER_COMPENSATION_REQUESTED/1 compensating: MAIL: busy (3 attempts)",
			},
		},
		{
			name: "skipping the last of it ends the order",
			when: then(refunded, undoSpent(order.Detail, 1), trace{without(order.Skip)}),
			then: "failed",
			owed: owed{"ORDER_COMPENSATION_SKIPPED/1 compensating: paid by hand", "ORDER_FAILED/1 failed: MAIL: busy (3 attempts)"},
		},
		{
			name: "an order that is not stuck cannot be retried",
			when: then(paying, trace{ordered(order.Retry)}),
			then: "running PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: the order is not stuck but running"},
		},
		{
			name: "nor skipped",
			when: then(refunding, trace{ordered(order.Skip)}),
			then: "compensating undo PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 compensating: the order is not stuck but compensating"},
		},
	}.hold(t)
}

func TestSchedule(t *testing.T) {
	rules{
		{
			name: "an order for later waits, and nothing is said",
			when: trace{scheduled},
			then: "scheduled",
		},
		{
			name: "when its time has come the saga requests its first step",
			when: trace{scheduled, due},
			then: "running ORDER/1", owed: owed{"ORDER_REQUESTED/1"},
		},
		{
			name: "the timer's copy requests it again, until that is heard",
			when: trace{scheduled, rings, rings},
			then: "scheduled", owed: owed{"ORDER_REQUESTED/1"},
		},
		{
			name: "and then no more",
			when: trace{scheduled, due, stale},
			then: "running ORDER/1",
		},
		{
			name: "one that was cancelled before that is heard is undone, as the worker was asked",
			when: trace{scheduled, ordered(order.Cancel), asked(order.Detail, 1)},
			then: "compensating undo ORDER/1", owed: owed{"ORDER_COMPENSATION_REQUESTED/1 compensating: cancelled: changed my mind"},
		},
		{
			name: "one that was put off before that is heard begins all the same",
			when: trace{scheduled, ordered(order.Schedule), asked(order.Detail, 1)},
			then: "running ORDER/1",
		},
		{
			name: "one that was paused before that is heard begins, and its clocks stand",
			when: trace{scheduled, ordered(order.Pause), asked(order.Detail, 1)},
			then: "running paused ORDER/1",
		},
		{
			name: "it goes on as any other",
			when: trace{scheduled, due, completed(order.Detail)},
			then: "running PAYMENT/1", owed: owed{"PAYMENT_REQUESTED/1 running"},
		},
		{
			name: "it can be put off",
			when: trace{scheduled, ordered(order.Schedule)},
			then: "scheduled", owed: owed{"ORDER_SCHEDULED/1 scheduled at 15:00: begins at 2026-03-01T15:00:00Z"},
		},
		{
			name: "and the timer of before does not begin it",
			when: trace{scheduled, ordered(order.Schedule), later(2 * time.Hour), stale},
			then: "scheduled",
		},
		{
			name: "it can be brought forward",
			when: trace{scheduled, begunAt(now), due},
			then: "running ORDER/1", owed: owed{"ORDER_REQUESTED/1"},
		},
		{
			name: "also to no time at all, which is now",
			when: trace{scheduled, begunAt(time.Time{}), due},
			then: "running ORDER/1", owed: owed{"ORDER_REQUESTED/1"},
		},
		{
			name: "it can be put off during a pause",
			when: trace{scheduled, ordered(order.Pause), ordered(order.Schedule)},
			then: "scheduled paused", owed: owed{"ORDER_SCHEDULED/1 scheduled at 15:00: begins at 2026-03-01T15:00:00Z"},
		},
		{
			name: "an order that has begun cannot",
			when: then(paying, trace{ordered(order.Schedule)}),
			then: "running PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: the order has begun: it is running"},
		},
		{
			name: "an order that runs is not begun by being scheduled",
			when: then(paying, trace{scheduled}),
			then: "running PAYMENT/1",
		},
		{
			name: "nor is a scheduled one by being requested",
			when: trace{scheduled, requested, completed(order.Detail)},
			then: "scheduled",
		},
		{
			name: "a scheduled order cannot be retried",
			when: trace{scheduled, ordered(order.Retry)},
			then: "scheduled", owed: owed{"ORDER_COMMAND_REJECTED/1 scheduled: the order is not stuck but scheduled"},
		},
	}.hold(t)
}

func TestCommands(t *testing.T) {
	rules{
		{
			name: "a command for an order that nobody requested is rejected",
			when: trace{ordered(order.Pause)},
			then: "", owed: owed{"ORDER_COMMAND_REJECTED/1 unknown: there is no such order"},
		},
		{
			name: "and stays so when the order is there",
			when: trace{ordered(order.Pause), requested, ordered(order.Pause)},
			then: "running ORDER/1", owed: owed{"ORDER_COMMAND_REJECTED/1 unknown: there is no such order"},
		},
		{
			name: "a command twice acts once, and is told the same",
			when: then(paying, trace{ordered(order.Pause), ordered(order.Pause)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_PAUSED/1 running"},
		},
		{
			name: "an old pause that comes again after the resume pauses nothing",
			when: then(paying, trace{ordered(order.Pause), ordered(order.Resume), ordered(order.Pause)}),
			then: "running PAYMENT/1", owed: owed{"ORDER_PAUSED/1 running"},
		},
		{
			name: "one that was rejected stays so when it would fit",
			when: then(paying, trace{ordered(order.Resume), ordered(order.Pause), ordered(order.Resume)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: the order is not paused"},
		},
		{
			name: "a cancel that comes again owes the undoing that it began",
			when: then(paying, trace{ordered(order.Cancel), ordered(order.Cancel)}),
			then: "compensating undo PAYMENT/1", owed: owed{"PAYMENT_COMPENSATION_REQUESTED/1 compensating: cancelled: changed my mind"},
		},
		{
			name: "until that is answered",
			when: then(paying, trace{ordered(order.Cancel), undone(order.Payment, 1), ordered(order.Cancel)}),
			then: "compensating undo ORDER/1",
		},
		{
			name: "a retry that comes again retries nothing",
			when: then(payStuck, trace{ordered(order.Retry), undone(order.Payment, 1)}, spent(order.Payment, 4), trace{ordered(order.Retry)}),
			then: "stuck PAYMENT/6",
		},
		{
			name: "a skip that comes again skips nothing",
			when: then(payStuck, trace{ordered(order.Skip)}, spent(order.Mail, 1), trace{ordered(order.Skip)}),
			then: "stuck MAIL/3", owed: owed{`PAYMENT_SKIPPED/1 running PAYMENT={"by":"hand"}: paid by hand`},
		},
		{
			name: "a resume that made a request owes it again",
			when: then(paying, trace{ordered(order.Pause), completed(order.Payment), ordered(order.Resume), ordered(order.Resume)}),
			then: "running MAIL/1", owed: owed{"ORDER_RESUMED/1 running", "MAIL_REQUESTED/1 last running"},
		},
		{
			name: "of those that were given with one key the first in the log acts, whatever the others say",
			when: then(paying, trace{orderedAs(keyed+"-0000000A", order.Pause), orderedAs(keyed+"-0000000B", order.Resume)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: " + saga.AnotherBody + keyed + "-0000000A"},
		},
		{
			name: "and once more if it comes again",
			when: then(paying, trace{orderedAs(keyed+"-0000000A", order.Pause), orderedAs(keyed+"-0000000B", order.Resume), orderedAs(keyed+"-0000000A", order.Pause)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_PAUSED/1 running"},
		},
		{
			name: "so do the others, that stay rejected",
			when: then(paying, trace{orderedAs(keyed+"-0000000A", order.Pause), orderedAs(keyed+"-0000000B", order.Resume), orderedAs(keyed+"-0000000B", order.Resume)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: " + saga.AnotherBody + keyed + "-0000000A"},
		},
		{
			name: "one that did not fit has had its verdict, too",
			when: then(paying, trace{orderedAs(keyed+"-0000000A", order.Resume), orderedAs(keyed+"-0000000B", order.Pause)}),
			then: "running PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 running: " + saga.AnotherBody + keyed + "-0000000A"},
		},
		{
			name: "so has one that is carried out without a word",
			when: then(paying, trace{orderedAs(keyed+"-0000000A", order.Cancel), orderedAs(keyed+"-0000000B", order.Pause)}),
			then: "compensating undo PAYMENT/1", owed: owed{"ORDER_COMMAND_REJECTED/1 compensating: " + saga.AnotherBody + keyed + "-0000000A"},
		},
		{
			name: "another key is another command",
			when: then(paying, trace{orderedAs(keyed+"-0000000A", order.Pause), orderedAs("CMD-01ARZ3NDEKTSV4RRFFQ69G5FAW-0000000A", order.Resume)}),
			then: "running PAYMENT/1", owed: owed{"ORDER_RESUMED/1 running"},
		},
		{
			name: "and ids of another form have no key, however alike they are",
			when: then(paying, trace{orderedAs(keyed, order.Pause), orderedAs(keyed+"-0000000", order.Resume), orderedAs(keyed+"-0000000a", order.Pause)}),
			then: "running paused PAYMENT/1", owed: owed{"ORDER_PAUSED/1 running"},
		},
	}.hold(t)
}

// keyed is what the ids of all commands begin with that were given with the same key.
const keyed = "CMD-01ARZ3NDEKTSV4RRFFQ69G5FAV"

func TestARejectionOfAnyCommandIsSaidWithItsReasonInEachState(t *testing.T) {
	reach := map[string]trace{
		"": nil, "scheduled": {scheduled}, "running": paying, "compensating": refunding, "stuck": payStuck,
		"stuck in undoing": undoStuck, "completed": mailed, "failed": over, "cancelled": cancelled,
	}
	fits := map[string][]order.Command{
		"scheduled": {order.Pause, order.Cancel, order.Schedule}, "running": {order.Pause, order.Cancel},
		"compensating": {order.Pause}, "stuck": {order.Pause, order.Cancel, order.Retry, order.Skip},
		"stuck in undoing": {order.Pause, order.Retry, order.Skip},
	}
	fitsPaused := map[string][]order.Command{
		"scheduled": {order.Resume, order.Cancel, order.Schedule}, "running": {order.Resume, order.Cancel},
		"compensating": {order.Resume}, "stuck": {order.Resume, order.Cancel}, "stuck in undoing": {order.Resume},
	}
	for state, way := range reach {
		for _, paused := range []bool{false, true} {
			want := fits[state]
			if paused {
				want = fitsPaused[state]
				if want == nil {
					continue // an order that has ended, or not begun, is not paused
				}
				way = then(way, trace{orderedAs("paused before", order.Pause)})
			}
			for _, c := range order.Commands() {
				w := told(way...)
				before := stands(w.state)
				if state == "stuck in undoing" {
					w.tell(without(c))
				} else {
					w.tell(again(c))
				}
				rejected := len(w.owed) == 1 && w.owed[0].Event("saga").Type == order.OrderCommandRejected
				fit := false
				for _, f := range want {
					fit = fit || f == c
				}
				if rejected == fit {
					t.Errorf("%s, which is %q: %s fits %v, and owes %v", state, before, c, fit, w.owed)
				}
				if rejected && (w.owed[0].Event("saga").Reason == "" || stands(w.state) != before) {
					t.Errorf("%s, which is %q: %s was rejected without a reason, or moved it to %q", state, before, c, stands(w.state))
				}
			}
		}
	}
}

func TestMoreCommandsThanCanBeRememberedAreRejectedForEver(t *testing.T) {
	w := told(paying...)
	for n := range saga.MaxWords {
		w.tell(orderedAs(fmt.Sprint("command ", n), order.Resume)) // none fits
	}
	const tooMany = "ORDER_COMMAND_REJECTED/1 running: there were so many commands to this order that no more can be remembered"
	full := w.state
	for range 2 {
		w.tell(ordered(order.Pause))
		want := owed{tooMany}
		if len(w.owed) != 1 || says(w.owed[0]) != want[0] {
			t.Errorf("owed %v, want %v", w.owed, want)
		}
		if diff := cmp.Diff(full, w.state); diff != "" {
			t.Errorf("the state (-before +after):\n%s", diff)
		}
	}
	for n := range saga.MaxEndings {
		w.tell(orderedAs(fmt.Sprint("ending ", n), order.Skip)) // none fits
	}
	w.tell(ordered(order.Skip))
	if len(w.owed) != 1 || says(w.owed[0]) != tooMany {
		t.Errorf("one that could end it, and is one too many, is told %v", w.owed)
	}
	w.tell(orderedAs("command 7", order.Pause))
	if len(w.owed) != 1 || says(w.owed[0]) != "ORDER_COMMAND_REJECTED/1 running: the order is not paused" {
		t.Errorf("one that is remembered is told %v", w.owed)
	}
	w.tell(completed(order.Payment), completed(order.Mail))
	if w.state.Status != order.StatusCompleted || len(w.owed) != 1 {
		t.Errorf("the order itself goes on: it is %q, owed %v", stands(w.state), w.owed)
	}
}

// Not a bit of the state differs, nor is anything owed.
func TestWhatMovesNothing(t *testing.T) {
	const own = "a request of ours under another id"
	first := sticky
	first.Steps = []saga.Step{sticks(detail)}
	for name, c := range map[string]struct {
		when trace
		last word
	}{
		"a timing out of an attempt that is over":             {then(paying, trace{failed(order.Payment, 1)}), outOfTimeFor(3)},
		"a stranger's failure, said once more while it waits": {then(paying, trace{foreign(failed(order.Payment, 1))}), foreign(failed(order.Payment, 1))},
		"an answer to the foreign request of an earlier round": {
			trace{requestedAs(own, first), caused(declined(order.Detail), own), ordered(order.Retry), undone(order.Detail, 1)}, caused(as("late", completed(order.Detail)), own),
		},
		"a completion that comes when the step is done": {mailing, as("another completion", completed(order.Payment))},
		"any completion of a completed order":           {mailed, completed(order.Payment)},
		"a refusal of a completed order":                {mailed, declined(order.Mail)},
		"a further rival request":                       {then(paying, trace{requestedAs("rival", shipping)}), requestedAs("another", shipping)},
		"a rival of an order that is completed":         {then(mailing, trace{completed(order.Mail)}), requestedAs("rival", shipping)},
		"a stale timer":                                 {paying, stale},
	} {
		w := told(c.when...)
		before := w.state
		w.tell(c.last)
		if diff := cmp.Diff(before, w.state); diff != "" || len(w.owed) > 0 {
			t.Errorf("%s: owed %v (-before +after):\n%s", name, w.owed, diff)
		}
	}
}

func TestACompletionOfWhatCannotBeUndoneIsKept(t *testing.T) {
	if got := told(then(over, trace{completed(order.Mail)})...).state.Work[2].Effect; got != saga.HasEffect {
		t.Errorf("the effect is %q", got)
	}
}

// For every way that an order can stand, every input does something sensible: it never
// panics, changes nothing of what was given, and keeps what must hold of any state.
func TestEveryInputInEveryState(t *testing.T) {
	states := map[string]trace{
		"nothing": nil, "scheduled": {scheduled}, "requested": {requested}, "paying": paying, "mailing": mailing,
		"waiting": then(paying, trace{failed(order.Payment, 1)}), "second attempt": then(paying, trace{failed(order.Payment, 1), due}),
		"refunding": refunding, "waiting to undo": then(refunding, trace{undoFailed(order.Payment, 1)}), "undo stuck": undoStuck,
		"pay stuck": payStuck, "pay refused": payRefuse, "mail stuck": mailStuck, "undone to retry": then(payStuck, trace{ordered(order.Retry)}),
		"stuck undone to retry": then(payStuck, trace{ordered(order.Retry)}, undoSpent(order.Payment, 1)),
		"completed":             mailed, "failed": over, "cancelled": cancelled, "only rejected": {ordered(order.Pause)},
		"reopened": then(paying, trace{declined(order.Payment), undone(order.Detail, 1), completed(order.Payment)}),
	}
	for name, way := range states {
		states["paused "+name] = then(way, trace{orderedAs("a pause before", order.Pause)})
	}
	inputs := map[string]word{"requested": requested, "scheduled": scheduled, "stale timer": stale}
	for _, s := range []order.Step{order.Detail, order.Payment, order.Mail, "OTHER", ""} {
		for n := range 4 {
			for what, of := range map[string]func(order.Step, int) word{
				"completed": completedIn, "declined": declinedIn, "failed": failed, "undone": undone, "undo failed": undoFailed,
			} {
				inputs[fmt.Sprint(what, s, n)] = of(s, n)
				inputs[fmt.Sprint("foreign ", what, s, n)] = foreign(of(s, n))
				inputs[fmt.Sprint("stray ", what, s, n)] = caused(of(s, n), "stray")
			}
		}
	}
	for _, c := range order.Commands() {
		inputs[string(c)] = again(c)
	}
	inputs["timer"] = func(w *world) saga.Input { return w.timer(w.state.Arming) }
	inputs["asked"] = asked(order.Payment, 2)
	inputs["asked to undo"] = askedToUndo(order.Payment, 2)
	inputs["asked to begin"] = asked(order.Detail, 1)
	inputs["timed out"] = func(w *world) saga.Input { return outOfTimeFor(w.state.Arming)(w) }
	inputs["expired"] = func(w *world) saga.Input { return expiredFor(w.state.Arming)(w) }
	inputs["timed out before"] = func(w *world) saga.Input { return outOfTimeFor(w.state.Arming - 1)(w) }
	inputs["expired before"] = func(w *world) saga.Input { return expiredFor(w.state.Arming - 1)(w) }

	for state, way := range states {
		before := told(way...).state
		for name, in := range inputs {
			w := told(way...)
			w.tell(in)
			if complaint := wrong(before, w.state, w.heard, w.owed); complaint != "" {
				t.Errorf("%s, then %s: %s", state, name, complaint)
			}
			if diff := cmp.Diff(told(way...).state, before); diff != "" {
				t.Fatalf("%s, then %s changed what it was given:\n%s", state, name, diff)
			}
		}
	}
}

func TestTheStateHoldsWhatIsOpenAndWhy(t *testing.T) {
	inputs := map[order.Step]order.JSON{order.Mail: order.JSON(`{"to":"a@example.com"}`)}
	first := func(w *world) saga.Input {
		in := requested(w).(saga.OrderRequested)
		in.Inputs = inputs
		return in
	}
	for _, c := range []struct {
		name string
		when trace
		want saga.State
	}{
		{"requested", trace{first}, saga.State{
			Revision: 1, Arming: 1, OrderID: id, Status: order.StatusRunning, Definition: plan, Inputs: inputs,
			Work:     []saga.Work{{Effect: saga.MayHave, Attempts: 1, Round: 1}},
			Open:     saga.Open{Step: order.Detail, First: 1, Attempt: 1, Request: "ORD-B384F/ORDER_REQUESTED/1", Due: now.Add(time.Minute)},
			Deadline: now.Add(time.Hour),
		}},
		{"asked", trace{first, completed(order.Detail)}, saga.State{
			Revision: 2, Arming: 2, OrderID: id, Status: order.StatusRunning, Definition: plan, Inputs: inputs,
			Work: []saga.Work{{Effect: saga.HasEffect, Attempts: 1, Round: 1}, {Effect: saga.MayHave, Attempts: 1, Round: 1}},
			Open: saga.Open{
				Step: order.Payment, First: 1, Attempt: 1, Request: "ORD-B384F/PAYMENT_REQUESTED/1",
				Cause: "ORD-B384F/ORDER_COMPLETED/1", Due: now.Add(time.Minute),
			},
			Deadline: now.Add(time.Hour),
		}},
		{"declined", trace{first, declined(order.Detail)}, saga.State{
			Revision: 3, Arming: 2, OrderID: id, Status: order.StatusFailed, Unsettled: true, Definition: plan, Inputs: inputs,
			Work:    []saga.Work{{Attempts: 1, Round: 1}},
			Undoing: saga.Undoing{Outcome: order.StatusFailed, Reason: "ORDER: no money"},
			Words: []saga.Word{{
				Cause: "ORD-B384F/ORDER_FAILED/1", Type: order.OrderFailed, Status: order.StatusFailed, Reason: "ORDER: no money",
			}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, told(c.when...).state); diff != "" {
				t.Errorf("the state (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARequestSaysAllThatAWorkerMustKnow(t *testing.T) {
	inputs := map[order.Step]order.JSON{order.Detail: order.JSON(`1`), order.Mail: order.JSON(`{"to":"a@example.com"}`)}
	first := func(w *world) saga.Input {
		in := requested(w).(saga.OrderRequested)
		in.Inputs = inputs
		return in
	}
	for _, c := range []struct {
		name string
		when trace
		want saga.Request
	}{
		{"a step", trace{first, completed(order.Detail)}, saga.Request{
			Step: order.Payment, Attempt: 1, Round: 1, Cause: "ORD-B384F/ORDER_COMPLETED/1", Status: order.StatusRunning,
			Deadline: now.Add(time.Minute), At: now,
		}},
		{"what the client sent along", trace{first, completed(order.Detail), completed(order.Payment)}, saga.Request{
			Step: order.Mail, Attempt: 1, Round: 1, Cause: "ORD-B384F/PAYMENT_COMPLETED/1", Status: order.StatusRunning,
			Input: inputs[order.Mail], Last: true, Deadline: now.Add(time.Minute), At: now,
		}},
		{"undoing", trace{first, ordered(order.Cancel)}, saga.Request{
			Step: order.Detail, Undo: true, Attempt: 1, Round: 1, Cause: "cancel", Status: order.StatusCompensating,
			Reason: "cancelled: changed my mind", Input: inputs[order.Detail], Deadline: now.Add(30 * time.Second), At: now,
		}},
		{"again, in another time of handling", trace{first, completed(order.Detail), later(time.Second), completed(order.Detail)}, saga.Request{
			Step: order.Payment, Attempt: 1, Round: 1, Cause: "ORD-B384F/ORDER_COMPLETED/1", Status: order.StatusRunning,
			Deadline: now.Add(time.Minute), At: now.Add(time.Second),
		}},
	} {
		c.want.OrderID = id
		if diff := cmp.Diff([]saga.Effect{c.want}, told(c.when...).owed); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAWaitGrowsUpToItsCapAndRetryAfterIsHonoured(t *testing.T) {
	waits := func(f saga.Failure, attempt int) time.Duration {
		w := told(trace{requestedFor(saga.Definition{Version: 1, Steps: []saga.Step{{
			Name: order.Detail, Timeout: time.Minute, Retry: saga.Retry{Attempts: 9, First: time.Second, Factor: 2, Cap: 5 * time.Second},
		}}})}...)
		for n := 1; n < attempt; n++ {
			w.tell(failed(order.Detail, n), due)
		}
		w.tell(failedWith(order.Detail, attempt, f))
		return w.state.Open.Due.Sub(w.now)
	}
	busy := saga.Failure{Retryable: true}
	for attempt, full := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 8: 5 * time.Second} {
		if got := waits(busy, attempt); got < full/2 || got >= full {
			t.Errorf("after attempt %d it waits %v, want from %v to %v", attempt, got, full/2, full)
		}
	}
	if a, b := waits(busy, 1), waits(busy, 1); a != b {
		t.Errorf("one order waits %v, and %v", a, b)
	}
	if got := waits(saga.Failure{Retryable: true, RetryAfter: time.Hour}, 1); got != time.Hour {
		t.Errorf("asked to come after an hour it comes after %v", got)
	}
	if got := waits(saga.Failure{Retryable: true, RetryAfter: time.Millisecond}, 1); got < time.Second/2 {
		t.Errorf("asked to come after a millisecond it comes after %v, before its own time", got)
	}
}

func TestAnUndoingHonoursRetryAfterToo(t *testing.T) {
	w := told(then(refunding, trace{undoFailedWith(order.Payment, 1, saga.Failure{Retryable: true, RetryAfter: time.Hour})})...)
	if got := w.state.Open.Due.Sub(w.now); got != time.Hour {
		t.Errorf("it waits %v", got)
	}
}

// Orders that failed together do not come back together.
func TestTheWaitsOfManyOrdersAreSpread(t *testing.T) {
	const orders, slots = 10_000, 10
	var at [slots]int
	for n := range orders {
		d := retry.Delay(1, order.EventID(fmt.Sprintf("ORD-%05X", n), "PAYMENT_REQUESTED", 1))
		at[int((d-time.Second/2)*slots/(time.Second/2))]++
	}
	for slot, n := range at {
		if n < orders/slots*7/10 || n > orders/slots*13/10 {
			t.Errorf("in slot %d come %d of %d: %v", slot, n, orders, at)
		}
	}
}

func TestALongReasonIsCutInTheState(t *testing.T) {
	long := make([]byte, 0, 2000)
	for len(long) < 1999 {
		long = append(long, "é"...)
	}
	w := told(then(paying, trace{failedWith(order.Payment, 1, saga.Failure{Reason: "x" + string(long)})})...)
	if got := w.state.Undoing.Reason; len(got) > 520 || got[len(got)-len("é…"):] != "é…" {
		t.Errorf("it keeps %d bytes: %q", len(got), got)
	}
}

// An input that only a test can make is a bug, and says so.
func TestAnUnknownInputPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it is taken")
		}
	}()
	saga.Decide(saga.State{}, nil)
}

func TestAnUnknownCommandPanics(t *testing.T) {
	defer func() {
		if got, want := recover(), `saga: unknown command "frame"`; got != want {
			t.Errorf("the panic says %v, want %s", got, want)
		}
	}()
	told(then(paying, trace{ordered("frame")})...)
}

func TestAnOrderThatIsRetriedForEverCanStillBeEnded(t *testing.T) {
	mailRefuse := then(paying, trace{completed(order.Payment), declined(order.Mail)})
	mailRefuse[0] = requestedFor(sticky)
	for state, way := range map[string]trace{
		"stuck": mailRefuse, "stuck in undoing": undoStuck, "stuck and paused": then(undoStuck, trace{ordered(order.Pause)}),
	} {
		w := told(way...)
		for n := 0; len(w.state.Words) < saga.MaxWords; n++ {
			w.tell(orderedAs(fmt.Sprint("retry ", n), order.Retry))
			if o := w.state.Open; o.Undo {
				w.tell(undoFailedWith(o.Step, o.Attempt, saga.Failure{Reason: "no"}))
			} else {
				w.tell(declinedIn(o.Step, o.Attempt))
			}
			if w.state.Status != order.StatusStuck {
				t.Fatalf("%s: after %d retries it is %s", state, n, stands(w.state))
			}
		}
		for _, c := range []order.Command{order.Retry, order.Resume, order.Skip} {
			w.tell(func(w *world) saga.Input {
				last := without(c)(w).(saga.Commanded)
				last.ID = "the last " + string(c)
				return last
			})
		}
		if w.state.Open.Undo && w.state.Open.Step == order.Detail {
			w.tell(undone(order.Detail, 1))
		}
		if !w.state.Status.Ended() {
			t.Errorf("%s: it is %s", state, stands(w.state))
		}
	}
}
