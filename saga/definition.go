package saga

import (
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

// maxAsked bounds the wait that a participant may ask for: no command reaches an order
// that waits for the next attempt at undoing, and it is not to wait for years.
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

// Validate reports the first mistake in the definition, as a *Mistake.
func (d Definition) Validate() error {
	whole := func(member, detail string, args ...any) error {
		return &Mistake{-1, member, fmt.Sprintf(detail, args...)}
	}
	switch {
	case d.Version < 1:
		return whole("Version", "definition version %d: want 1 or more", d.Version)
	case d.Deadline < 0:
		return whole("Deadline", "deadline %v: want none or more than nothing", d.Deadline)
	case len(d.Steps) == 0 || d.Steps[0].Name != order.Detail:
		return whole("Steps", "the first step must be %s: it is requested by the command itself", order.Detail)
	}
	names := d.Names()
	for i, s := range d.Steps {
		mistake := func(member, detail string, args ...any) error {
			return &Mistake{i, member, fmt.Sprintf("step %s: %s", s.Name, fmt.Sprintf(detail, args...))}
		}
		if !order.ValidStep(string(s.Name)) {
			return &Mistake{i, "Name", fmt.Sprintf(
				"step %q: want upper-case letters and digits, a letter first, and not the name of a row's other member", s.Name)}
		}
		if slices.Contains(names[:i], s.Name) {
			return &Mistake{i, "Name", fmt.Sprintf("step %s stands twice", s.Name)}
		}
		if s.Timeout <= 0 {
			return mistake("Timeout", "timeout %v: want more than nothing", s.Timeout)
		}
		if member, detail := s.Retry.mistake(); member != "" {
			return mistake("Retry."+member, "retry: %s", detail)
		}
		if c := s.Compensation; c.Possible {
			if c.Timeout <= 0 {
				return mistake("Compensation.Timeout", "compensation: timeout %v: want more than nothing", c.Timeout)
			}
			if member, detail := c.Retry.mistake(); member != "" {
				return mistake("Compensation.Retry."+member, "compensation: retry: %s", detail)
			}
		}
	}
	return nil
}

func (r Retry) mistake() (member, detail string) {
	switch {
	case r.Attempts < 1:
		return "Attempts", fmt.Sprintf("attempts %d: want 1 or more", r.Attempts)
	case r.Attempts == 1:
		return "", ""
	case r.First <= 0:
		return "First", fmt.Sprintf("first wait %v: want more than nothing", r.First)
	case !(r.Factor >= 1) || r.Factor-r.Factor != 0: // not a number, and infinity, too
		return "Factor", fmt.Sprintf("factor %v: want 1 or more", r.Factor)
	case r.Cap < r.First:
		return "Cap", fmt.Sprintf("the longest wait %v is less than the first, %v", r.Cap, r.First)
	}
	return "", ""
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
