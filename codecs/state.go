package codecs

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/goccy/go-json"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// State is the codec of saga.order's values.
type State struct{}

// state is a saga.State as it is written. What must be read of every value comes
// first, see RevisionOf and TimerOf; and last what most have in common, see plans.
type state struct {
	Revision int64 `json:"revision"`
	Arming   int64 `json:"arming"`
	Timer    int64 `json:"timer,omitempty"` // the next deadline in microseconds since 1970; derived

	OrderID    string                         `json:"id"`
	Status     order.Status                   `json:"status"`
	Paused     bool                           `json:"paused,omitempty"`
	Unsettled  bool                           `json:"unsettled,omitempty"`
	Foretold   bool                           `json:"foretold,omitempty"`
	Inputs     map[order.Step]json.RawMessage `json:"inputs,omitempty"`
	Began      string                         `json:"began,omitempty"`
	Work       []work                         `json:"work,omitempty"`
	Open       *open                          `json:"open,omitempty"`
	Undoing    *undoing                       `json:"undoing,omitempty"`
	StartAt    *time.Time                     `json:"startAt,omitempty"`
	Deadline   *time.Time                     `json:"deadline,omitempty"`
	Rest       duration                       `json:"rest,omitempty"`
	Words      []word                         `json:"words,omitempty"`
	Parked     string                         `json:"parked,omitempty"`
	Waiting    []string                       `json:"waiting,omitempty"`
	Past       int64                          `json:"past,omitempty"`
	Definition json.RawMessage                `json:"definition,omitempty"`
}

type work struct {
	Effect      saga.Effectiveness `json:"effect,omitempty"`
	Attempts    int                `json:"attempts,omitempty"`
	Round       int                `json:"round,omitempty"`
	Before      int                `json:"before,omitempty"`
	Undos       int                `json:"undos,omitempty"`
	UndosBefore int                `json:"undosBefore,omitempty"`
	Contested   bool               `json:"contested,omitempty"`
}

type open struct {
	Step    order.Step `json:"step"`
	Undo    bool       `json:"undo,omitempty"`
	First   int        `json:"first"`
	Attempt int        `json:"attempt"`
	Request *string    `json:"request,omitempty"` // missing: usualRequest
	Cause   string     `json:"cause,omitempty"`
	Waiting bool       `json:"waiting,omitempty"`
	Due     *time.Time `json:"due,omitempty"`
	Rest    duration   `json:"rest,omitempty"`
}

type undoing struct {
	Outcome order.Status `json:"outcome"`
	Reason  string       `json:"reason,omitempty"`
}

type word struct {
	Cause   string       `json:"cause"`
	Type    order.Type   `json:"type,omitempty"`
	Status  order.Status `json:"status,omitempty"`
	Reason  string       `json:"reason,omitempty"`
	Actor   string       `json:"actor,omitempty"`
	StartAt *time.Time   `json:"startAt,omitempty"`
}

// duration is written as Go does, 1m30s.
type duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = duration(v)
	return err
}

// Encode takes a saga.State, or what it gave for one before, as Encoded.
func (State) Encode(value any) ([]byte, error) {
	if done, ok := value.(Encoded); ok {
		return done, nil
	}
	s, ok := value.(saga.State)
	if !ok {
		return nil, fmt.Errorf("codecs: %T is not a saga.State", value)
	}
	w := state{
		Revision: s.Revision, Arming: s.Arming, OrderID: s.OrderID, Status: s.Status,
		Paused: s.Paused, Unsettled: s.Unsettled, Foretold: s.Foretold, Began: s.Began,
		StartAt: some(s.StartAt), Deadline: some(s.Deadline), Rest: duration(s.Rest),
		Parked: s.Parked, Waiting: s.Waiting, Past: s.Past,
	}
	if due, _, isOpen := s.Timer(); isOpen {
		w.Timer = max(due.UnixMicro(), 1) // 0 is none
	}
	if len(s.Inputs) > 0 {
		w.Inputs = make(map[order.Step]json.RawMessage, len(s.Inputs))
		for step, in := range s.Inputs {
			w.Inputs[step] = json.RawMessage(in)
		}
	}
	w.Work = make([]work, len(s.Work))
	for i, one := range s.Work {
		w.Work[i] = work(one)
	}
	if o := s.Open; o != (saga.Open{}) {
		w.Open = &open{
			Step: o.Step, Undo: o.Undo, First: o.First, Attempt: o.Attempt, Cause: o.Cause,
			Waiting: o.Waiting, Due: some(o.Due), Rest: duration(o.Rest),
		}
		if o.Request != usualRequest(s.OrderID, o) {
			w.Open.Request = &o.Request
		}
	}
	if s.Undoing != (saga.Undoing{}) {
		u := undoing(s.Undoing)
		w.Undoing = &u
	}
	for _, one := range s.Words {
		w.Words = append(w.Words, word{one.Cause, one.Type, one.Status, one.Reason, one.Actor, some(one.StartAt)})
	}
	b, err := json.MarshalWithOption(w, json.DisableHTMLEscape()) // an input goes out as it came in
	if err != nil {
		return nil, fmt.Errorf("codecs: state of %s: %w", s.OrderID, err)
	}
	if s.Definition.Equal(saga.Definition{}) {
		return b, nil
	}
	p, err := definitions.of(s.Definition)
	if err != nil {
		return nil, fmt.Errorf("codecs: state of %s: %w", s.OrderID, err)
	}
	return append(b[:len(b)-1], p.tail...), nil
}

// RememberState is to states what [RememberRow] is to rows.
func RememberState(encoded Encoded, s saga.State) { recentStates.add(encoded, s) }

var recentStates = newRecent[saga.State]()

// Decode gives a saga.State, or Malformed.
func (State) Decode(data []byte) (any, error) {
	if s, found := recentStates.find(data); found {
		return s, nil
	}
	s, err := decodeState(data)
	if err != nil {
		return Malformed{Raw: data, Err: err}, nil
	}
	return s, nil
}

func decodeState(data []byte) (s saga.State, err error) {
	known, found := definitions.in(data)
	if found {
		data = append(bytes.Clone(data[:len(data)-len(known.tail)]), '}')
	}
	clean, err := valid(data)
	if err != nil {
		return s, err
	}
	var w *state
	if err := json.Unmarshal(clean, &w); err != nil {
		return s, err
	}
	if w == nil {
		return s, errNotJSON
	}
	if !found && len(w.Definition) > 0 {
		d, err := decodeDefinition(w.Definition)
		if err != nil {
			return s, err
		}
		if known, err = definitions.of(d); err != nil {
			return s, err
		}
	}
	s = saga.State{
		Revision: w.Revision, Arming: w.Arming, OrderID: w.OrderID, Status: w.Status,
		Paused: w.Paused, Unsettled: w.Unsettled, Foretold: w.Foretold, Definition: known.value, Began: w.Began,
		StartAt: orZero(w.StartAt), Deadline: orZero(w.Deadline), Rest: time.Duration(w.Rest),
		Parked: w.Parked, Waiting: w.Waiting, Past: w.Past,
	}
	if len(w.Inputs) > 0 {
		s.Inputs = make(map[order.Step]order.JSON, len(w.Inputs))
		for step, in := range w.Inputs {
			s.Inputs[step] = compact(string(in))
		}
	}
	if len(w.Work) > 0 {
		s.Work = make([]saga.Work, len(w.Work))
		for i, one := range w.Work {
			s.Work[i] = saga.Work(one)
		}
	}
	if o := w.Open; o != nil {
		s.Open = saga.Open{
			Step: o.Step, Undo: o.Undo, First: o.First, Attempt: o.Attempt, Cause: o.Cause,
			Waiting: o.Waiting, Due: orZero(o.Due), Rest: time.Duration(o.Rest),
		}
		if o.Request != nil {
			s.Open.Request = *o.Request
		} else {
			s.Open.Request = usualRequest(s.OrderID, s.Open)
		}
	}
	if w.Undoing != nil {
		s.Undoing = saga.Undoing(*w.Undoing)
	}
	for _, one := range w.Words {
		s.Words = append(s.Words, saga.Word{
			Cause: one.Cause, Type: one.Type, Status: one.Status, Reason: one.Reason, Actor: one.Actor,
			StartAt: orZero(one.StartAt),
		})
	}
	times := []*time.Time{&s.StartAt, &s.Deadline, &s.Open.Due}
	for i := range s.Words {
		times = append(times, &s.Words[i].StartAt)
	}
	return s, instants(times...)
}

// usualRequest is the id of the open request, unless somebody else's began the order.
func usualRequest(orderID string, o saga.Open) string {
	switch {
	case o.Waiting || o.Attempt < 1 || o.Step == "":
		return ""
	case o.Undo:
		return order.EventID(orderID, order.TypeOf(o.Step, order.CompensationRequested), o.Attempt)
	}
	return order.EventID(orderID, order.TypeOf(o.Step, order.Requested), o.Attempt)
}

// RevisionOf gives the revision of an encoded state without reading the rest of it; 0
// for what is none.
func RevisionOf(state []byte) int64 {
	digits, found := bytes.CutPrefix(state, []byte(`{"revision":`))
	if !found {
		return 0
	}
	return leadingNumber(digits)
}

// TimerOf gives the next deadline in an encoded state, to the microsecond, and its
// arming, without reading the rest of it; false for none, and for what is no state.
func TimerOf(state []byte) (due time.Time, arming int64, open bool) {
	const before, between = `,"arming":`, `,"timer":`
	head := state[:min(len(state), 120)]
	i := bytes.Index(head, []byte(before))
	if RevisionOf(head) == 0 || i < 0 {
		return due, 0, false
	}
	digits := head[i+len(before):]
	end := bytes.IndexByte(digits, ',')
	if end < 0 {
		return due, 0, false
	}
	micros, found := bytes.CutPrefix(digits[end:], []byte(between))
	if !found {
		return due, 0, false
	}
	return time.UnixMicro(leadingNumber(micros)).UTC(), leadingNumber(digits), true
}

// definition is a plan as it is written. A step has what the one before it has, but
// for what it says itself: plans are in every state, and most steps are alike.
type definition struct {
	Version  int      `json:"version"`
	Deadline duration `json:"deadline,omitempty"`
	Steps    []step   `json:"steps"`
}

type step struct {
	Name         order.Step    `json:"name"`
	Timeout      *duration     `json:"timeout,omitempty"`
	Retry        *retry        `json:"retry,omitempty"`
	Compensation *compensation `json:"compensation,omitempty"`
	Sticks       *bool         `json:"sticks,omitempty"`
}

type compensation struct {
	Possible bool     `json:"possible"`
	Timeout  duration `json:"timeout,omitempty"`
	Retry    *retry   `json:"retry,omitempty"`
}

type retry struct {
	Attempts int      `json:"attempts"`
	First    duration `json:"first,omitempty"`
	Factor   float64  `json:"factor,omitempty"`
	Cap      duration `json:"cap,omitempty"`
}

func retryOf(r saga.Retry) *retry {
	if r == (saga.Retry{}) {
		return nil
	}
	return &retry{r.Attempts, duration(r.First), r.Factor, duration(r.Cap)}
}

func (r *retry) value() saga.Retry {
	if r == nil {
		return saga.Retry{}
	}
	return saga.Retry{Attempts: r.Attempts, First: time.Duration(r.First), Factor: r.Factor, Cap: time.Duration(r.Cap)}
}

func encodeDefinition(d saga.Definition) ([]byte, error) {
	w := definition{Version: d.Version, Deadline: duration(d.Deadline), Steps: make([]step, len(d.Steps))}
	var before saga.Step
	for i, s := range d.Steps {
		one := step{Name: s.Name}
		if s.Timeout != before.Timeout {
			timeout := duration(s.Timeout)
			one.Timeout = &timeout
		}
		if s.Retry != before.Retry {
			one.Retry = &retry{s.Retry.Attempts, duration(s.Retry.First), s.Retry.Factor, duration(s.Retry.Cap)}
		}
		if c := s.Compensation; c != before.Compensation {
			one.Compensation = &compensation{c.Possible, duration(c.Timeout), retryOf(c.Retry)}
		}
		if s.Sticks != before.Sticks {
			one.Sticks = &s.Sticks
		}
		w.Steps[i], before = one, s
	}
	return json.Marshal(w)
}

func decodeDefinition(data []byte) (saga.Definition, error) {
	var w definition
	if err := json.Unmarshal(data, &w); err != nil {
		return saga.Definition{}, fmt.Errorf("member \"definition\": %w", err)
	}
	d := saga.Definition{Version: w.Version, Deadline: time.Duration(w.Deadline)}
	var one saga.Step
	for _, s := range w.Steps {
		one.Name = s.Name
		if s.Timeout != nil {
			one.Timeout = time.Duration(*s.Timeout)
		}
		if s.Retry != nil {
			one.Retry = s.Retry.value()
		}
		if c := s.Compensation; c != nil {
			one.Compensation = saga.Compensation{Possible: c.Possible, Timeout: time.Duration(c.Timeout), Retry: c.Retry.value()}
		}
		if s.Sticks != nil {
			one.Sticks = *s.Sticks
		}
		d.Steps = append(d.Steps, one)
	}
	return d, nil
}

// definitions remembers the plans that were read or written last. Each state holds a
// snapshot of one, hardly any of another than the others do, and reading it each time
// would cost more than the rest of the state.
var definitions plans

// maxPlans bounds how many plans are remembered; more are in force only while several
// are replaced.
const maxPlans = 8

// plans is a list, the newest first, that is replaced and never changed: all partitions
// read it at the same time.
type plans struct{ known atomic.Pointer[[]plan] }

type plan struct {
	tail  []byte // with which a state that holds it ends
	value saga.Definition
}

func (p *plans) all() []plan {
	if known := p.known.Load(); known != nil {
		return *known
	}
	return nil
}

// of gives the plan as it is written.
func (p *plans) of(d saga.Definition) (plan, error) {
	for _, one := range p.all() {
		if one.value.Equal(d) {
			return one, nil
		}
	}
	encoded, err := encodeDefinition(d)
	if err != nil {
		return plan{}, err
	}
	one := plan{slices.Concat([]byte(`,"definition":`), encoded, []byte("}")), d}
	before := p.all()
	known := append([]plan{one}, before[:min(len(before), maxPlans-1)]...)
	p.known.Store(&known) // that another may be lost to it costs no more than its reading
	return one, nil
}

// in finds the plan with which an encoded state ends; false if it is none of those.
func (p *plans) in(state []byte) (plan, bool) {
	for _, one := range p.all() {
		if bytes.HasSuffix(state, one.tail) {
			return one, true
		}
	}
	return plan{}, false
}
