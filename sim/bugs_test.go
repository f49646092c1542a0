package sim

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// bug is a mistake planted into the code that is tried.
type bug struct {
	name  string
	plant func(*Code)
}

// before has a decision be made on another state or input.
func before(change func(saga.State, saga.Input) (saga.State, saga.Input)) func(*Code) {
	return func(c *Code) {
		decide := c.Decide
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			return decide(change(s, in))
		}
	}
}

// after changes what was decided.
func after(change func(s saga.State, in saga.Input, next saga.State, owed []saga.Effect) (saga.State, []saga.Effect)) func(*Code) {
	return func(c *Code) {
		decide := c.Decide
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			next, owed := decide(s, in)
			return change(s, in, next, owed)
		}
	}
}

// lost has inputs be passed over.
func lost(is func(saga.State, saga.Input) bool) func(*Code) {
	return func(c *Code) {
		decide := c.Decide
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			if is(s, in) {
				return s, nil
			}
			return decide(s, in)
		}
	}
}

func commanded(in saga.Input, what order.Command) bool {
	c, ok := in.(saga.Commanded)
	return ok && c.Command == what
}

var bugs = []bug{
	{"a doubled completion makes the next request again, answered or not", func(c *Code) {
		decide, said := c.Decide, map[string][]saga.Effect{}
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			next, owed := decide(s, in)
			if done, ok := in.(saga.StepCompleted); ok && next.Revision == s.Revision {
				return next, said[done.ID]
			} else if ok {
				said[done.ID] = owed
			}
			return next, owed
		}
	}},
	{"an input that was seen before owes nothing", after(
		func(s saga.State, in saga.Input, next saga.State, owed []saga.Effect) (saga.State, []saga.Effect) {
			if _, timer := in.(saga.DeadlinePassed); next.Revision == s.Revision && !timer {
				return next, nil
			}
			return next, owed
		})},
	{"a timer is taken for the one that is set now", before(
		func(s saga.State, in saga.Input) (saga.State, saga.Input) {
			if d, ok := in.(saga.DeadlinePassed); ok {
				d.Arming = s.Arming
				in = d
			}
			if d, ok := in.(saga.AttemptTimedOut); ok {
				d.Timer = saga.TimerID(d.OrderID, s.Arming)
				in = d
			}
			return s, in
		})},
	{"a timer makes the attempt that it asks for", func(c *Code) {
		decide := c.Decide
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			next, owed := decide(s, in)
			passed, timer := in.(saga.DeadlinePassed)
			if !timer || len(owed) == 0 {
				return next, owed
			}
			if said, ok := saga.InputOf(owed[0].Event("saga"), next.Definition, passed.At); ok {
				if asked, ok := said.(saga.AttemptRequested); ok {
					next, _ = decide(next, asked)
				}
			}
			return next, owed
		}
	}},
	{"what may have taken effect is not undone", before(
		func(s saga.State, in saga.Input) (saga.State, saga.Input) {
			s.Work = slices.Clone(s.Work)
			for i := range s.Work {
				if s.Work[i].Effect == saga.MayHave && s.Open.Step != s.Definition.Steps[i].Name || commanded(in, order.Cancel) {
					s.Work[i].Effect = saga.NoEffect
				}
			}
			return s, in
		})},
	{"the oldest step is undone first", after(oldestFirst)},
	{"a completion while paused makes the next request", func(c *Code) {
		decide := c.Decide
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			if _, ok := in.(saga.StepCompleted); !ok || !s.Paused {
				return decide(s, in)
			}
			s.Paused = false
			next, owed := decide(s, in)
			next.Paused = !next.Status.Ended()
			return next, owed
		}
	}},
	{"each attempt is a new piece of work", func(c *Code) {
		c.Key = func(e order.Event) string {
			step, _, _ := e.Type.Split()
			return fmt.Sprintf("%s/%s/%d/%d", e.OrderID, step, e.Round, e.Attempt)
		}
	}},
	{"resuming forgets the deadlines", after(
		func(_ saga.State, in saga.Input, next saga.State, owed []saga.Effect) (saga.State, []saga.Effect) {
			if commanded(in, order.Resume) {
				next.Open.Due, next.Deadline = time.Time{}, time.Time{}
			}
			return next, owed
		})},
	{"an accepted command acts again when it comes again", before(
		func(s saga.State, in saga.Input) (saga.State, saga.Input) {
			if c, ok := in.(saga.Commanded); ok {
				s.Words = slices.DeleteFunc(slices.Clone(s.Words), func(w saga.Word) bool { return w.Cause == c.ID })
			}
			return s, in
		})},
	{"a completion after the end is passed over", lost(func(s saga.State, in saga.Input) bool {
		_, ok := in.(saga.StepCompleted)
		return ok && s.Status.Ended()
	})},
	{"what another client has asked for is nobody's to undo", after(
		func(s saga.State, in saga.Input, next saga.State, owed []saga.Effect) (saga.State, []saga.Effect) {
			if _, ok := in.(saga.OrderRequested); !ok || s.Status == "" || next.Revision == s.Revision {
				return next, owed
			}
			s.Revision, s.Unsettled = next.Revision, next.Unsettled
			return s, nil
		})},
	{"a refusal says that nothing was done, whoever else has asked", before(
		func(s saga.State, in saga.Input) (saga.State, saga.Input) {
			s.Work = slices.Clone(s.Work)
			for i := range s.Work {
				s.Work[i].Contested = false
			}
			return s, in
		})},
	{"a declined step is done anew before it is undone", func(c *Code) {
		decide := c.Decide
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			plan := s.Definition
			if s.Open.Undo || !commanded(in, order.Retry) || s.Status != order.StatusStuck {
				return decide(s, in)
			}
			s.Definition.Steps = slices.Clone(plan.Steps)
			for i, w := range s.Work {
				if w.Effect == saga.NoEffect {
					s.Definition.Steps[i].Compensation.Possible = false
				}
			}
			next, owed := decide(s, in)
			next.Definition = plan
			return next, owed
		}
	}},
	{"the undo of a retried step is that of the work that it is retried as", after(
		func(s saga.State, _ saga.Input, next saga.State, owed []saga.Effect) (saga.State, []saga.Effect) {
			for i, w := range next.Work {
				if i < len(s.Work) && w.Round > s.Work[i].Round && s.Open.Waiting && s.Open.Undo {
					next.Work[i].Undos--
					next.Work[i].UndosBefore--
				}
			}
			return next, owed
		})},
	{"the next attempt is made at once", hasty(func(s *saga.Step) *saga.Retry { return &s.Retry })},
	{"undoing is tried again at once", hasty(func(s *saga.Step) *saga.Retry { return &s.Compensation.Retry })},
	{"a step is tried for ever", before(
		func(s saga.State, in saga.Input) (saga.State, saga.Input) {
			s.Open.First = max(s.Open.First, s.Open.Attempt)
			return s, in
		})},
	{"an order's time is up when it begins", func(c *Code) {
		arm := c.Arm
		c.Arm = func(timers *deadlines, orderID string, due, arming int64) {
			if arming == 2 {
				due -= 3_000_000
			}
			arm(timers, orderID, due, arming)
		}
	}},
	{"cancelling a paused order is lost", lost(func(s saga.State, in saga.Input) bool {
		return s.Paused && commanded(in, order.Cancel)
	})},
	{"a late attempt's completion is not that of the step", lost(func(s saga.State, in saga.Input) bool {
		done, ok := in.(saga.StepCompleted)
		return ok && done.Cause != "" && done.Cause != s.Open.Request
	})},
	{"a scheduled order that is cancelled begins all the same", lost(func(s saga.State, in saga.Input) bool {
		return s.Status == order.StatusScheduled && commanded(in, order.Cancel)
	})},
	{"an order follows the definition in force now", after(
		func(s saga.State, in saga.Input, next saga.State, owed []saga.Effect) (saga.State, []saga.Effect) {
			if begin, ok := in.(saga.OrderRequested); ok && s.Definition.Version != 0 {
				next.Definition = begin.Definition
			}
			return next, owed
		})},
	{"a deadline that is moved comes when it came before", func(c *Code) {
		arm := c.Arm
		c.Arm = func(timers *deadlines, orderID string, due, arming int64) {
			if was, open := timers.Of(orderID); open {
				due = was.Due
			}
			arm(timers, orderID, due, arming)
		}
	}},
	{"the saga commits before what it wrote is safe", func(c *Code) { c.Early = true }},
	{"a participant does what it has undone", func(c *Code) { c.Refuses = false }},
	{"the fold adds an event for each of its copies", func(c *Code) {
		fold := c.Fold
		c.Fold = func(r order.Row, e order.Event) order.Row {
			if r.Holds(e.ID) {
				e.ID = fmt.Sprintf("%s/%d", e.ID, len(r.Meta.History))
			}
			return fold(r, e)
		}
	}},
	{"the fold ends an order by its last completion, whatever came between", func(c *Code) {
		fold := c.Fold
		c.Fold = func(r order.Row, e order.Event) order.Row {
			r = fold(r, e)
			if step, phase, _ := e.Type.Split(); step != "" && step == r.Meta.Final && phase == order.Completed {
				r.Meta.Status = r.Meta.Outcome
			}
			return r
		}
	}},
}

// hasty has no time pass between attempts of a kind.
func hasty(retry func(*saga.Step) *saga.Retry) func(*Code) {
	return func(c *Code) {
		decide := c.Decide
		c.Decide = func(s saga.State, in saga.Input) (saga.State, []saga.Effect) {
			plan := s.Definition
			s.Definition.Steps = slices.Clone(plan.Steps)
			for i := range s.Definition.Steps {
				retry(&s.Definition.Steps[i]).First = 1
			}
			next, owed := decide(s, in)
			if s.OrderID != "" && s.Definition.Version != 0 {
				next.Definition = plan
			}
			return next, owed
		}
	}
}

// oldestFirst has the first step that may have taken effect be undone, in place of the last.
func oldestFirst(s saga.State, _ saga.Input, next saga.State, owed []saga.Effect) (saga.State, []saga.Effect) {
	if !next.Open.Undo || next.Open.Waiting || next.Open.Attempt != next.Open.First || next.Revision == s.Revision {
		return next, owed
	}
	steps := next.Definition.Steps
	newest := slices.IndexFunc(steps, func(d saga.Step) bool { return d.Name == next.Open.Step })
	for i := range next.Work[:newest] {
		effect := next.Work[i].Effect
		if effect != saga.MayHave && effect != saga.HasEffect || !steps[i].Compensation.Possible || next.Work[i].Undos > 0 {
			continue
		}
		next.Work[newest].Undos--
		next.Work[i].Undos++
		next.Open.Step, next.Open.First, next.Open.Attempt = steps[i].Name, 1, 1
		next.Open.Request = order.EventID(next.OrderID, order.TypeOf(steps[i].Name, order.CompensationRequested), 1)
		for j, effect := range owed {
			if r, ok := effect.(saga.Request); ok {
				r.Step, r.Attempt, r.Round = steps[i].Name, 1, next.Work[i].Round
				owed[j] = r
			}
		}
		return next, owed
	}
	return next, owed
}

// enough is how many seeds are tried to find one that catches a planted bug.
const enough = 1_000_000

// told gives what the auditor says of a seed with the bug planted, and not without; empty if
// that is nothing.
func (b bug) told(t *testing.T, seed uint64) string {
	code := Real()
	b.plant(&code)
	found := Run(seed, 0, code, nil).Found
	if len(found) == 0 {
		return ""
	}
	if what := Run(seed, 0, Real(), nil).Found; len(what) > 0 {
		t.Errorf("seed %d fails without the bug, too: %s", seed, what)
	}
	return found[0]
}

// catch gives the first seed that catches the bug, and what the auditor says.
func (b bug) catch(t *testing.T) (seed uint64, found string) {
	for seed = 1; seed <= enough; seed++ {
		if found = b.told(t, seed); found != "" {
			return seed, found
		}
	}
	t.Errorf("none of %d seeds catches that %s", enough, b.name)
	return 0, ""
}

func (b bug) line(seed uint64, found string) string {
	return fmt.Sprintf("| %s | %d | %s |\n", b.name, seed, found)
}

const (
	tableBegins = "| Planted | Seed | What the auditor says |\n|---|---|---|\n"
	tableEnds   = "\n## "
)

func TestEachPlantedBugIsCaught(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(readme), tableBegins)
	table, tail, closed := strings.Cut(rest, tableEnds)
	if !ok || !closed {
		t.Fatal("README.md has no table of the planted bugs")
	}
	listed := strings.SplitAfter(table, "\n")
	listed = listed[:len(listed)-1]
	if len(listed) != len(bugs) && !*update {
		t.Fatalf("README.md lists %d planted bugs of %d; go test ./sim -run Planted -update lists them all", len(listed), len(bugs))
	}
	rows := make([]string, len(bugs))
	var all sync.WaitGroup
	for i, b := range bugs {
		all.Go(func() {
			if *update {
				rows[i] = b.line(b.catch(t))
				return
			}
			var seed uint64
			if _, err := fmt.Sscanf(listed[i], "| "+b.name+" | %d |", &seed); err != nil {
				t.Errorf("README.md has %q where %q is to be", listed[i], b.name)
			} else if want := b.line(seed, b.told(t, seed)); listed[i] != want {
				t.Errorf("README.md has %q, a run gives %q; go test ./sim -run Planted -update finds the seeds anew", listed[i], want)
			}
		})
	}
	all.Wait()
	if *update && !t.Failed() {
		if err := os.WriteFile("README.md", []byte(head+tableBegins+strings.Join(rows, "")+tableEnds+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
