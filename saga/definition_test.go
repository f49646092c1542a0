package saga_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestAPlanIsRefusedForItsMistake(t *testing.T) {
	with := func(change func(*saga.Definition)) saga.Definition {
		d := saga.Default()
		change(&d)
		return d
	}
	const noName = `want upper-case letters and digits, a letter first, and not the name of a row's other member`
	for _, c := range []struct {
		name   string
		d      saga.Definition
		step   int
		member string
		want   string
	}{
		{name: "the seed's", d: saga.Default()},
		{name: "one step", d: onlyOrder},
		{name: "another second step", d: shipping},
		{name: "one with all there is", d: sticky},
		{name: "one attempt needs no waits", d: with(func(d *saga.Definition) { d.Steps[1].Retry = saga.Retry{Attempts: 1} })},
		{name: "what cannot be undone needs no plan for that", d: with(func(d *saga.Definition) { d.Steps[1].Compensation = saga.Compensation{} })},

		{"no version", with(func(d *saga.Definition) { d.Version = 0 }), -1, "Version", "saga: definition version 0: want 1 or more"},
		{"no steps", saga.Definition{Version: 1}, -1, "Steps", "saga: the first step must be ORDER: it is requested by the command itself"},
		{"another first step", with(func(d *saga.Definition) { d.Steps = d.Steps[1:] }), -1, "Steps", "saga: the first step must be ORDER: it is requested by the command itself"},
		{"a step that no type could name", with(func(d *saga.Definition) { d.Steps[2].Name = "BEST_MAIL" }), 2, "Name", `saga: step "BEST_MAIL": ` + noName},
		{"a step that no row could show", with(func(d *saga.Definition) { d.Steps[1].Name = "META" }), 1, "Name", `saga: step "META": ` + noName},
		{"a step twice", with(func(d *saga.Definition) { d.Steps[2].Name = order.Payment }), 2, "Name", "saga: step PAYMENT stands twice"},
		{"the first step twice", with(func(d *saga.Definition) { d.Steps[1].Name = order.Detail }), 1, "Name", "saga: step ORDER stands twice"},
		{"no time for an attempt", with(func(d *saga.Definition) { d.Steps[1].Timeout = 0 }), 1, "Timeout", "saga: step PAYMENT: timeout 0s: want more than nothing"},
		{"no attempt", with(func(d *saga.Definition) { d.Steps[1].Retry.Attempts = 0 }), 1, "Retry.Attempts", "saga: step PAYMENT: retry: attempts 0: want 1 or more"},
		{"no first wait", with(func(d *saga.Definition) { d.Steps[1].Retry.First = 0 }), 1, "Retry.First", "saga: step PAYMENT: retry: first wait 0s: want more than nothing"},
		{"waits that shrink", with(func(d *saga.Definition) { d.Steps[1].Retry.Factor = 0.5 }), 1, "Retry.Factor", "saga: step PAYMENT: retry: factor 0.5: want 1 or more"},
		{"waits of no number", with(func(d *saga.Definition) { d.Steps[1].Retry.Factor = math.NaN() }), 1, "Retry.Factor", "saga: step PAYMENT: retry: factor NaN: want 1 or more"},
		{"a cap below the first wait", with(func(d *saga.Definition) { d.Steps[1].Retry.Cap = time.Millisecond }), 1, "Retry.Cap", "saga: step PAYMENT: retry: the longest wait 1ms is less than the first, 1s"},
		{"no time to undo", with(func(d *saga.Definition) { d.Steps[1].Compensation.Timeout = 0 }), 1, "Compensation.Timeout", "saga: step PAYMENT: compensation: timeout 0s: want more than nothing"},
		{"no attempt to undo", with(func(d *saga.Definition) { d.Steps[1].Compensation.Retry.Attempts = 0 }), 1, "Compensation.Retry.Attempts", "saga: step PAYMENT: compensation: retry: attempts 0: want 1 or more"},
		{"a deadline before the beginning", with(func(d *saga.Definition) { d.Deadline = -1 }), -1, "Deadline", "saga: deadline -1ns: want none or more than nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.d.Validate()
			if c.want == "" {
				if err != nil {
					t.Errorf("it says %v", err)
				}
				return
			}
			var m *saga.Mistake
			if !errors.As(err, &m) || m.Error() != c.want || m.Step != c.step || m.Member != c.member {
				t.Errorf("it says %#v, want %d, %s, %q", m, c.step, c.member, c.want)
			}
		})
	}
}

func TestAllMistakesOfAPlanAreToldAndEachOnce(t *testing.T) {
	d := saga.Default()
	d.Version, d.Deadline = 0, -1
	d.Steps[0].Timeout = 0
	d.Steps[1].Name, d.Steps[1].Retry = "shipping", saga.Retry{Attempts: 2, First: 2, Factor: 0, Cap: 1}
	d.Steps[1].Compensation = saga.Compensation{Possible: true}
	const want = `saga: definition version 0: want 1 or more
saga: deadline -1ns: want none or more than nothing
saga: step ORDER: timeout 0s: want more than nothing
saga: step "shipping": want upper-case letters and digits, a letter first, and not the name of a row's other member
saga: step shipping: retry: factor 0: want 1 or more
saga: step shipping: retry: the longest wait 1ns is less than the first, 2ns
saga: step shipping: compensation: timeout 0s: want more than nothing
saga: step shipping: compensation: retry: attempts 0: want 1 or more
saga: step shipping: compensation: retry: first wait 0s: want more than nothing
saga: step shipping: compensation: retry: factor 0: want 1 or more`
	if diff := cmp.Diff(want, fmt.Sprint(d.Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := saga.Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestTwoPlansAreEqualIfAllOfThemIs(t *testing.T) {
	if !saga.Default().Equal(saga.Default()) {
		t.Error("a plan is not its own equal")
	}
	for name, change := range map[string]func(*saga.Definition){
		"version":  func(d *saga.Definition) { d.Version++ },
		"deadline": func(d *saga.Definition) { d.Deadline++ },
		"steps":    func(d *saga.Definition) { d.Steps = d.Steps[:2] },
		"a step":   func(d *saga.Definition) { d.Steps[1].Compensation.Retry.Factor++ },
	} {
		d := saga.Default()
		change(&d)
		if d.Equal(saga.Default()) {
			t.Errorf("another %s makes no other plan", name)
		}
	}
}

func TestAWaitIsBetweenHalfAndAllOfWhatThePolicySays(t *testing.T) {
	r := saga.Retry{Attempts: 100, First: time.Second, Factor: 1e300, Cap: time.Minute}
	for failed, full := range map[int]time.Duration{1: time.Second, 2: time.Minute, 99: time.Minute} {
		if d := r.Delay(failed, "x"); d < full/2 || d > full {
			t.Errorf("after %d it waits %v, want from %v to %v", failed, d, full/2, full)
		}
	}
}
