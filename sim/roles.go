package sim

import (
	"slices"
	"time"

	"simplecqrs/deadline"
	"simplecqrs/order"
	"simplecqrs/saga"
)

// emit is a record on its way to the log.
type emit struct {
	record
	from  place
	turn  int // among all that the saga writes
	after int // this many timers of its order's, while things go wrong
}

// place is where a role found a record: in the log, or among the timers.
type place struct{ topic, offset int }

const (
	inLog = iota
	inTimers
)

// write is a state on its way to the saga's topic.
type write struct {
	state saga.State
	from  place
	turn  int
}

// orchestrator is the saga's shell: it decides, stores the state on its disk and, later,
// in its topic, and emits what is owed. A record is committed once all that was written
// for those up to it is safe.
type orchestrator struct {
	life      int
	machine   int
	disks     [2]map[string]saga.State
	topic     map[string]saga.State
	read      [2]int // of each topic
	committed [2]int
	known     [2]int // the most that any life has read
	// forgot is set once a life did not know what an earlier one had decided.
	forgot bool
	// muted is set once a life could not say all that it had decided. What is not owed again,
	// as the order has moved on since, is then never said.
	muted   bool
	emits   []emit
	writes  []write
	turn    int
	backlog [2]int // nothing fires before this is read
	timers  deadlines
}

type deadlines = deadline.Queue[struct{}]

func newOrchestrator() orchestrator {
	return orchestrator{
		disks: [2]map[string]saga.State{{}, {}}, topic: map[string]saga.State{},
	}
}

func (s *orchestrator) disk() map[string]saga.State { return s.disks[s.machine] }

// keep adds a state to the topic. Whoever recovers it passes over a state that is
// older than the one before it.
func (s *orchestrator) keep(state saga.State) {
	if state.Revision >= s.topic[state.OrderID].Revision {
		s.topic[state.OrderID] = state
	}
}

func (w *world) sagaOptions() {
	s := &w.saga
	w.option(s.read[inLog] < len(w.log), 10, (*world).hear, 0)
	w.option(s.read[inTimers] < len(w.timers), 6, (*world).hearTimer, 0)
	mayEmit, mayWrite := w.turns(s.emits, s.writes)
	w.option(mayEmit, 10, (*world).emitSaga, 0)
	w.option(mayWrite, 8, (*world).writeSaga, 0)
	w.option(s.committed != s.read, 2, (*world).commitSaga, 0)
	if s.read[inLog] < s.backlog[inLog] || s.read[inTimers] < s.backlog[inTimers] {
		return
	}
	due, found := s.timers.Next()
	w.option(found && due < w.clock(sagaClock).UnixMicro(), 3, (*world).tick, 0)
}

// turns reports which of what is to be written may go first: the state that an emit
// follows from, unless the one may overtake the other.
func (w *world) turns(emits []emit, writes []write) (emit, write bool) {
	emit, write = len(emits) > 0, len(writes) > 0
	if emit && write && w.faults&Overtaking == 0 {
		emit = emits[0].turn < writes[0].turn
		write = !emit
	}
	return emit, write
}

// hear gives the saga the next event.
func (w *world) hear(int) {
	s := &w.saga
	from := place{inLog, s.read[inLog]}
	s.read[inLog]++
	e := w.log[from.offset].Event
	in, ok := saga.InputOf(e, w.plan, w.clock(sagaClock))
	if !ok {
		return
	}
	if w.trace != nil {
		w.tell("saga hears %d: %s", from.offset, e.ID)
	}
	w.decide(in, e.OrderID, e.ID, from)
}

// hearTimer gives the saga the next timer.
func (w *world) hearTimer(int) {
	s := &w.saga
	from := place{inTimers, s.read[inTimers]}
	s.read[inTimers]++
	t := w.timers[from.offset]
	id := saga.TimerID(t.orderID, t.arming)
	if w.trace != nil {
		w.tell("saga hears %s", id)
	}
	w.decide(saga.DeadlinePassed{
		Heard:  saga.Heard{OrderID: t.orderID, ID: id, At: w.clock(sagaClock)},
		Arming: t.arming,
	}, t.orderID, id, from)
}

func (w *world) decide(in saga.Input, orderID, id string, from place) {
	s := &w.saga
	if slices.ContainsFunc(w.journal, func(h handled) bool { return h.id == id }) {
		w.again++
	}
	w.journal = append(w.journal, handled{s.life, id})
	before := s.disk()[orderID]
	state, owed := w.code.Decide(before, in)
	if before.Definition.Version == 0 && state.Definition.Version != 0 {
		c := w.orders[slices.IndexFunc(w.orders, func(c *client) bool { return c.id == orderID })]
		c.plans = append(c.plans, state.Definition)
	}
	if state.Revision == 0 {
		return
	}
	s.disk()[orderID] = state
	w.arm(orderID)
	s.turn++
	s.writes = append(s.writes, write{state, from, s.turn})
	for _, effect := range owed {
		s.emits = append(s.emits, emit{record: record{
			Event: effect.Event("saga"), source: "saga", life: s.life, heard: s.read[inLog],
		}, from: from, turn: s.turn})
	}
}

func (w *world) emitSaga(int) {
	s := &w.saga
	w.append(s.emits[0].record)
	s.emits = s.emits[1:]
}

func (w *world) writeSaga(int) {
	s := &w.saga
	s.keep(s.writes[0].state)
	s.writes = s.writes[1:]
}

func (w *world) commitSaga(int) {
	s := &w.saga
	safe := s.read
	if !w.code.Early {
		for _, e := range s.emits {
			safe[e.from.topic] = min(safe[e.from.topic], e.from.offset)
		}
		for _, v := range s.writes {
			safe[v.from.topic] = min(safe[v.from.topic], v.from.offset)
		}
	}
	for i := range safe {
		s.committed[i] = max(s.committed[i], safe[i])
	}
}

// arm keeps the timer of an order by what was just stored of it.
func (w *world) arm(id string) {
	s := &w.saga
	if due, arming, open := s.disk()[id].Timer(); open {
		w.code.Arm(&s.timers, id, due.UnixMicro(), arming)
	} else {
		s.timers.Disarm(id)
	}
}

// tick sends what is due, or some of it. The brokers may refuse one, which is then sent
// again a while later.
func (w *world) tick(int) {
	s := &w.saga
	now := w.clock(sagaClock)
	for _, one := range s.timers.Take(now.UnixMicro(), make([]deadline.Armed[struct{}], 0, 1+w.r.IntN(3))) {
		if w.strikes(Ticks, 4) {
			s.timers.PutBack(one, now.Add(time.Second).UnixMicro())
			continue
		}
		w.timers = append(w.timers, timerRecord{one.Key, one.Arming})
		if w.trace != nil {
			w.tell("timer %d of %s fires", one.Arming, one.Key)
		}
	}
}

// tickAgain sends an earlier timer once more.
func (w *world) tickAgain(int) {
	t := w.timers[w.r.IntN(len(w.timers))]
	w.again++
	w.timers = append(w.timers, t)
	if w.trace != nil {
		w.tell("timer %d of %s fires again", t.arming, t.orderID)
	}
}

// restartSaga begins another life of the saga. On the same machine its disk holds
// all that it stored, be it in the topic or not; elsewhere at most what some earlier
// life left there.
func (w *world) restartSaga(elsewhere bool) {
	s := &w.saga
	before := s.disk()
	if elsewhere {
		if w.strikes(Ghosts, 2) && len(s.emits)+len(s.writes) > 0 {
			w.ghosts = append(w.ghosts, &ghost{emits: slices.Clone(s.emits), writes: slices.Clone(s.writes), machine: s.machine + 1})
		}
		s.machine = 1 - s.machine
		if w.r.IntN(3) == 0 {
			s.disks[s.machine] = map[string]saga.State{}
		}
	}
	s.muted = s.muted || len(s.emits) > 0
	// Who is frozen keeps its disk to itself: it must be gone before another uses it.
	w.ghosts = slices.DeleteFunc(w.ghosts, func(g *ghost) bool { return g.machine == s.machine+1 })
	if w.trace != nil {
		w.tell("saga starts again, elsewhere: %v, from %v of %v; %d emits and %d states had not got out",
			elsewhere, s.committed, s.read, len(s.emits), len(s.writes))
	}
	s.life++
	s.emits, s.writes = nil, nil
	for i := range s.known {
		s.known[i] = max(s.known[i], s.read[i])
	}
	s.read = s.committed
	s.backlog = [2]int{len(w.log), len(w.timers)}
	for id, state := range s.topic {
		if state.Revision >= s.disk()[id].Revision {
			s.disk()[id] = state
		}
	}
	s.timers = deadlines{}
	for _, c := range w.orders {
		w.arm(c.id)
	}
	for id, state := range before {
		s.forgot = s.forgot || state.Revision > s.disk()[id].Revision
	}
}

// aggregate is the shell of the fold.
type aggregate struct {
	machine   int
	disks     [2]map[string]order.Row
	topic     map[string]order.Row
	read      int
	committed int
	writes    []rowWrite
}

type rowWrite struct {
	row  order.Row
	from int
}

func newAggregate() aggregate {
	return aggregate{disks: [2]map[string]order.Row{{}, {}}, topic: map[string]order.Row{}}
}

func (a *aggregate) disk() map[string]order.Row { return a.disks[a.machine] }

func (w *world) rowOptions() {
	a := &w.rows
	w.option(a.read < len(w.log), 10, (*world).fold, 0)
	w.option(len(a.writes) > 0, 8, (*world).writeRow, 0)
	w.option(a.committed != a.read, 2, (*world).commitRows, 0)
}

// fold adds the next event to its row.
func (w *world) fold(int) {
	a := &w.rows
	e := w.log[a.read].Event
	before := a.disk()[e.OrderID]
	row := w.code.Fold(before, e)
	w.auditStep(before, row)
	a.disk()[e.OrderID] = row
	a.writes = append(a.writes, rowWrite{row, a.read})
	a.read++
}

func (w *world) writeRow(int) {
	a := &w.rows
	if row := a.writes[0].row; row.Meta.Version >= a.topic[row.ID].Meta.Version {
		a.topic[row.ID] = row
	}
	a.writes = a.writes[1:]
}

func (w *world) commitRows(int) {
	a := &w.rows
	a.committed = a.read
	if len(a.writes) > 0 && !w.code.Early {
		a.committed = a.writes[0].from
	}
}

func (w *world) restartRows(elsewhere bool) {
	a := &w.rows
	if elsewhere {
		a.machine = 1 - a.machine
	}
	a.writes, a.read = nil, a.committed
	for id, row := range a.topic {
		if row.Meta.Version >= a.disk()[id].Meta.Version {
			a.disk()[id] = row
		}
	}
	if w.trace != nil {
		w.tell("aggregate starts again from %d", a.read)
	}
}
