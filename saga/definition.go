package saga

import (
	"fmt"

	"simplecqrs/order"
)

// Definition is the plan of an order: its steps, one after the other. It is a
// value; a state keeps a snapshot of the one it began with, and ends on that.
type Definition struct {
	Version int          // raised by whoever changes the steps
	Steps   []order.Step // in the order in which they are requested
}

// Default is the seed's plan: order detail, payment, mail.
func Default() Definition {
	return Definition{Version: 1, Steps: []order.Step{order.Detail, order.Payment, order.Mail}}
}

// Validate reports the first mistake in the definition.
func (d Definition) Validate() error {
	if d.Version < 1 {
		return fmt.Errorf("saga: definition version %d: want 1 or more", d.Version)
	}
	if len(d.Steps) == 0 || d.Steps[0] != order.Detail {
		return fmt.Errorf("saga: the first step must be %s: it is requested by the command itself", order.Detail)
	}
	seen := make(map[order.Step]bool, len(d.Steps))
	for _, s := range d.Steps {
		if !order.ValidStep(string(s)) {
			return fmt.Errorf("saga: step %q: want upper-case letters and digits, a letter first, and not the name of a row's other member", s)
		}
		if seen[s] {
			return fmt.Errorf("saga: step %s stands twice", s)
		}
		seen[s] = true
	}
	return nil
}

// after names the step that follows s, and whether there is one.
func (d Definition) after(s order.Step) (order.Step, bool) {
	for i, step := range d.Steps {
		if step == s && i+1 < len(d.Steps) {
			return d.Steps[i+1], true
		}
	}
	return "", false
}

// last reports whether s is the step with which an order is complete.
func (d Definition) last(s order.Step) bool {
	return len(d.Steps) > 0 && d.Steps[len(d.Steps)-1] == s
}
