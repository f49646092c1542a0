package saga

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"simplecqrs/order"
)

// Definition is the plan of an order: its steps, one after the other. It is a
// value; a state keeps a snapshot of the one it began with, and ends on that.
type Definition struct {
	Version  int           // raised by whoever changes the steps
	Deadline time.Duration // of an order, from its beginning to its end; 0: none
	Steps    []Step        // in the order in which they are requested
}

// Step is the plan of one step.
type Step struct {
	Name    order.Step
	Timeout time.Duration // of one attempt, the time in the log included
	Retry   Retry
	// Compensation says how the step is undone; the zero value, that it cannot be.
	Compensation Compensation
	// Sticks has the order wait for an operator when the step has failed for good,
	// instead of undoing what was done before it.
	Sticks bool
}

// Compensation is the plan of undoing a step.
type Compensation struct {
	Possible bool
	Timeout  time.Duration // of one attempt
	Retry    Retry
}

// Retry says how often a step, or its undoing, is attempted, and after what waits.
type Retry struct {
	Attempts int           // in all, from 1
	First    time.Duration // the wait before the second attempt
	Factor   float64       // by which each further wait is longer
	Cap      time.Duration // the longest wait
}

// Delay is the wait after so many attempts have failed: exponential, between half
// and all of what the policy says. Which it is follows from the id, so that orders
// which failed together do not come back together, and one order always does the same.
func (r Retry) Delay(failed int, id string) time.Duration {
	full := float64(r.First)
	for range failed - 1 {
		full = min(full*r.Factor, float64(r.Cap))
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // a hash takes anything
	return time.Duration(full * (0.5 + 0.5*float64(h.Sum32())/(1<<32)))
}

// maxAsked bounds the wait that a participant may ask for: no command brings the next attempt
// at undoing forward, and an order is not to wait for it for years.
const maxAsked = time.Hour

// after is the wait, if the participant has asked for one of its own.
func (r Retry) after(failed int, id string, asked time.Duration) time.Duration {
	return max(r.Delay(failed, id), min(asked, max(r.Cap, maxAsked)))
}

// Default is the seed's plan: order detail, payment, mail. A mail cannot be unsent.
//
// An attempt may take five minutes, of which most is there for the time in the log: a
// worker that has died comes back to its request by itself, and orders that wait in a
// queue should not be asked for again.
func Default() Definition {
	retry := Retry{Attempts: 5, First: time.Second, Factor: 2, Cap: time.Minute}
	undo := Compensation{
		Possible: true, Timeout: 5 * time.Minute,
		Retry: Retry{Attempts: 10, First: time.Second, Factor: 2, Cap: 5 * time.Minute},
	}
	step := func(name order.Step, c Compensation) Step {
		return Step{Name: name, Timeout: 5 * time.Minute, Retry: retry, Compensation: c}
	}
	return Definition{Version: 1, Steps: []Step{
		step(order.Detail, undo), step(order.Payment, undo), step(order.Mail, Compensation{}),
	}}
}

// Mistake is what is wrong with a definition, and where.
type Mistake struct {
	Step   int    // index of the step; -1 for the definition as a whole
	Member string // what of it, such as Retry.First
	Detail string
}

func (m *Mistake) Error() string { return "saga: " + m.Detail }

// Validate reports all mistakes in the definition, joined.
func (d Definition) Validate() error {
	var all []error
	for _, m := range d.Mistakes() {
		all = append(all, m)
	}
	return errors.Join(all...)
}

// Mistakes lists what is wrong with the definition, the whole first, then step by step.
func (d Definition) Mistakes() (found []*Mistake) {
	wrong := func(step int, member, detail string, args ...any) {
		found = append(found, &Mistake{step, member, fmt.Sprintf(detail, args...)})
	}
	if d.Version < 1 {
		wrong(-1, "Version", "definition version %d: want 1 or more", d.Version)
	}
	if d.Deadline < 0 {
		wrong(-1, "Deadline", "deadline %v: want none or more than nothing", d.Deadline)
	}
	if len(d.Steps) == 0 || d.Steps[0].Name != order.Detail {
		wrong(-1, "Steps", "the first step must be %s: it is requested by the command itself", order.Detail)
	}
	names := d.Names()
	for i, s := range d.Steps {
		ofStep := func(member, detail string, args ...any) {
			wrong(i, member, "step %s: %s", s.Name, fmt.Sprintf(detail, args...))
		}
		switch {
		case !order.ValidStep(string(s.Name)):
			wrong(i, "Name", "step %q: want upper-case letters and digits, a letter first, and not the name of a row's other member", s.Name)
		case slices.Contains(names[:i], s.Name):
			wrong(i, "Name", "step %s stands twice", s.Name)
		}
		if s.Timeout <= 0 {
			ofStep("Timeout", "timeout %v: want more than nothing", s.Timeout)
		}
		s.Retry.mistakes(func(member, detail string) { ofStep("Retry."+member, "retry: %s", detail) })
		if c := s.Compensation; c.Possible {
			if c.Timeout <= 0 {
				ofStep("Compensation.Timeout", "compensation: timeout %v: want more than nothing", c.Timeout)
			}
			c.Retry.mistakes(func(member, detail string) {
				ofStep("Compensation.Retry."+member, "compensation: retry: %s", detail)
			})
		}
	}
	return found
}

// mistakes tells what is wrong with the policy. One of a single attempt needs no waits.
func (r Retry) mistakes(wrong func(member, detail string)) {
	if r.Attempts < 1 {
		wrong("Attempts", fmt.Sprintf("attempts %d: want 1 or more", r.Attempts))
	}
	if r.Attempts == 1 {
		return
	}
	if r.First <= 0 {
		wrong("First", fmt.Sprintf("first wait %v: want more than nothing", r.First))
	}
	if !(r.Factor >= 1) || r.Factor-r.Factor != 0 { // not a number, and infinity, too
		wrong("Factor", fmt.Sprintf("factor %v: want 1 or more", r.Factor))
	}
	if r.Cap < r.First {
		wrong("Cap", fmt.Sprintf("the longest wait %v is less than the first, %v", r.Cap, r.First))
	}
}

// Names lists the steps' names in their order.
func (d Definition) Names() []order.Step {
	names := make([]order.Step, len(d.Steps))
	for i, s := range d.Steps {
		names[i] = s.Name
	}
	return names
}

// index finds a step by its name; -1 for none.
func (d Definition) index(name order.Step) int {
	return slices.IndexFunc(d.Steps, func(s Step) bool { return s.Name == name })
}

// last reports whether the step with this index is the one with which an order is complete.
func (d Definition) last(i int) bool { return i == len(d.Steps)-1 }

// Equal reports whether two definitions are the same plan.
func (d Definition) Equal(other Definition) bool {
	return d.Version == other.Version && d.Deadline == other.Deadline && slices.Equal(d.Steps, other.Steps)
}
