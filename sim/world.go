package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

// Code is what is tried.
type Code struct {
	Decide func(saga.State, saga.Input) (saga.State, []saga.Effect)
	Fold   func(order.Row, order.Event) order.Row
	Arm    func(timers *deadlines, orderID string, due, arming int64)
	// Key is by what a participant knows a piece of work.
	Key func(request order.Event) string
	// Refuses reports whether a participant refuses work that was undone already.
	Refuses bool
	// Early commits what a role has handled before what it wrote is safe.
	Early bool
}

// Real is the code as it is.
func Real() Code {
	return Code{
		Decide: saga.Decide, Fold: order.Fold, Refuses: true,
		Arm: func(timers *deadlines, orderID string, due, arming int64) {
			timers.Arm(orderID, due, arming, struct{}{})
		},
		Key: func(e order.Event) string {
			step, _, _ := e.Type.Split()
			return fmt.Sprintf("%s/%s/%d", e.OrderID, step, e.Round)
		},
	}
}

// Result is how a run went.
type Result struct {
	Found   []string // what the auditor found; nothing, if all is well
	Faults  Faults   // that the seed had in store
	Records int      // in the log
	Actions int
}

// Run runs the world of a seed, without some of its faults, until it is quiet, and
// audits it. The same arguments give the same result. It tells what happens to trace,
// if there is one.
func Run(seed uint64, without Faults, code Code, trace io.Writer) Result {
	w := newWorld(seed, without, code, trace)
	w.safely(func() {
		w.live()
		w.audit()
	})
	return Result{Found: w.found, Faults: w.faults, Records: len(w.log), Actions: w.actions}
}

// safely takes a panic of what is tried for one more thing that does not hold.
func (w *world) safely(run func()) {
	defer func() {
		if r := recover(); r != nil {
			w.complain("panic: %v", r)
		}
	}()
	run()
}

// world is one partition of the log, the roles that share it, what they talk to, and
// a clock. All happens one after the other: what comes next is drawn.
type world struct {
	r      *rand.Rand
	code   Code
	faults Faults
	trace  io.Writer
	found  []string

	calm    bool // nothing goes wrong any more
	actions int
	begun   time.Time
	at      time.Duration   // since begun
	skews   []time.Duration // of each role's clock
	jumped  time.Duration   // all that clocks were set by
	pace    time.Duration   // the most that passes from one action to the next
	options []option

	log      []record
	places   map[string]int // of each event's first copy
	timers   []timerRecord
	plan     saga.Definition // of new orders
	newer    saga.Definition // to be deployed; without steps: none
	orders   []*client
	saga     orchestrator
	rows     aggregate
	workers  []*worker
	works    []*work
	network  []*call
	later    []afterthought
	ghosts   []*ghost
	journal  []handled
	commands int
	sent     []order.Event // commands
	rivals   []order.Event // yet to be sent
	leave    bool          // what is stuck
	helped   map[string]int
	again    int // records that were given to a role again, or written twice by others
	trouble  int // how likely faults are, in 1000 actions
	outage   int // crashes that may still happen
}

// record is an event in the log, and who wrote it.
type record struct {
	order.Event
	source string
	life   int // of the role that wrote it
	heard  int // what the role had read of the log by then
	late   bool
}

type timerRecord struct {
	orderID string
	arming  int64
}

// client is who places an order.
type client struct {
	id     string
	begins order.Event
	placed bool
	plans  []saga.Definition // in force whenever the saga accepted the order
}

// handled is an input that the saga handled.
type handled struct {
	life int
	id   string
}

// option is something that may happen next.
type option struct {
	weight int
	do     func(*world, int)
	arg    int
}

func newWorld(seed uint64, without Faults, code Code, trace io.Writer) *world {
	r := rand.New(rand.NewPCG(seed, 0))
	w := &world{
		r: r, code: code, trace: trace, begun: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		places: map[string]int{}, helped: map[string]int{},
	}
	drawn := Faults(r.Uint32()) & everything
	switch r.IntN(8) {
	case 0:
		drawn &= Faults(r.Uint32()) // a quiet one
	case 1:
		drawn = everything
	}
	w.faults = drawn &^ without
	w.pace = []time.Duration{2, 20, 200, 1000}[r.IntN(4)] * time.Millisecond
	w.trouble = []int{10, 50, 250}[r.IntN(3)]
	w.outage = r.IntN(20)
	w.commands = r.IntN(6)
	w.leave = r.IntN(10) == 0
	w.plan = anyPlan(r, 1)
	newer := anyPlan(r, 2)
	// The last step's request says that it is the last; a plan that ends on a step with
	// which another goes on is no newer version of it.
	if len(newer.Steps) > 1 && len(w.plan.Steps) > 1 && w.may(Deployments) {
		w.newer = newer
	}
	n := 1
	if extra := r.IntN(3); w.may(Crowd) {
		n += extra
	}
	for i := range n {
		w.orders = append(w.orders, &client{id: fmt.Sprintf("ORD-0000%d", i+1)})
	}
	for _, s := range stepNames {
		w.workers = append(w.workers, &worker{index: len(w.workers), step: s, foreign: r.IntN(4) == 0 && w.may(Foreigners)})
	}
	w.skews = make([]time.Duration, 2+len(w.workers))
	w.saga = newOrchestrator()
	w.rows = newAggregate()
	return w
}

var stepNames = []order.Step{order.Detail, order.Payment, "PACKING", order.Mail}

// anyPlan draws a definition.
func anyPlan(r *rand.Rand, version int) saga.Definition {
	d := saga.Definition{Version: version}
	if r.IntN(3) == 0 {
		d.Deadline = time.Duration(1+r.IntN(40)) * time.Second
	}
	retry := func() saga.Retry {
		return saga.Retry{
			Attempts: 1 + r.IntN(3), First: time.Duration(100+r.IntN(900)) * time.Millisecond, Factor: 2, Cap: 2 * time.Second,
		}
	}
	names := slices.Clone(stepNames[1:])
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = append([]order.Step{order.Detail}, names[:r.IntN(len(names)+1)]...)
	for _, name := range names {
		s := saga.Step{
			Name: name, Timeout: time.Duration(500+r.IntN(8000)) * time.Millisecond, Retry: retry(), Sticks: r.IntN(5) == 0,
		}
		if r.IntN(4) > 0 {
			s.Compensation = saga.Compensation{
				Possible: true, Timeout: time.Duration(500+r.IntN(8000)) * time.Millisecond, Retry: retry(),
			}
		}
		d.Steps = append(d.Steps, s)
	}
	return d
}

func (w *world) may(f Faults) bool { return w.faults&f != 0 && !w.calm }

// strikes draws whether a fault happens now, where it can.
func (w *world) strikes(f Faults, in int) bool { return w.may(f) && w.r.IntN(in) == 0 }

func (w *world) tell(format string, args ...any) {
	_, err := fmt.Fprintf(w.trace, "%9.3fs  "+format+"\n", append([]any{w.at.Seconds()}, args...)...)
	if err != nil && len(w.found) == 0 {
		w.complain("the trace cannot be written: %v", err)
	}
}

func (w *world) complain(format string, args ...any) {
	w.found = append(w.found, fmt.Sprintf(format, args...))
}

// The clocks of the roles. The aggregate reads none.
const (
	sagaClock = iota
	clientClock
	workerClock // of the first worker
)

func (w *world) clock(role int) time.Time { return w.begun.Add(w.at + w.skews[role]) }

// maxActions bounds a run; one that is longer does not end.
const maxActions = 20_000

// live has things happen until nothing more does.
func (w *world) live() {
	for n := 50 + w.r.IntN(500); n > 0; n-- {
		if !w.next() {
			break
		}
	}
	w.heal()
	for w.next() || w.leap() || w.help() {
		if w.actions >= maxActions {
			w.complain("the run does not end within %d actions", maxActions)
			return
		}
	}
}

// heal ends all faults.
func (w *world) heal() {
	w.calm = true
	for i := range w.skews {
		w.skews[i] = slices.Max(w.skews)
	}
	w.trouble = 0
	clear(w.helped)
	if w.trace != nil {
		w.tell("-- from here on nothing goes wrong any more")
	}
}

// next has one thing happen; false if there is nothing.
func (w *world) next() bool {
	w.options = w.options[:0]
	w.sagaOptions()
	w.rowOptions()
	w.workerOptions()
	w.clientOptions()
	w.option(w.may(Commands) && w.troubled(), 3, func(w *world, _ int) { w.help() }, 0)
	w.option(len(w.ghosts) > 0, 3, (*world).haunt, 0)
	ordinary := len(w.options) > 0
	if !ordinary {
		w.auditRest()
	}
	if !w.calm {
		w.faultOptions(ordinary)
	}
	total := 0
	for _, o := range w.options {
		total += o.weight
	}
	if total == 0 {
		return false
	}
	w.actions++
	w.at += time.Duration(w.r.Int64N(int64(w.pace)))
	n := w.r.IntN(total)
	for _, o := range w.options {
		if n -= o.weight; n < 0 {
			o.do(w, o.arg)
			break
		}
	}
	return true
}

func (w *world) option(possible bool, weight int, do func(*world, int), arg int) {
	if possible {
		w.options = append(w.options, option{weight, do, arg})
	}
}

// faultOptions are scaled so that they come once in a while, however much else there
// is to do.
func (w *world) faultOptions(ordinary bool) {
	if ordinary && w.r.IntN(1000) >= w.trouble {
		return
	}
	w.options = w.options[:0]
	w.option(w.outage > 0 && w.may(Crashes|Rebalances), 6, (*world).crash, 0)
	w.option(w.may(Jumps), 2, (*world).jump, 0)
	w.option(true, 5, func(w *world, _ int) { w.leap() }, 0)
	w.option(w.may(Copies) && len(w.log) > 0, 2, (*world).copyRecord, 0)
	w.option(w.may(Ticks) && len(w.timers) > 0, 3, (*world).tickAgain, 0)
	w.option(len(w.newer.Steps) > 0 && w.settled(), 4, (*world).deploy, 0)
	w.option(w.commands > 0 && w.may(Commands), 12, (*world).command, 0)
	w.option(w.may(Commands), 3, func(w *world, _ int) { w.help() }, 0)
	w.option(w.may(Replays) && len(w.sent) > 0, 4, (*world).replay, 0)
}

// leap has time pass until something is due. It reports false if nothing will be.
func (w *world) leap() bool {
	var least time.Duration
	soon := func(due time.Time, role int) {
		if d := due.Sub(w.clock(role)); !due.IsZero() && d > 0 && (least == 0 || d < least) {
			least = d
		}
	}
	if due, found := w.saga.timers.Next(); found {
		soon(time.UnixMicro(due+1), sagaClock) // within its microsecond it is not sent
	}
	for _, k := range w.workers {
		for _, c := range k.calls {
			if c.stage == asked {
				soon(c.request.Deadline, workerClock+k.index)
			}
		}
	}
	if least == 0 {
		return false
	}
	w.actions++
	w.at += least + time.Duration(w.r.IntN(3))
	if w.trace != nil {
		w.tell("time passes")
	}
	return true
}

// jump sets a clock, or all.
func (w *world) jump(int) {
	by := time.Duration(w.r.IntN(20_000)) * time.Millisecond
	if w.r.IntN(3) == 0 {
		by = -time.Duration(w.r.IntN(2000)) * time.Millisecond
	}
	w.jumped += by.Abs()
	role := w.r.IntN(len(w.skews) + 3)
	for i := range w.skews {
		if i == role || role >= len(w.skews) {
			w.skews[i] += by
		}
	}
	if w.trace != nil {
		w.tell("clock %d jumps by %v", role, by)
	}
}

// append writes a record to the log.
func (w *world) append(r record) {
	if _, ok := w.places[r.ID]; !ok {
		w.places[r.ID] = len(w.log)
	}
	if w.trace != nil {
		late := ""
		if r.late {
			late = "  (late)"
		}
		w.tell("log %3d  %-8s %s%s", len(w.log), r.source, line(r.Event), late)
	}
	w.log = append(w.log, r)
}

// line shows what matters of an event.
func line(e order.Event) string {
	s := fmt.Sprintf("%s  attempt %d round %d", e.ID, e.Attempt, e.Round)
	if e.Causation != "" {
		s += "  by " + e.Causation
	}
	if e.Status != "" {
		s += "  -> " + string(e.Status)
	}
	if e.Reason != "" {
		s += fmt.Sprintf("  %q", e.Reason)
	}
	return s
}

// crash ends the life of a role.
func (w *world) crash(int) {
	w.outage--
	elsewhere := w.may(Rebalances) && (!w.may(Crashes) || w.r.IntN(2) == 0)
	switch n := w.r.IntN(6); {
	case n < 3:
		w.restartSaga(elsewhere)
	case n < 4:
		w.restartRows(elsewhere)
	default:
		w.restartWorker(w.workers[w.r.IntN(len(w.workers))])
	}
}

// settled reports whether all that the saga has read is decided and safe. A definition
// is deployed only then: an order that a life accepted, and the next does not know of,
// would begin on two.
func (w *world) settled() bool {
	s := &w.saga
	return len(w.ghosts) == 0 && s.committed == s.read && s.read[inLog] >= s.known[inLog] && s.read[inTimers] >= s.known[inTimers]
}

// deploy starts the saga, and the clients, on the newer definition.
func (w *world) deploy(int) {
	w.plan, w.newer = w.newer, saga.Definition{}
	if w.trace != nil {
		w.tell("definition 2 is deployed: %v", w.plan.Names())
	}
	w.restartSaga(w.may(Rebalances) && w.r.IntN(2) == 0)
}

// copyRecord writes a client's or a worker's record to the log once more.
func (w *world) copyRecord(int) {
	r := w.log[w.r.IntN(len(w.log))]
	w.again++
	r.source, r.late = "copy", true
	w.append(r)
}

// ghost is an owner that was frozen, and does not know that another took over.
type ghost struct {
	emits   []emit
	writes  []write
	machine int // of the saga, from 1
}

// haunt has a frozen owner write on.
func (w *world) haunt(int) {
	i := w.r.IntN(len(w.ghosts))
	g := w.ghosts[i]
	emit, write := w.turns(g.emits, g.writes)
	switch {
	case emit && (!write || w.r.IntN(2) == 0):
		e := g.emits[0]
		g.emits = g.emits[1:]
		w.again++
		e.late = true
		w.append(e.record)
	case write:
		w.saga.keep(g.writes[0].state)
		g.writes = g.writes[1:]
	default:
		w.ghosts = slices.Delete(w.ghosts, i, i+1)
	}
}
