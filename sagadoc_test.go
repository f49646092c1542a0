package simplecqrs_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

var update = flag.Bool("update", false, "write the generated part of docs/saga.md anew")

// docs/saga.md shows what Decide does, as found by trying everything on every state
// that can be reached.
func TestTheSagaIsAsItsPageSays(t *testing.T) {
	const page = "docs/saga.md"
	written, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	generated := []byte(explore(t).markdown())
	part := regexp.MustCompile(`(?s)(<!-- generated -->\n).*(<!-- end -->\n)`)
	if !part.Match(written) {
		t.Fatalf("%s has no generated part", page)
	}
	want := part.ReplaceAll(written, slices.Concat([]byte("${1}"), bytes.ReplaceAll(generated, []byte("$"), []byte("$$")), []byte("${2}")))
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(written, want) {
		t.Errorf("%s is not what the code does; write it anew with: go test . -run TestTheSaga -update", page)
	}
}

// move is one row of the table: what is heard of an order that stands so.
type move struct {
	from  order.Status
	heard string
}

// explored is what an exploration found: for each move where it leads, and what is said.
type explored struct {
	to   map[move]map[order.Status]bool
	says map[move]map[string]bool
	size int
}

// plan has a step of each kind: one that can be undone, one that waits for an operator
// when it fails and can be undone, and one that cannot.
func plan() saga.Definition {
	d := saga.Default()
	d.Deadline = time.Hour
	for i := range d.Steps {
		d.Steps[i].Retry.Attempts = 2
		d.Steps[i].Compensation.Retry.Attempts = min(2, d.Steps[i].Compensation.Retry.Attempts)
	}
	d.Steps[1].Sticks = true
	return d
}

func explore(t *testing.T) explored {
	found := explored{to: map[move]map[order.Status]bool{}, says: map[move]map[string]bool{}}
	seen := map[string]bool{}
	frontier := []saga.State{{}}
	for len(frontier) > 0 {
		s := frontier[0]
		frontier = frontier[1:]
		for _, in := range inputsFor(s) {
			next, owed := saga.Decide(s, in.input)
			found.add(s, in.input, in.name, next, owed)
			if mark := shape(next); !seen[mark] {
				seen[mark] = true
				frontier = append(frontier, next)
			}
		}
		if len(seen) > 200_000 {
			t.Fatal("the states do not come to an end")
		}
	}
	found.size = len(seen)
	return found
}

func (e explored) add(s saga.State, in saga.Input, heard string, next saga.State, owed []saga.Effect) {
	was, is := s, next
	was.OrderID, was.Unsettled, is.OrderID, is.Unsettled = "", false, "", false
	if _, passed := in.(saga.DeadlinePassed); shape(was) == shape(is) && was.StartAt.Equal(is.StartAt) && !passed {
		return // a duplicate, or a command that is refused
	}
	m := move{s.Status, heard}
	if e.to[m] == nil {
		e.to[m], e.says[m] = map[order.Status]bool{}, map[string]bool{}
	}
	e.to[m][next.Status] = true
	for _, effect := range owed {
		e.says[m][general(effect.Event("saga").Type)] = true
	}
}

// general is an event's type with STEP for the step.
func general(t order.Type) string {
	if t == order.OrderFailed {
		return string(t) // the saga says it of the order
	}
	if _, phase, ok := t.Split(); ok {
		return "STEP_" + string(phase)
	}
	return string(t)
}

// shape is a state without what makes no difference to what may follow.
func shape(s saga.State) string {
	s.Revision, s.Arming, s.Words, s.Inputs = 0, 0, nil, nil
	s.Undoing.Reason = ""
	s.Open.Cause, s.Open.Request, s.Open.Due, s.Deadline = "", "", flat(s.Open.Due), flat(s.Deadline)
	s.Open.Rest, s.Rest = min(s.Open.Rest, 1), min(s.Rest, 1)
	s.StartAt = flat(s.StartAt)
	s.Work = slices.Clone(s.Work)
	for i := range s.Work {
		w := &s.Work[i]
		// How many attempts there were matters to the series that is open, and there up
		// to as many as the plan allows.
		most := 1
		if s.Open.Step == s.Definition.Steps[i].Name {
			most = 2
		}
		w.Attempts, w.Undos = min(w.Attempts-w.Before, most), min(w.Undos-w.UndosBefore, most)
		w.Before, w.UndosBefore, w.Round = 0, 0, min(w.Round, 2)
	}
	s.Open.First, s.Open.Attempt = 0, min(s.Open.Attempt-s.Open.First, 2)
	s.Definition = saga.Definition{}
	return fmt.Sprintf("%+v", s)
}

func flat(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Unix(0, 0)
}

type named struct {
	name  string
	input saga.Input
}

// inputsFor lists all that an order may hear that makes sense to say of it.
func inputsFor(s saga.State) (all []named) {
	const id = "ORD-B384F"
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	heard := func(t order.Type, id string) saga.Heard {
		return saga.Heard{OrderID: "ORD-B384F", ID: id, At: start.Add(time.Duration(s.Revision) * time.Second), Unsettles: t.Unsettles()}
	}
	add := func(name string, in saga.Input) { all = append(all, named{name, in}) }
	timer := saga.TimerID(id, s.Arming)
	if s.StartAt.IsZero() {
		add("ORDER_REQUESTED", saga.OrderRequested{Heard: heard("", order.EventID(id, "ORDER_REQUESTED", 1)), Definition: plan()})
	}
	if s.Status != "" {
		add("ORDER_REQUESTED, by another client", saga.OrderRequested{Heard: heard("", "another"), Definition: plan()})
	}
	add("ORDER_SCHEDULED", saga.OrderScheduled{Heard: heard("", order.EventID(id, "ORDER_SCHEDULED", 1)), Definition: plan(), StartAt: start})
	for _, c := range order.Commands() {
		h := heard(c.Type(), fmt.Sprintf("%s-%d", c, s.Revision))
		add(string(c.Type()), saga.Commanded{Heard: h, Command: c, StartAt: h.At})
	}
	if _, arming, open := s.Timer(); open {
		add("(a deadline passes)", saga.DeadlinePassed{Heard: heard("", timer), Arming: arming})
		if !s.Deadline.IsZero() {
			add("ORDER_EXPIRED", saga.OrderExpired{Heard: heard(order.OrderExpired, timer+"/x"), Timer: timer})
		}
		if !s.Open.Waiting && s.Open.Step != "" {
			name := "STEP_TIMED_OUT"
			if s.Open.Undo {
				name = "STEP_COMPENSATION_TIMED_OUT"
			}
			add(name, saga.AttemptTimedOut{Heard: heard("MAIL_TIMED_OUT", timer+"/t"), Timer: timer})
		}
	}
	if asked, ok := dueAttempt(s); ok {
		name, phase := "STEP_REQUESTED, when due", order.Requested
		if asked.Undo {
			name, phase = "STEP_COMPENSATION_REQUESTED, when due", order.CompensationRequested
		}
		asked.Heard = heard("", order.EventID(id, order.TypeOf(asked.Step, phase), asked.Attempt))
		add(name, asked)
	}
	for i, w := range s.Work {
		step := s.Definition.Steps[i].Name
		answer := func(p, to order.Phase, n int) saga.Answer {
			t := order.TypeOf(step, p)
			return saga.Answer{
				Heard: heard(t, order.EventID(id, t, n)), Step: step, Attempt: n,
				Cause: order.EventID(id, order.TypeOf(step, to), n),
			}
		}
		if w.Attempts > 0 {
			n := w.Attempts
			add("STEP_COMPLETED", saga.StepCompleted{Answer: answer(order.Completed, order.Requested, n)})
			a := answer(order.Failed, order.Requested, n)
			add("STEP_FAILED, retryable", saga.StepFailed{Answer: a, Failure: saga.Failure{Reason: "r", Retryable: true}})
			add("STEP_FAILED, declined", saga.StepFailed{Answer: a, Failure: saga.Failure{Reason: "r"}})
		}
		if w.Undos > 0 {
			n := w.Undos
			add("STEP_COMPENSATED", saga.StepCompensated{Answer: answer(order.Compensated, order.CompensationRequested, n)})
			a := answer(order.CompensationFailed, order.CompensationRequested, n)
			add("STEP_COMPENSATION_FAILED, retryable", saga.CompensationFailed{Answer: a, Failure: saga.Failure{Reason: "r", Retryable: true}})
			add("STEP_COMPENSATION_FAILED, declined", saga.CompensationFailed{Answer: a, Failure: saga.Failure{Reason: "r"}})
		}
	}
	return all
}

// dueAttempt is the attempt for which a timer asks, be it also that the order was paused, or
// cancelled before it began, when that is heard.
func dueAttempt(s saga.State) (asked saga.AttemptRequested, ok bool) {
	switch {
	case s.Status == order.StatusScheduled, s.Status != "" && len(s.Work) == 0:
		return saga.AttemptRequested{Step: s.Definition.Steps[0].Name, Attempt: 1}, true
	case s.Open.Waiting:
		return saga.AttemptRequested{Step: s.Open.Step, Undo: s.Open.Undo, Attempt: s.Open.Attempt + 1}, true
	}
	return asked, false
}

// markdown is the diagram and the table.
func (e explored) markdown() string {
	var b strings.Builder
	rank := func(s order.Status) int { return slices.Index(order.Statuses(), s) }
	moves := slices.SortedFunc(maps.Keys(e.to), func(a, b move) int {
		return cmp.Or(rank(a.from)-rank(b.from), strings.Compare(a.heard, b.heard))
	})
	fmt.Fprint(&b, "```mermaid\nstateDiagram-v2\n")
	arrows := map[string][]string{}
	var listed []string
	for _, m := range moves {
		for _, to := range sortedStatuses(e.to[m]) {
			if to == m.from {
				continue
			}
			arrow := fmt.Sprintf("%s --> %s", dot(m.from), dot(to))
			if arrows[arrow] == nil {
				listed = append(listed, arrow)
			}
			arrows[arrow] = append(arrows[arrow], m.heard)
		}
	}
	for _, arrow := range listed {
		fmt.Fprintf(&b, "    %s : %s\n", arrow, strings.Join(arrows[arrow], " / "))
	}
	for _, s := range order.Statuses() {
		if s.Ended() {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	fmt.Fprint(&b, "```\n\n| an order that is | hears | and is then | what the saga may say |\n|---|---|---|---|\n")
	for _, m := range moves {
		to := make([]string, 0, len(e.to[m]))
		for _, s := range sortedStatuses(e.to[m]) {
			to = append(to, name(s))
		}
		said := slices.Sorted(maps.Keys(e.says[m]))
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name(m.from), m.heard, strings.Join(to, ", "), strings.Join(said, ", "))
	}
	fmt.Fprint(&b, "\n| | "+join(order.Commands())+" |\n|---"+strings.Repeat("|---", len(order.Commands()))+"|\n")
	for _, stands := range order.Statuses() {
		if stands == order.StatusUnknown || stands == order.StatusPaused {
			continue
		}
		for _, paused := range []bool{false, true} {
			if paused && stands.Ended() {
				continue
			}
			shown := string(stands)
			if paused {
				shown += ", paused"
			}
			fmt.Fprintf(&b, "| %s ", shown)
			for _, c := range order.Commands() {
				fmt.Fprintf(&b, "| %s ", cmp.Or(saga.Refuses(stands, paused, c), "✓"))
			}
			fmt.Fprint(&b, "|\n")
		}
	}
	return b.String()
}

func join(commands []order.Command) string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = string(c)
	}
	return strings.Join(names, " | ")
}

func sortedStatuses(set map[order.Status]bool) []order.Status {
	return slices.SortedFunc(maps.Keys(set), func(a, b order.Status) int {
		return slices.Index(order.Statuses(), a) - slices.Index(order.Statuses(), b)
	})
}

func dot(s order.Status) string { return cmp.Or(string(s), "[*]") }

func name(s order.Status) string { return cmp.Or(string(s), "not there") }
