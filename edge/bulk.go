package edge

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

const (
	// maxBulk bounds how many orders one request commands.
	maxBulk = 1000
	// bulkWidth is how many of them are dealt with at once.
	bulkWidth = 50
	// lastLookTime bounds the last look at what was waited for in vain; see awaitRowOf.
	lastLookTime = 2 * time.Second
)

// result is what came of a command to one of several orders, as if it had been given alone.
type result struct {
	ID      string `json:"id"`
	Status  int    `json:"status"`
	Command string `json:"command,omitempty"`
	Error   string `json:"error,omitempty"`
	// Resolved is what became of a letter, if that was waited for.
	Resolved codecs.Resolution `json:"resolved,omitempty"`
	// Type is the order's last event, if the command was waited for and carried out.
	Type order.Type `json:"type,omitempty"`
	// Compared says that the row has told already that the command was the first of its key.
	Compared bool `json:"-"`
}

// bulk gives a command to several orders: POST /command/{verb}.
func (e *edge) bulk(w http.ResponseWriter, r *http.Request) error {
	asked, err := askingOf(w, r)
	if err != nil {
		return err
	}
	c, err := commandIn(r, asked, "ids", "filter")
	if err != nil {
		return err
	}
	if len(r.Header.Values(headerMatch)) > 0 {
		return fail(http.StatusBadRequest, "the header %s goes with a command to one order: POST /command/{id}/%s", headerMatch, c.verb)
	}
	ids, rows, next, err := e.meant(r.Context(), asked.all)
	if err != nil {
		return err
	}
	e.door.limits.more(r, len(ids)-1)
	results := e.giveAll(r, c, ids, rows)
	if c.key != "" {
		e.compareAll(r, results)
	}
	if asked.wait > 0 {
		e.awaitAll(w, r, asked.wait, results)
	}
	return sendResults(w, results, next)
}

// sendResults answers with what came of each, and the filter's member after for those that are
// left; empty for none.
func sendResults(w http.ResponseWriter, results []result, next string) error {
	return sendJSON(w, http.StatusOK, struct {
		Results []result `json:"results"`
		More    bool     `json:"more"`
		Next    string   `json:"next,omitempty"`
	}{results, next != "", next})
}

// meansIDs reports whether a body means what it means by ids; if not, it is by a filter.
func meansIDs(all members) (bool, error) {
	_, ids := all["ids"]
	_, filter := all["filter"]
	switch {
	case ids && filter:
		return false, fail(http.StatusBadRequest, "the body may have one of the members \"ids\" and \"filter\", and has both")
	case !ids && !filter:
		return false, fail(http.StatusBadRequest, "the body has to have one of the members \"ids\" and \"filter\"")
	}
	return ids, nil
}

// meant finds which orders a body means, with their rows if it means them by a filter.
func (e *edge) meant(ctx context.Context, all members) (ids []string, rows []order.Row, next string, err error) {
	byIDs, err := meansIDs(all)
	if err != nil {
		return nil, nil, "", err
	}
	if byIDs {
		ids, err = idsIn(all["ids"])
		return ids, nil, "", err
	}
	f, after, err := filterIn(all["filter"])
	if err != nil {
		return nil, nil, "", err
	}
	rows, next, err = e.findPage(ctx, f, order.Page{After: after, Limit: maxBulk})
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	return ids, rows, next, err
}

// idsIn reads a list of orders. Nothing is done for any of them if one is wrong.
func idsIn(raw json.RawMessage) (ids []string, err error) {
	if err := json.Unmarshal(raw, &ids); err != nil || len(ids) == 0 || len(ids) > maxBulk {
		return nil, fail(http.StatusBadRequest, "the body's member \"ids\" is not a list of 1 to %d ids", maxBulk)
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if err := orderID(id); err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, fail(http.StatusBadRequest, "the order %s stands twice", id)
		}
		seen[id] = true
	}
	return ids, nil
}

// filterIn reads a filter. An empty one is more likely a mistake than all orders.
func filterIn(raw json.RawMessage) (f order.Filter, after order.Place, err error) {
	var all members
	if err := json.Unmarshal(raw, &all); err != nil || len(all) == 0 {
		return f, after, fail(http.StatusBadRequest, "the body's member \"filter\" is no JSON object that has members")
	}
	if err := all.known(filterNames...); err != nil {
		return f, after, err
	}
	p := make(parameters, len(all))
	for name := range all {
		if p[name], err = all.text(name, maxBody); err != nil {
			return f, after, err
		}
	}
	f, after, err = p.filter("the filter's member")
	if err == nil && f == (order.Filter{}) {
		err = fail(http.StatusBadRequest, "the filter says nothing of the orders' status, their type, or when they changed")
	}
	return f, after, err
}

// giveAll gives a command to orders, whose rows may be known, within the time that the
// log has for one.
func (e *edge) giveAll(r *http.Request, c command, ids []string, rows []order.Row) []result {
	ctx, cancel := acting(r)
	defer cancel()
	results := make([]result, len(ids))
	one := func(i int) (row order.Row, id string, err error) {
		if ctx.Err() != nil {
			return row, "", &order.Error{Kind: order.Unavailable, Detail: "the time was over before the order's turn came"}
		}
		if rows != nil {
			row = rows[i]
		} else if row, err = e.find(ctx, ids[i]); err != nil {
			return row, "", err
		}
		id, err = e.give(ctx, row, c)
		return row, id, err
	}
	each(len(ids), func(i int) {
		row, id, err := one(i)
		results[i] = e.resultOf(r, ids[i], id, http.StatusAccepted, err)
		results[i].Compared = firstUnderKey(row, id) != ""
	})
	return results
}

// each does something for each of n, bulkWidth of them at once.
func each(n int, do func(i int)) {
	var turn atomic.Int64
	var all sync.WaitGroup
	for range min(n, bulkWidth) {
		all.Go(func() {
			for i := int(turn.Add(1)) - 1; i < n; i = int(turn.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}

// compareAll sees, for all commands of a key that were accepted, that each was the first of
// it in the log, within the time that the read side has for one.
func (e *edge) compareAll(r *http.Request, results []result) {
	ctx, cancel := waiting(r, queryTime)
	defer cancel()
	each(len(results), func(i int) {
		if one := results[i]; one.Status == http.StatusAccepted && !one.Compared {
			results[i] = e.resultOf(r, one.ID, one.Command, http.StatusAccepted, e.compared(ctx, one.ID, one.Command))
		}
	})
}

// awaitRowOf gives the first row of an order for which until holds. Several may share the
// time that ctx gives, and those that are silent may use it up before the turn of the
// others comes: once it is over, each is looked at all the same.
func (e *edge) awaitRowOf(ctx context.Context, id string, until func(order.Row) bool) (row order.Row, err error) {
	if err = ctx.Err(); err == nil {
		row, err = e.Rows.Await(ctx, id, until)
	}
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return row, err
	}
	over, _ := ctx.Deadline()
	looking, cancel := context.WithDeadline(context.WithoutCancel(ctx), over.Add(lastLookTime))
	defer cancel()
	if now, gone := e.find(looking, id); gone == nil && until(now) {
		return now, nil
	}
	return row, err
}

// resultOf is what a client that had asked for one order would have been told.
func (e *edge) resultOf(r *http.Request, id, command string, status int, err error) result {
	if err == nil {
		return result{ID: id, Status: status, Command: command}
	}
	p := server{log: e.Health.Logger}.problemOf(r, err)
	return result{ID: id, Status: p.Status, Command: command, Error: p.said()}
}

// awaitAll waits for the answers to commands that were accepted, for all of them together.
func (e *edge) awaitAll(w http.ResponseWriter, r *http.Request, wait time.Duration, results []result) {
	ctx, cancel := waiting(r, wait)
	defer cancel()
	each(len(results), func(i int) {
		one := results[i]
		if one.Status != http.StatusAccepted {
			return
		}
		row, err := e.awaitRowOf(ctx, one.ID, answers(one.Command))
		if err != nil {
			return // the time is over, or the read side away; it stays accepted
		}
		results[i] = e.resultOf(r, one.ID, one.Command, http.StatusOK, verdict(row, one.Command))
		if results[i].Error == "" {
			results[i].Type = row.Type
		}
	})
	w.Header().Set("Preference-Applied", applied(wait))
}
