package saga_test

import (
	"testing"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func TestAPlanIsRefusedForItsFirstMistake(t *testing.T) {
	for _, c := range []struct {
		name string
		d    saga.Definition
		want string
	}{
		{"the seed's", saga.Default(), ""},
		{"one step", onlyOrder, ""},
		{"another second step", shipping, ""},
		{"nothing", saga.Definition{}, "saga: definition version 0: want 1 or more"},
		{"no version", saga.Definition{Steps: shipping.Steps}, "saga: definition version 0: want 1 or more"},
		{"no steps", saga.Definition{Version: 1}, "saga: the first step must be ORDER: it is requested by the command itself"},
		{
			"another first step",
			saga.Definition{Version: 1, Steps: []order.Step{order.Mail, order.Detail}},
			"saga: the first step must be ORDER: it is requested by the command itself",
		},
		{
			"a step that no type could name",
			saga.Definition{Version: 1, Steps: []order.Step{order.Detail, "BEST_MAIL"}},
			`saga: step "BEST_MAIL": want upper-case letters and digits, a letter first, and not the name of a row's other member`,
		},
		{
			"a step that no row could show",
			saga.Definition{Version: 1, Steps: []order.Step{order.Detail, "META"}},
			`saga: step "META": want upper-case letters and digits, a letter first, and not the name of a row's other member`,
		},
		{
			"a step twice",
			saga.Definition{Version: 1, Steps: []order.Step{order.Detail, order.Mail, order.Mail}},
			"saga: step MAIL stands twice",
		},
		{
			"the first step twice",
			saga.Definition{Version: 1, Steps: []order.Step{order.Detail, order.Detail}},
			"saga: step ORDER stands twice",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := c.d.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("it says %q, want %q", got, c.want)
			}
		})
	}
}
