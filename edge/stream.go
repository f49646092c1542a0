package edge

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"simplecqrs/order"
)

// Log is the log of events for those who want all of them.
type Log interface {
	// Follow begins after a place that was told before, for "" at the log's end; an
	// *order.Error Invalid says that it is none.
	Follow(place string) (Following, error)
}

// Following is a client's place in the log.
type Following interface {
	// Next visits the messages that are at hand, see [Message], once there are some,
	// each with the place behind it, until ctx ends or visit fails. A place without a
	// message says that the log is followed from there on: at first without a place,
	// or because the last is not in the log any more.
	Next(ctx context.Context, visit func(place string, message []byte) error) error
	Close()
}

// Message is what those who follow all orders are told of an event, given where it
// lies in the log.
func Message(partition int32, offset int64, e order.Event) []byte {
	m := struct {
		Order     string       `json:"order"`
		Partition int32        `json:"partition"`
		Offset    int64        `json:"offset"`
		ID        string       `json:"id"`
		Type      order.Type   `json:"type"`
		Time      time.Time    `json:"time"`
		Attempt   int          `json:"attempt"`
		Causation string       `json:"causation,omitempty"`
		Actor     string       `json:"actor,omitempty"`
		Reason    string       `json:"reason,omitempty"`
		Status    order.Status `json:"status,omitempty"`
	}{e.OrderID, partition, offset, e.ID, e.Type, e.Time, e.Attempt, e.Causation, e.Actor, e.Reason, e.Status}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // of a time that no codec lets through
	}
	return text
}

const (
	lastEventID = "Last-Event-ID"
	// visibleTime is how long a stream waits for an order to be seen at all, as it may
	// have been accepted a moment ago.
	visibleTime = 2 * time.Second
	// missingTime is the wait before rows are asked again that could not be had.
	missingTime = time.Second
)

// followOrder sends the history of an order whenever it changes:
// GET /query/{id}/stream.
func (e *edge) followOrder(w http.ResponseWriter, r *http.Request) error {
	id := mux.Vars(r)["id"]
	if err := orderID(id); err != nil {
		return err
	}
	var seen int64
	if text := r.Header.Get(lastEventID); text != "" {
		var err error
		if seen, err = strconv.ParseInt(text, 10, 64); err != nil || seen < 0 {
			return fail(http.StatusBadRequest, "the header %s is %q: want the version of an order, as the messages have it", lastEventID, text)
		}
	}
	leave, err := e.streams.enter(streamOrder)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := staying(r)
	defer cancel()
	if err := e.exists(ctx, id); err != nil {
		return err
	}
	s, err := sending(ctx, w)
	if err != nil {
		return err
	}
	defer s.end()
	rows := make(chan order.Row)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	asking.Go(func() { e.changes(ctx, id, seen, rows) })
	beat := time.NewTicker(beatTime)
	defer beat.Stop()
	for err = s.send(); err == nil; { // else there is nobody to tell
		select {
		case row := <-rows:
			var body []byte
			if body, err = historyOf(row); err != nil {
				e.Health.Logger.ErrorContext(ctx, "a history cannot be shown", slog.String("order", id), slog.Any("error", err))
				return nil
			}
			if err = s.event(strconv.FormatInt(row.Meta.Version, 10), "order", body); err == nil {
				err = s.send()
			}
		case <-beat.C:
			if err = e.door.stays(ctx, r); err == nil {
				err = s.beat()
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return nil
}

// exists returns once there is a row of the order.
func (e *edge) exists(ctx context.Context, id string) error {
	limited, cancel := context.WithTimeout(ctx, visibleTime)
	defer cancel()
	_, err := e.Rows.Await(limited, id, func(order.Row) bool { return true })
	if errors.Is(err, context.DeadlineExceeded) {
		return order.NoSuchOrder(id)
	}
	return err
}

// changes hands over the newest row of an order whenever there is one with a higher
// version, until ctx ends. While the rows are away it goes on asking, as a client
// would not come back to an answer that is no stream.
func (e *edge) changes(ctx context.Context, id string, seen int64, rows chan<- order.Row) {
	for told := false; ctx.Err() == nil; {
		row, err := e.Rows.Await(ctx, id, func(r order.Row) bool { return r.Meta.Version > seen })
		if err != nil {
			if ctx.Err() == nil && order.KindOf(err) == 0 && !told {
				told = true
				e.Health.Logger.ErrorContext(ctx, "an order cannot be followed; it is tried again", slog.String("order", id), slog.Any("error", err))
			}
			select {
			case <-time.After(missingTime):
			case <-ctx.Done():
			}
			continue
		}
		seen, told = row.Meta.Version, false
		select {
		case rows <- row:
		case <-ctx.Done():
		}
	}
}

// followAll sends each event of the log: GET /query/stream.
func (e *edge) followAll(w http.ResponseWriter, r *http.Request) error {
	from := r.Header.Get(lastEventID)
	leave, err := e.streams.enter(streamAll)
	if err != nil {
		return err
	}
	defer leave()
	following, err := e.Log.Follow(from)
	if err != nil {
		return err
	}
	defer following.Close()
	ctx, cancel := staying(r)
	defer cancel()
	var begin string
	if from == "" { // what comes after the headers is not missed
		if begin, err = beginning(ctx, r, following); err != nil {
			return err
		}
	}
	s, err := sending(ctx, w)
	if err != nil {
		return err
	}
	defer s.end()
	if from == "" {
		err = s.event(begin, "", nil) // where to go on if nothing comes
	}
	visit := func(place string, message []byte) error {
		if message == nil {
			return s.event(place, "reset", []byte("{}"))
		}
		return s.event(place, "", message)
	}
	if err == nil {
		err = s.send()
	}
	for judged := time.Now(); err == nil; { // else there is nobody to tell
		waiting, stop := context.WithTimeout(ctx, beatTime)
		err = following.Next(waiting, visit)
		stop()
		switch {
		case err == nil:
			err = s.send()
		case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			err = s.beat()
		}
		if err == nil && time.Since(judged) >= beatTime {
			err, judged = e.door.stays(ctx, r), time.Now()
		}
	}
	return nil
}

// beginning is the place from which a client without one follows the log.
func beginning(ctx context.Context, r *http.Request, f Following) (begin string, err error) {
	limited, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	err = f.Next(limited, func(place string, _ []byte) error {
		begin = place
		return nil
	})
	if err != nil && r.Context().Err() == nil {
		return "", &order.Error{Kind: order.Unavailable, Detail: "the end of the log is not known, as the brokers do not answer: try again"}
	}
	return begin, err
}
