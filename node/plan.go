package node

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
)

// Plan is what an order's steps are and who does them.
type Plan struct {
	Definition saga.Definition
	// Participants do the work of the steps, as in [Config].
	Participants map[order.Step]processors.Participant

	said map[order.Step]string // the participants as the file has them, secrets not filled in
}

// PlanFile reads the plan in a file; without a name it is the built-in one.
func PlanFile(name string) (Plan, error) {
	if name == "" {
		return Plan{Definition: saga.Default()}, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return Plan{}, fmt.Errorf("the plan: %w", err)
	}
	return ReadPlan(name, data)
}

// ReadPlan reads a plan from YAML; docs/shipping.yaml shows all that can stand there.
// What a step leaves out is as in the built-in plan: for a step that is not there, as
// its first step has it. The error tells each mistake as NAME:LINE: and what is wanted.
func ReadPlan(name string, data []byte) (Plan, error) {
	r := &reading{file: name}
	plan := Plan{
		Participants: map[order.Step]processors.Participant{},
		said:         map[order.Step]string{},
	}
	root := r.document(data)
	if root == nil {
		return Plan{}, errors.Join(r.mistakes...)
	}
	d, flawed := &plan.Definition, map[int]bool{}
	var steps []*yaml.Node
	r.mapping(root, "the plan", members{
		"version":  r.whole("version", &d.Version),
		"deadline": r.duration("deadline", &d.Deadline),
		"steps": r.list("steps", func(n *yaml.Node) {
			before := len(r.mistakes)
			steps = append(steps, resolved(n))
			d.Steps = append(d.Steps, r.step(n, &plan))
			flawed[len(d.Steps)-1] = len(r.mistakes) > before
		}),
	}, "version", "steps")
	flawed[-1] = len(r.mistakes) > 0
	r.judge(root, steps, *d, flawed)
	if len(r.mistakes) > 0 {
		return Plan{}, errors.Join(r.mistakes...)
	}
	return plan, nil
}

// judge holds the whole against what it must be, and finds the line of what is not. What is
// flawed (steps by their index, -1 for the whole) is left out: its mistakes would come again
// in other words.
func (r *reading) judge(root *yaml.Node, steps []*yaml.Node, d saga.Definition, flawed map[int]bool) {
	for _, m := range d.Mistakes() {
		if flawed[m.Step] {
			continue
		}
		n := root
		if m.Step >= 0 {
			n = steps[m.Step]
		}
		r.wrong(at(n, strings.Split(m.Member, ".")...), "%s", m.Detail)
	}
	if len(r.mistakes) > 0 {
		return
	}
	role := takenRole(d)
	for i, s := range d.Names() {
		if processors.RoleOf(s) == role {
			r.wrong(at(steps[i], "Name"), "step %s: its role would be %s, which is another's name", s, role)
		}
	}
}

// step reads a step, and puts its participant into the plan.
func (r *reading) step(n *yaml.Node, plan *Plan) saga.Step {
	what := "a step"
	s := template("")
	if name := at(n, "Name"); name != n && name.Kind == yaml.ScalarNode {
		what = "step " + name.Value
		s = template(order.Step(name.Value))
	}
	var p participant
	r.mapping(n, what, members{
		"name":         r.word(what+": name", "the step's name, such as SHIPPING", (*string)(&s.Name)),
		"participant":  func(n *yaml.Node) { p = r.participant(n, what+": participant") },
		"timeout":      r.duration(what+": timeout", &s.Timeout),
		"retry":        r.retry(what+": retry", &s.Retry),
		"compensation": r.compensation(what+": compensation", &s.Compensation),
		"onFailure":    r.onFailure(what+": onFailure", &s.Sticks),
	}, "name", "participant")
	if p.cannotUndo && s.Compensation.Possible {
		r.wrong(at(n, "Participant"), "%s: its participant cannot undo what it does: %ssay compensation: none", what, p.remedy)
	}
	if p.does != nil {
		plan.Participants[s.Name] = p.does
	}
	plan.said[s.Name] = p.said
	return s
}

// template is what a step is like where the file does not say.
func template(name order.Step) saga.Step {
	steps := saga.Default().Steps
	for _, s := range steps {
		if s.Name == name {
			return s
		}
	}
	s := steps[0]
	s.Name = name
	return s
}

func (r *reading) retry(what string, to *saga.Retry) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.mapping(n, what, members{
			"attempts": r.whole(what+": attempts", &to.Attempts),
			"first":    r.duration(what+": first", &to.First),
			"factor":   r.number(what+": factor", &to.Factor),
			"cap":      r.duration(what+": cap", &to.Cap),
		})
	}
}

// none is the compensation of a step that has none.
const none = "none"

func (r *reading) compensation(what string, to *saga.Compensation) func(*yaml.Node) {
	return func(n *yaml.Node) {
		switch n = resolved(n); {
		case n.Kind == yaml.ScalarNode && n.Value == none:
			*to = saga.Compensation{}
			return
		case n.Kind != yaml.MappingNode:
			r.wrong(n, "%s: want none, or a mapping of retry, timeout", what)
			return
		case !to.Possible:
			*to = template("").Compensation
		}
		r.mapping(n, what, members{
			"timeout": r.duration(what+": timeout", &to.Timeout),
			"retry":   r.retry(what+": retry", &to.Retry),
		})
	}
}

// What becomes of an order whose step has failed for good.
const (
	compensate = "compensate"
	stick      = "stick"
)

func (r *reading) onFailure(what string, sticks *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		n = resolved(n)
		if n.Value != compensate && n.Value != stick {
			r.wrong(n, "%s: want %s, or %s to wait for an operator", what, compensate, stick)
		}
		*sticks = n.Value == stick
	}
}

// String is the plan as the file that says all of it would have it.
func (p Plan) String() string {
	d := p.Definition
	var b strings.Builder
	fmt.Fprintf(&b, "version: %d\n", d.Version)
	if d.Deadline > 0 {
		fmt.Fprintf(&b, "deadline: %s\n", short(d.Deadline))
	}
	b.WriteString("steps:\n")
	for _, s := range d.Steps {
		compensation, onFailure := none, compensate
		if c := s.Compensation; c.Possible {
			compensation = fmt.Sprintf("{timeout: %s, retry: %s}", short(c.Timeout), flowOf(c.Retry))
		}
		if s.Sticks {
			onFailure = stick
		}
		fmt.Fprintf(&b, "  - name: %s\n    participant: %s\n    timeout: %s\n    retry: %s\n    compensation: %s\n    onFailure: %s\n",
			s.Name, p.said[s.Name], short(s.Timeout), flowOf(s.Retry), compensation, onFailure)
	}
	return b.String()
}

func flowOf(r saga.Retry) string {
	return fmt.Sprintf("{attempts: %d, first: %s, factor: %v, cap: %s}", r.Attempts, short(r.First), r.Factor, short(r.Cap))
}

// short is a duration without the zeros at its end: 5m for 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
