package order_test

import (
	"regexp"
	"strings"
	"testing"

	"simplecqrs/order"
)

func TestATypeTellsOfAStepsPhaseOrOfNone(t *testing.T) {
	for _, c := range []struct {
		of    order.Type
		step  order.Step
		phase order.Phase
		ok    bool
	}{
		{"ORDER_REQUESTED", order.Detail, order.Requested, true},
		{"PAYMENT_COMPLETED", order.Payment, order.Completed, true},
		{"MAIL_FAILED", order.Mail, order.Failed, true},
		{"SHIPPING_REQUESTED", "SHIPPING", order.Requested, true},
		{"A1_REQUESTED", "A1", order.Requested, true},
		{"PAYMENT_TIMED_OUT", order.Payment, order.TimedOut, true},
		{"PAYMENT_SKIPPED", order.Payment, order.Skipped, true},
		{"PAYMENT_COMPENSATION_REQUESTED", order.Payment, order.CompensationRequested, true},
		{"PAYMENT_COMPENSATED", order.Payment, order.Compensated, true},
		{"PAYMENT_COMPENSATION_FAILED", order.Payment, order.CompensationFailed, true},
		{"PAYMENT_COMPENSATION_TIMED_OUT", order.Payment, order.CompensationTimedOut, true},
		{"PAYMENT_COMPENSATION_SKIPPED", order.Payment, order.CompensationSkipped, true},
		{"ORDER_FAILED", order.Detail, order.Failed, true}, // the step's, and the order's end

		{of: ""},
		{of: "_"},
		{of: "ORDER"},
		{of: "ORDER_"},
		{of: "_REQUESTED"},
		{of: "ORDERREQUESTED"},
		{of: "order_requested"},
		{of: "ORDER_requested"},
		{of: "ORDER_REQUESTED_"},
		{of: "ORDER_REQUESTED "},
		{of: " ORDER_REQUESTED"},
		{of: "1ORDER_REQUESTED"},
		{of: "BEST-MAIL_REQUESTED"},
		{of: "BEST_MAIL_REQUESTED"},   // a step's name has no underscore
		{of: "ORDER_PAUSE_REQUESTED"}, // a command, not a step's request
		{of: "ORDER_PAUSED"},
		{of: "ORDER_SCHEDULED"},
		{of: "ORDER_EXPIRED"},
		{of: "ORDER_CANCELLED"},
		{of: "ORDER_COMMAND_REJECTED"},
		{of: "PAYMENT_COMPENSATION"},
		{of: "COMPENSATION_REQUESTED_"},
		{of: "DETAIL_COMPLETED"}, // its output would stand where ORDER's does
		{of: "META_COMPLETED"},
		{of: "ÖRDER_REQUESTED"},
		{of: "\xff_REQUESTED"},
		{of: "ORDER_REQUESTED\x00"},
	} {
		step, phase, ok := c.of.Split()
		if step != c.step || phase != c.phase || ok != c.ok {
			t.Errorf("%q tells of %q, %q, %v; want %q, %q, %v", c.of, step, phase, ok, c.step, c.phase, c.ok)
		}
	}
}

func TestAStepsNameIsInCapitalsAndNoOtherMembersOfARow(t *testing.T) {
	for name, want := range map[string]bool{
		"ORDER": true, "PAYMENT": true, "MAIL": true, "SHIPPING": true, "A": true, "A1": true, "IDS": true,
		"": false, "1": false, "1A": false, "a": false, "Mail": false, "A_B": false, "A B": false, "A-B": false,
		"Ä": false, "A\n": false, "A\x00": false,
		"ID": false, "TYPE": false, "DETAIL": false, "INPUTS": false, "EVENTS": false, "META": false, "OUTPUT": false,
	} {
		if got := order.ValidStep(name); got != want {
			t.Errorf("%q is a step's name: %v, want %v", name, got, want)
		}
	}
}

func TestAnOrdersIDIsTheSeedsOrHasAULID(t *testing.T) {
	for id, want := range map[string]bool{
		"ORD-B384F":                      true,
		"ORD-00000":                      true,
		"ORD-01JZX0R5T4M9V7QXW2K8N6H3YB": true,
		"ORD-ZZZZZZZZZZZZZZZZZZZZZZZZZZ": true, // no ULID has so late a time, but a hash may

		"":                                false,
		"B384F":                           false,
		"ORD-":                            false,
		"ORD-b384f":                       false,
		"ord-B384F":                       false,
		"ORD-B384":                        false,
		"ORD-B384FF":                      false,
		"ORD-B384G":                       false, // the seed's digits are hexadecimal
		"ORD-B3/4F":                       false,
		"ORD-B38 F":                       false,
		" ORD-B384F":                      false,
		"ORD-B384F\n":                     false,
		"ORD-ORD-B":                       false,
		"ORD-01JZX0R5T4M9V7QXW2K8N6H3Y":   false,
		"ORD-01JZX0R5T4M9V7QXW2K8N6H3YBB": false,
		"ORD-01JZX0R5T4M9VIQXW2K8N6H3YB":  false, // I, L, O and U are no digits
		"ORD-01JZX0R5T4M9VLQXW2K8N6H3YB":  false,
		"ORD-01JZX0R5T4M9VOQXW2K8N6H3YB":  false,
		"ORD-01JZX0R5T4M9VUQXW2K8N6H3YB":  false,
		"ORD-01jzx0r5t4m9v7qxw2k8n6h3yb":  false,
	} {
		if got := order.ValidID(id); got != want {
			t.Errorf("%q is an order's id: %v, want %v", id, got, want)
		}
	}
}

func TestWhatIsSaidAgainHasTheSameIDAndAnythingElseAnother(t *testing.T) {
	said := map[string]string{}
	for _, id := range []string{"ORD-00001", "ORD-00002"} {
		for _, of := range []order.Type{"ORDER_REQUESTED", "ORDER_COMPLETED", "MAIL_COMPLETED"} {
			for _, attempt := range []int{1, 2, 11} {
				got := order.EventID(id, of, attempt)
				if again := order.EventID(id, of, attempt); again != got {
					t.Errorf("the ids are %s and %s", got, again)
				}
				what := id + string(of) + strings.Repeat("'", attempt)
				if other, found := said[got]; found {
					t.Errorf("%s is the id of %s and of %s", got, other, what)
				}
				said[got] = what
			}
		}
	}
}

func TestACommandIsCarriedByAnEventOfItsOwn(t *testing.T) {
	want := map[order.Command]order.Type{
		order.Pause: "ORDER_PAUSE_REQUESTED", order.Resume: "ORDER_RESUME_REQUESTED", order.Cancel: "ORDER_CANCEL_REQUESTED",
		order.Retry: "ORDER_RETRY_REQUESTED", order.Skip: "ORDER_SKIP_REQUESTED", order.Schedule: "ORDER_SCHEDULE_REQUESTED",
	}
	for _, c := range order.Commands() {
		if got, ok := c.Type().Command(); c.Type() != want[c] || got != c || !ok {
			t.Errorf("%s is carried by %s, which carries %q, %v", c, c.Type(), got, ok)
		}
		if _, _, ok := c.Type().Split(); ok {
			t.Errorf("%s tells of a step", c.Type())
		}
	}
	if len(order.Commands()) != len(want) {
		t.Errorf("the commands are %v", order.Commands())
	}
	for _, none := range []order.Type{"", "ORDER_REQUESTED", "ORDER_FRAME_REQUESTED", "order_pause_requested", "PAYMENT_PAUSE_REQUESTED", "ORDER_PAUSED"} {
		if c, ok := none.Command(); ok {
			t.Errorf("%q carries %s", none, c)
		}
	}
}

// What may lead an order off the straight way, and nothing that happens on it.
func TestATypeUnsettlesIfTheOrderMayEndOtherwiseForIt(t *testing.T) {
	unsettling := map[order.Type]bool{"ORDER_EXPIRED": true, "ORDER_FAILED": true}
	for _, c := range order.Commands() {
		unsettling[c.Type()] = true
	}
	types := order.Answers()
	for _, s := range []order.Step{order.Detail, order.Payment, "SHIPPING"} {
		unsettling[order.TypeOf(s, order.Failed)], unsettling[order.TypeOf(s, order.TimedOut)] = true, true
		for _, p := range order.Phases() {
			types = append(types, order.TypeOf(s, p))
		}
	}
	for c := range unsettling {
		types = append(types, c)
	}
	for _, of := range append(types, "", "?") {
		if of.Unsettles() != unsettling[of] {
			t.Errorf("%s unsettles: %v", of, of.Unsettles())
		}
	}
}

func TestAStatusIsAnEndOrNot(t *testing.T) {
	for _, s := range order.Statuses() {
		if want := s == order.StatusCompleted || s == order.StatusFailed || s == order.StatusCancelled; s.Ended() != want {
			t.Errorf("%s is an end: %v", s, s.Ended())
		}
	}
}

var (
	anyID   = regexp.MustCompile(`\AORD-([0-9A-F]{5}|[0-9A-HJKMNP-TV-Z]{26})\z`)
	anyType = regexp.MustCompile(`\A([A-Z][A-Z0-9]*)_(REQUESTED|COMPLETED|FAILED|TIMED_OUT|SKIPPED|COMPENSATED|COMPENSATION_(REQUESTED|FAILED|TIMED_OUT|SKIPPED))\z`)
)

// Both are held against the regular expressions that say the same.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"ORD-B384F", "ORD-01JZX0R5T4M9V7QXW2K8N6H3YB", "ORDER_REQUESTED", "SHIPPING_FAILED", "ORDER_PAUSE_REQUESTED", "ID_FAILED",
		"PAYMENT_COMPENSATION_TIMED_OUT", "PAYMENT_TIMED_OUT", "A_COMPENSATED",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := order.ValidID(s), anyID.MatchString(s); got != want {
			t.Errorf("%q is an order's id: %v, want %v", s, got, want)
		}
		step, phase, ok := order.Type(s).Split()
		if of := order.TypeOf(step, phase); ok && of != order.Type(s) {
			t.Errorf("%q tells of %q and %q, whose type is %q", s, step, phase, of)
		}
		want := false
		if parts := anyType.FindStringSubmatch(s); parts != nil {
			want = order.ValidStep(parts[1])
		}
		if ok != want {
			t.Errorf("%q tells of a step: %v, want %v", s, ok, want)
		}
		if order.ValidStep(s) {
			for _, p := range order.Phases() {
				if step, phase, ok := order.TypeOf(order.Step(s), p).Split(); string(step) != s || phase != p || !ok {
					t.Errorf("%s of %s is split to %q, %q, %v", p, s, step, phase, ok)
				}
			}
		}
	})
}
