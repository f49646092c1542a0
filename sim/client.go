package sim

import (
	"fmt"
	"slices"
	"time"

	"simplecqrs/order"
	"simplecqrs/saga"
)

func (w *world) clientOptions() {
	for i, c := range w.orders {
		w.option(!c.placed, 3, (*world).place, i)
	}
	for i := range w.rivals {
		w.option(true, 1, (*world).contest, i)
	}
}

// place sends an order.
func (w *world) place(i int) {
	c := w.orders[i]
	c.placed = true
	now := w.clock(clientClock)
	var startAt time.Time
	if w.strikes(Appointments, 3) {
		startAt = now.Add(time.Duration(w.r.IntN(20_000)) * time.Millisecond)
	}
	c.begins = saga.Begin(w.plan, c.id, nil, startAt, now, "edge")
	rivalStartAt := startAt
	if w.strikes(Appointments, 2) && !w.workers[0].foreign {
		rivalStartAt = time.Time{} // else what answers that passes for an answer to what the saga asks later
	}
	rival := saga.Begin(w.plan, c.id, nil, rivalStartAt, now, "edge")
	if w.r.IntN(4) == 0 {
		c.begins.ID += "/a"
	}
	w.append(record{Event: c.begins, source: "client"})
	if w.strikes(Copies, 6) {
		w.again++
		w.append(record{Event: c.begins, source: "client"})
	}
	if w.strikes(Rivals, 2) {
		// One under the usual id, of an order that began otherwise, is known by that.
		if usual := c.begins.ID != rival.ID && startAt.IsZero() && w.r.IntN(3) == 0; !usual {
			rival.ID += "/b"
		}
		w.again++ // one answer's id is the other's
		if w.r.IntN(2) == 0 {
			w.rivals = append(w.rivals, rival)
		} else {
			w.append(record{Event: rival, source: "client"})
		}
	}
}

// contest sends another client's order under an id that is taken, at any moment.
func (w *world) contest(i int) {
	rival := w.rivals[i]
	w.rivals = slices.Delete(w.rivals, i, i+1)
	w.append(record{Event: rival, source: "client"})
}

// command sends what an operator asks for, at any moment.
func (w *world) command(int) {
	w.commands--
	c := w.orders[w.r.IntN(len(w.orders))]
	// Those that fit more often than those that do not.
	all := order.Commands()
	command := all[w.r.IntN(len(all))]
	if s := w.rows.disk()[c.id].Meta; w.r.IntN(2) == 0 {
		switch {
		case s.Status == order.StatusStuck:
			command = []order.Command{order.Retry, order.Skip, order.Cancel, order.Pause}[w.r.IntN(4)]
		case s.Paused:
			command = []order.Command{order.Resume, order.Cancel}[w.r.IntN(2)]
		case s.Status == order.StatusScheduled:
			command = []order.Command{order.Schedule, order.Cancel, order.Pause}[w.r.IntN(3)]
		default:
			command = []order.Command{order.Pause, order.Cancel}[w.r.IntN(2)]
		}
	}
	w.send(c.id, command)
	if w.strikes(Replays, 4) {
		w.replay(0)
	}
}

// troubled reports whether there is an order of which operators take more notice than of
// others.
func (w *world) troubled() bool {
	return slices.ContainsFunc(w.orders, func(c *client) bool {
		return w.saga.disk()[c.id].Status == order.StatusStuck || w.redone(c.id)
	})
}

// redone reports whether a step of an order that goes on is done anew.
func (w *world) redone(id string) bool {
	s := w.saga.disk()[id]
	return s.Status == order.StatusRunning && slices.ContainsFunc(s.Work, func(k saga.Work) bool { return k.Round > 1 })
}

func (w *world) send(id string, command order.Command) {
	now := w.clock(clientClock)
	e := order.Event{
		OrderID: id, Type: command.Type(), ID: fmt.Sprintf("%s/command/%d", id, len(w.sent)+1), Time: now,
		Source: "edge", Actor: "operator", Attempt: 1, Round: 1, Reason: "so it is wanted",
	}
	switch command {
	case order.Skip:
		if w.r.IntN(2) == 0 {
			e.Output = order.JSON(`"by hand"`)
		}
	case order.Schedule:
		e.StartAt = now.Add(time.Duration(w.r.IntN(20_000)) * time.Millisecond)
	default: // the others carry nothing more
	}
	w.sent = append(w.sent, e)
	w.append(record{Event: e, source: "operator"})
}

// replay sends a command once more.
func (w *world) replay(int) {
	w.again++
	w.append(record{Event: w.sent[w.r.IntN(len(w.sent))], source: "operator"})
}

// help has operators look after what waits for them, by what the rows say. It reports
// whether there was anything to do.
func (w *world) help() (any bool) {
	for _, c := range w.orders {
		m := w.rows.topic[c.id].Meta
		helped := w.helped[c.id]
		if helped > 8 {
			continue
		}
		switch {
		case m.Paused:
			w.send(c.id, order.Resume)
		case m.Status == order.StatusStuck && w.leave:
			continue
		case m.Status == order.StatusStuck && w.r.IntN(3) == 0 && !undoing(w.rows.topic[c.id]):
			w.send(c.id, order.Cancel)
		case m.Status == order.StatusStuck && helped < 4:
			w.send(c.id, order.Retry)
		case m.Status == order.StatusStuck:
			w.send(c.id, order.Skip)
		case w.redone(c.id) && !w.calm:
			w.send(c.id, order.Cancel) // at the worst of moments
		default:
			continue
		}
		w.helped[c.id]++
		any = true
	}
	return any
}

// undoing reports whether a row tells that the order is being undone.
func undoing(r order.Row) bool {
	return slices.ContainsFunc(r.Meta.History, func(e order.Entry) bool { return e.Status == order.StatusCompensating })
}
