package views

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"simplecqrs/order"
)

// store is one that a test plays.
type store struct {
	mu    sync.Mutex
	rows  map[string]order.Row
	err   error
	takes time.Duration // to answer
	looks int
	now   int
	most  int // at once
}

func (s *store) put(r order.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[r.ID] = r
}

func (s *store) look(ctx context.Context, id string) (order.Row, error) {
	s.mu.Lock()
	s.looks++
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return order.Row{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row, found := s.rows[id]
	switch {
	case s.err != nil:
		return order.Row{}, s.err
	case !found:
		return order.Row{}, order.NoSuchOrder(id)
	}
	return row, nil
}

func (s *store) looked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looks
}

// watched runs a test on a store that is played, and holds it to leave nothing behind.
func watched(t *testing.T, test func(t *testing.T, s *store, w *watches)) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{rows: map[string]order.Row{}, takes: time.Millisecond}
		w := newWatches(s.look)
		test(t, s, w)
		if n := len(w.all); n > 0 {
			t.Errorf("%d orders are watched when nobody waits", n)
		}
		looks := s.looked()
		<-time.After(time.Hour)
		if n := s.looked() - looks; n > 0 {
			t.Errorf("and looked for %d times", n)
		}
		w.close()
	})
}

func TestAnOrderIsLookedForOnceHoweverManyWaitForIt(t *testing.T) {
	watched(t, func(t *testing.T, s *store, w *watches) {
		var all sync.WaitGroup
		id := newID()
		for range 1000 {
			all.Go(func() {
				if row, err := w.await(t.Context(), id, versionOf(2)); err != nil || row.Meta.Version < 2 {
					t.Errorf("%v, %v", row, err)
				}
			})
		}
		<-time.After(20 * time.Millisecond)
		s.put(rowOf(id, 1))
		<-time.After(20 * time.Millisecond)
		s.put(rowOf(id, 2))
		all.Wait()
		if n := s.looked(); n > 8 {
			t.Errorf("it was looked for %d times in 40 ms", n)
		}
	})
}

// Each waits for an order of its own. Of many more looks in a bubble the race detector itself
// dies at times (golang.org/issue/78156).
func TestNoMoreThanAFewAreLookedForAtOnce(t *testing.T) {
	watched(t, func(t *testing.T, s *store, w *watches) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if _, err := w.await(ctx, newID(), versionOf(1)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		t.Logf("%d looks for 200 orders in ten seconds", s.looks)
		if s.most != maxLooks || s.looks > 5_000 {
			t.Errorf("%d were looked for at once, %d in all", s.most, s.looks)
		}
	})
}

func TestTheLongerAnOrderStandsStillTheSeldomerItIsLookedFor(t *testing.T) {
	watched(t, func(t *testing.T, s *store, w *watches) {
		id := newID()
		s.put(rowOf(id, 1))
		for _, c := range []struct {
			after, late time.Duration // when the order changes, and how late that may be seen
		}{
			{5 * time.Millisecond, 11 * time.Millisecond},
			{100 * time.Millisecond, 51 * time.Millisecond},
			{2 * time.Second, 1001 * time.Millisecond},
			{time.Hour, lookMost + 2*time.Millisecond},
		} {
			version := s.rows[id].Meta.Version
			looks, start := s.looked(), time.Now()
			time.AfterFunc(c.after, func() { s.put(rowOf(id, int(version)+1)) })
			_, err := w.await(t.Context(), id, versionOf(version+1))
			check(t, err)
			if late := time.Since(start) - c.after; late > c.late {
				t.Errorf("a change after %v was seen %v later", c.after, late)
			}
			if n, most := s.looked()-looks, 20+int(c.after/lookMost); n > most {
				t.Errorf("in %v it was looked for %d times", c.after, n)
			}
		}
	})
}

func TestWhoKnowsOfAChangeEndsTheWait(t *testing.T) {
	for _, c := range []struct {
		name string
		tell func(*store, *watches, order.Row)
		late time.Duration
	}{
		{"a sink that stored the row", func(_ *store, w *watches, r order.Row) { w.stored(r) }, 0},
		{"one who wrote an event", func(s *store, w *watches, r order.Row) {
			w.moves(r.ID)
			time.AfterFunc(15*time.Millisecond, func() { s.put(r) })
		}, 25 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			watched(t, func(t *testing.T, s *store, w *watches) {
				id := newID()
				s.put(rowOf(id, 1))
				var told time.Time
				time.AfterFunc(time.Hour+time.Second, func() {
					told = time.Now()
					w.stored(rowOf(newID(), 2)) // for which nobody waits
					w.moves(newID())
					c.tell(s, w, rowOf(id, 2))
				})
				row, err := w.await(t.Context(), id, versionOf(2))
				if late := time.Since(told); err != nil || row.Meta.Version != 2 || late > c.late {
					t.Errorf("version %d, %v, after %v", row.Meta.Version, err, late)
				}
			})
		})
	}
}

// A look that was under way when the row was stored brings the one before it.
func TestAnOlderRowIsNotSeenAfterANewer(t *testing.T) {
	watched(t, func(t *testing.T, s *store, w *watches) {
		id := newID()
		s.put(rowOf(id, 1))
		time.AfterFunc(time.Second, func() { w.stored(rowOf(id, 3)) })
		time.AfterFunc(30*time.Second, func() { // and many looks
			row, err := w.await(t.Context(), id, versionOf(1))
			if err != nil || row.Meta.Version != 3 {
				t.Errorf("one who comes later sees version %d, %v", row.Meta.Version, err)
			}
		})
		var seen []int64
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		row, err := w.await(ctx, id, func(r order.Row) bool {
			seen = append(seen, r.Meta.Version)
			return false
		})
		if fmt.Sprint(seen) != "[1 3]" || row.Meta.Version != 3 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("saw the versions %v, then %d and %v", seen, row.Meta.Version, err)
		}
	})
}

func TestAStoreThatFailsEndsTheWaitOfAllAndOfNobodyLater(t *testing.T) {
	watched(t, func(t *testing.T, s *store, w *watches) {
		id := newID()
		s.put(rowOf(id, 1))
		time.AfterFunc(time.Second, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.err = storeAway()
		})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				row, err := w.await(t.Context(), id, versionOf(2))
				if row.Meta.Version != 1 || order.KindOf(err) != order.Unavailable {
					t.Errorf("got version %d, %v", row.Meta.Version, err)
				}
			})
		}
		all.Wait()
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		_, err := w.await(t.Context(), id, versionOf(1))
		check(t, err)
	})
}

func TestWhatNoServerHasSaidMeansThatTheStoreIsAway(t *testing.T) {
	for _, c := range []struct {
		err  error
		away bool
	}{
		{errors.New("server selection error"), true},
		{mongo.CommandError{Message: "connection pool for 127.0.0.1:1 was cleared because another operation failed"}, true},
		{mongo.CommandError{Labels: []string{"NetworkError"}, Message: "EOF"}, true},
		{mongo.CommandError{Code: 2, Name: "BadValue"}, false},
		{mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 11000}}}, false},
	} {
		if got := away(fmt.Errorf("wrapped: %w", c.err)); got != c.away {
			t.Errorf("%v: away is %t", c.err, got)
		}
	}
}

func TestAThousandWaitersOfTheStoreLeaveNothingBehind(t *testing.T) {
	m := openMongo(t)
	check(t, m.Ping(patient(t)))
	before := runtime.NumGoroutine()
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if _, err := m.Await(ctx, newID(), versionOf(1)); !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
			})
		}
		await(t, "all to wait", func() bool {
			m.watches.mu.Lock()
			defer m.watches.mu.Unlock()
			return len(m.watches.all) == 1000
		})
		cancel()
		all.Wait()
		const connections = 20 // that the driver, and the embedded store, may have opened for the few looks
		await(t, "what looked for them to end", func() bool { return runtime.NumGoroutine() <= before+connections })
	}
}
