package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simplecqrs/order"
)

// seenTopology is one that tells of so many partitions, and of nothing else.
func seenTopology(partitions int64) any {
	return map[string]any{"time": began, "partitions": partitions, "topics": []any{}, "roles": []any{}, "local": []any{}}
}

func topologyBody(partitions int) string {
	return fmt.Sprintf(`{"local":[],"partitions":%d,"roles":[],"time":"2026-01-02T03:04:05Z","topics":[]}`+"\n", partitions)
}

func TestHoweverManyWatchTheTopologyTheBrokersAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		w := newWorld(t)
		w.topology = func(ctx context.Context) (any, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the question has no bound")
			}
			<-time.After(time.Second / 2)
			return seenTopology(asked.Add(1)), nil
		}
		watch := func(times int) {
			t.Helper()
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					w.do(http.MethodGet, "/query/stats/topology").want(t, http.StatusOK, topologyBody(times))
				})
			}
			all.Wait()
		}
		watch(1)
		<-time.After(sharedAge - time.Millisecond)
		watch(1)
		<-time.After(time.Millisecond)
		watch(2)
	})
}

func TestATopologyThatCannotBeHadIsSharedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		w := newWorld(t)
		w.topology = func(ctx context.Context) (any, error) {
			asked++
			<-ctx.Done()
			return nil, &order.Error{Kind: order.Unavailable, Detail: "no broker"}
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				w.do(http.MethodGet, "/query/stats/topology").wantProblem(t, http.StatusServiceUnavailable, "no broker")
			})
		}
		all.Wait()
		if took := time.Since(began); asked != 1 || took != queryTime {
			t.Errorf("asked %d times in %s, want once in %s", asked, took, queryTime)
		}
	})
}

func TestAWatcherThatLeavesTakesNoOthersAnswerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.topology = func(ctx context.Context) (any, error) {
			select {
			case <-time.After(time.Second):
				return seenTopology(1), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		leaving, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { w.serve(w.request(http.MethodGet, "/query/stats/topology", "").WithContext(leaving)) })
		synctest.Wait()
		all.Go(func() {
			w.do(http.MethodGet, "/query/stats/topology").want(t, http.StatusOK, topologyBody(1))
		})
		synctest.Wait()
		waiting, cancel := context.WithCancel(t.Context())
		all.Go(func() { // this one leaves before its turn
			s := w.serve(w.request(http.MethodGet, "/query/stats/topology", "").WithContext(waiting))
			if s.StatusCode != clientGone {
				t.Errorf("one that leaves before its turn is answered %s", s.Status)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		leave()
		all.Wait()
		w.wantNothingLogged()
	})
}

func TestATopologyThatIsNoJSONIsOursToSee(t *testing.T) {
	w := newWorld(t)
	w.topology = func(context.Context) (any, error) { return errors.New, nil }
	w.do(http.MethodGet, "/query/stats/topology").wantProblem(t, http.StatusInternalServerError, "")
	w.wantLogged("unsupported type")
}
