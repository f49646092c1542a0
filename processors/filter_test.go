package processors

import (
	"testing"

	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// types are event types of all kinds: those of the steps in all phases, commands,
// and some that look alike.
func types(more ...order.Step) []order.Type {
	all := []order.Type{
		"ORDER_PAYMENT_REQUESTED", "PAYMENT_ORDER_REQUESTED", "STEP_TIMED_OUT",
		"REQUESTED", "_REQUESTED", "PAYMENT", "PAYMENT_", "payment_requested", "PAYMENT_REQUESTED ", "ID_COMPLETED", "?",
	}
	for _, s := range append(more, order.Detail, order.Payment, order.Mail, "SHIPPING") {
		for _, p := range append(order.Phases(), "UNDONE") {
			all = append(all, order.TypeOf(s, p))
		}
	}
	for _, c := range order.Commands() {
		all = append(all, c.Type())
	}
	return append(all, order.Answers()...)
}

func hearing(s order.Step) worker {
	return worker{request: order.TypeOf(s, order.Requested), undo: order.TypeOf(s, order.CompensationRequested)}
}

// Whatever a role's filter drops, its handler would have done nothing about.
func TestFiltersDropOnlyWhatHandlersIgnore(t *testing.T) {
	outcomes := []order.Status{"", order.StatusCompleted, order.StatusFailed, "odd"}
	for role, one := range map[string]struct {
		shell stream.Processor
		wants func(order.Type) bool
	}{
		"order":   {Worker(config(), plan(order.Detail), Echo{}), hearing(order.Detail).wants},
		"payment": {Worker(config(), plan(order.Payment), Echo{}), hearing(order.Payment).wants},
		"saga": {
			Saga(config(), saga.Default(), func(s saga.State, _ saga.Input) (saga.State, []saga.Effect) {
				s.Revision++ // so that every input is seen in the table
				return s, nil
			}), orchestrator{}.wants,
		},
	} {
		t.Run(role, func(t *testing.T) {
			s := start(t, one.shell)
			dropped, acted := 0, 0
			for _, heard := range types() {
				for _, outcome := range outcomes {
					e := happened(known, heard, "")
					e.Outcome = outcome
					d := s.hear(e)
					does := len(d.emitted)+len(d.letters)+len(d.stored) > 0
					switch {
					case one.wants(heard):
					case does:
						t.Errorf("%s with outcome %q is dropped, though the handler acts on it", heard, outcome)
					default:
						dropped++
					}
					if does {
						acted++
					}
				}
			}
			if dropped == 0 || acted == 0 {
				t.Errorf("%d are dropped, %d acted on: want some of both", dropped, acted)
			}
		})
	}
}

// The aggregate answers for what is no event, so it must hear every record.
func TestTheAggregateHasNoFilter(t *testing.T) {
	if Aggregate(config(), order.Fold).Filter != nil {
		t.Error("it has one")
	}
	for _, p := range []stream.Processor{Worker(config(), plan(order.Mail), Echo{}), Saga(config(), saga.Default(), saga.Decide)} {
		if p.Filter == nil {
			t.Errorf("%s decodes every record", p.Role)
		}
	}
}
