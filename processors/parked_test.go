package processors

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// failing is a role with a table whose pure function, on one event, calls fail and
// puts as many bytes into the table's value as that gives.
type failing struct {
	role   string
	limit  int // of the table's value
	start  func(fail func() int) stream.Processor
	parked func(s *shell, id string) string
	behind string
}

func failingRoles(poison string) []failing {
	filler := func(size int) order.JSON { return order.JSON(`"` + strings.Repeat("x", size) + `"`) }
	return []failing{
		{
			role: RoleAggregate, limit: maxRowValue,
			start: func(fail func() int) stream.Processor {
				return Aggregate(config(), func(r order.Row, e order.Event) order.Row {
					next := order.Fold(r, e)
					if e.ID == poison {
						next.Outputs = map[order.Step]order.JSON{order.Detail: filler(fail())}
					}
					return next
				})
			},
			parked: func(s *shell, id string) string { return s.row(id).Meta.Parked },
			behind: "behind an event that could not be folded: ",
		},
		{
			role: RoleSaga, limit: maxStateValue,
			start: func(fail func() int) stream.Processor {
				return Saga(config(), saga.Default(), func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
					next, effects := saga.Decide(s, in)
					if done, ok := in.(saga.StepCompleted); ok && done.ID == poison {
						next.Inputs = map[order.Step]order.JSON{order.Detail: filler(fail())}
					}
					return next, effects
				})
			},
			parked: func(s *shell, id string) string { return s.state(id).Parked },
			behind: "behind an event that could not be decided on: ",
		},
	}
}

func panics(with any) func() int { return func() int { panic(with) } }

func TestAHandlersFailureParksTheOrder(t *testing.T) {
	poison := completion(known, order.Detail)
	for _, role := range failingRoles(poison.ID) {
		for name, failure := range map[string]struct {
			fail   func() int
			why    string // also why the order is parked
			detail string // what else is in the letter
		}{
			"a panic":       {panics("no such thing"), "panic: no such thing", "\ngoroutine "},
			"a nil pointer": {func() int { var r *order.Row; return len(r.Type) }, "panic: runtime error: invalid memory address or nil pointer dereference", "parked_test.go"},
			"a long panic":  {panics(strings.Repeat("ä", 9<<10)), "panic: " + strings.Repeat("ä", 507) + "…", "\ngoroutine "},
			"a large value": {func() int { return role.limit }, "", "would have more than "},
		} {
			t.Run(role.role+": "+name, func(t *testing.T) {
				s := start(t, role.start(failure.fail))
				s.hear(request(known, order.Detail))
				first := s.hear(poison)
				l := first.letter(t)
				why, _, _ := strings.Cut(l.Reason, "\n")
				if failure.why != "" {
					differ(t, "the reason", failure.why, why)
				}
				if !strings.Contains(l.Reason, failure.detail) {
					t.Errorf("the letter does not have %q: %s", failure.detail, l.Reason)
				}
				differ(t, "parked", why, role.parked(s, known))
				l.Reason = ""
				r := recordOf(poison)
				differ(t, "the letter", codecs.Letter{
					Role: role.role, Tries: 1, Parked: true, Topic: codecs.StoreOrder, Offset: 1, Written: noon,
					Key: known, Value: r.value, Headers: r.headers,
				}, l)

				// The table may be ahead of its topic, and the letter not be out yet.
				crashed := s.crash(role.start(failure.fail))
				if before := crashed.hear(request(known, order.Detail)); len(before.letters) > 0 {
					t.Errorf("an event from before is a letter: %+v", before.letters)
				}
				again := crashed.hear(poison)
				whyAgain, _, _ := strings.Cut(again.letter(t).Reason, "\n")
				differ(t, "the reason when it comes again", why, whyAgain)
				differ(t, "what is stored when it comes again", first.stored, again.stored)
				if len(again.stored) != 1 {
					t.Errorf("stored %d times", len(again.stored))
				}

				behind := s.hear(completion(known, order.Payment))
				if got := behind.letter(t).Reason; !strings.HasPrefix(got, role.behind+why[:20]) {
					t.Errorf("the letter of the next event says %q", got)
				}
				differ(t, "parked by the next event", why, role.parked(s, known))
				differ(t, "how often the next was tried", 0, behind.letters[0].Tries)

				if d := s.hear(request(other, order.Detail)); len(d.letters) > 0 || len(d.stored) != 1 {
					t.Errorf("another order: %d letters, stored %d times", len(d.letters), len(d.stored))
				}
			})
		}
	}
}

// An order can be parked by the first that is heard of it.
func TestAnOrderIsParkedByItsFirstEvent(t *testing.T) {
	s := start(t, Aggregate(config(), func(order.Row, order.Event) order.Row { panic("no") }))
	s.hear(request(known, order.Detail)).letter(t)
	differ(t, "the row", order.Row{
		ID: known, Meta: order.Meta{Version: 1, Status: order.StatusUnknown, Parked: "panic: no", Waiting: order.Waiting{"store.order/0/0"}, History: []order.Entry{}},
	}, s.row(known))

	s = start(t, Saga(config(), saga.Default(), func(saga.State, saga.Input) (saga.State, []saga.Effect) { panic("no") }))
	s.hear(request(known, order.Detail)).letter(t)
	differ(t, "the state", saga.State{Revision: 1, OrderID: known, Unsettled: true, Parked: "panic: no", Waiting: order.Waiting{"store.order/0/0"}}, s.state(known))
}

// What was folded before is no part of what waits.
func TestAnEventFromBeforeTheFailureIsNoLetter(t *testing.T) {
	poison := completion(known, order.Detail)
	s := start(t, failingRoles(poison.ID)[0].start(panics("no")))
	s.hear(request(known, order.Detail))
	parked := s.hear(poison)
	again := s.hear(request(known, order.Detail))
	if len(again.letters) > 0 {
		t.Errorf("its letter says %q", again.letters[0].Reason)
	}
	differ(t, "stored", parked.stored, again.stored)
}

// Nobody knows what a fold of it would overwrite.
func TestAStoredValueThatCannotBeReadIsLeftAsItIs(t *testing.T) {
	for _, role := range failingRoles("") {
		t.Run(role.role, func(t *testing.T) {
			s := start(t, role.start(panics("not reached")))
			garbled := []byte(`{"id":`)
			s.tester.SetTableValue(s.table, known, codecs.Encoded(garbled))
			for range 2 {
				d := s.hear(request(known, order.Detail))
				l := d.letter(t)
				if want := "the stored value cannot be read: not a JSON object"; l.Reason != want || len(d.stored) > 0 {
					t.Errorf("reason %q, stored %q", l.Reason, d.stored)
				}
			}
			v, _ := s.tester.TableValue(s.table, known).(codecs.Malformed)
			if !bytes.Equal(v.Raw, garbled) {
				t.Errorf("the value is now %s", v.Raw)
			}
			if d := s.hear(request(other, order.Detail)); len(d.letters) > 0 || len(d.stored) != 1 {
				t.Errorf("another order: %d letters, stored %d times", len(d.letters), len(d.stored))
			}
		})
	}
}

func TestTheLargestTableValueIsStored(t *testing.T) {
	poison := completion(known, order.Detail)
	for _, role := range failingRoles(poison.ID) {
		t.Run(role.role, func(t *testing.T) {
			limit := role.limit
			with := func(size int) did {
				s := start(t, role.start(func() int { return size }))
				s.hear(request(known, order.Detail))
				return s.hear(poison)
			}
			around := len(with(0).stored[0])
			if d := with(limit - around); len(d.letters) > 0 || len(d.stored[0]) != limit {
				t.Errorf("%d bytes: %d letters", len(d.stored[0]), len(d.letters))
			}
			reason := with(limit - around + 1).letter(t).Reason
			if want := fmt.Sprintf("would have more than %d bytes", limit); !strings.HasSuffix(reason, want) {
				t.Errorf("the reason is %q", reason)
			}
		})
	}
}
