package node

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/views"
)

// message is one of a stream.
type message struct{ id, event, data string }

// listening is a client of a stream.
type listening struct {
	body   io.Closer
	leave  context.CancelFunc
	text   *bufio.Reader
	status int
}

// listen opens a stream, as a browser does that has seen a message before.
func listen(ctx context.Context, url, last string) (*listening, error) {
	ctx, leave := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		leave()
		return nil, err
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	// A connection of its own, as each client has.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		leave()
		return nil, err
	}
	return &listening{answer.Body, leave, bufio.NewReader(answer.Body), answer.StatusCode}, nil
}

func (w *world) listen(url, last string) *listening {
	w.t.Helper()
	l, err := listen(context.Background(), url, last)
	check(w.t, err)
	w.t.Cleanup(l.close)
	if l.status != http.StatusOK {
		w.t.Fatalf("%s answered %d", url, l.status)
	}
	return l
}

func (l *listening) close() {
	l.leave()
	_ = l.body.Close() // which was cut already
}

// next gives the next message, which may have no data.
func (l *listening) next() (m message, err error) {
	for {
		line, err := l.text.ReadString('\n')
		if err != nil {
			return m, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case name == "id":
			m.id = value
		case name == "event":
			m.event = value
		case name == "data":
			m.data = value
		case line == "" && m != message{}:
			return m, nil
		}
	}
}

// told is the data of the stream of all orders.
type told struct {
	Order     string
	Partition int32
	Offset    int64
	Type      order.Type
}

func TestAnOrderCanBeFollowed(t *testing.T) {
	for _, query := range []string{QueryMongo, QueryLocal} {
		t.Run(query, func(t *testing.T) {
			w := newWorld(t)
			n := w.start(func(c *Config) { c.Query = query }).ready()
			all := w.listen(n.url("/query/stream"), "")
			at, err := all.next()
			check(t, err)
			if at.id == "" || at.data != "" || at.event != "" {
				t.Errorf("the stream of all begins with %+v", at)
			}
			id := n.place()
			one := w.listen(n.url("/query/"+id+"/stream"), "")
			version := 0
			for done := false; !done; {
				m, err := one.next()
				check(t, err)
				var h struct {
					ID      string
					Version int
					Status  order.Status
				}
				check(t, json.Unmarshal([]byte(m.data), &h))
				if m.event != "order" || m.id != fmt.Sprint(h.Version) || h.ID != id || h.Version <= version {
					t.Errorf("after version %d came %+v", version, m)
				}
				version, done = h.Version, h.Status.Ended()
			}
			_, want := n.get("/query/" + id + "/history")
			again := w.listen(n.url("/query/"+id+"/stream"), fmt.Sprint(version-1))
			m, err := again.next()
			check(t, err)
			if diff := cmp.Diff(message{fmt.Sprint(version), "order", strings.TrimSpace(want)}, m, cmp.AllowUnexported(message{})); diff != "" {
				t.Errorf("resumed (-history +stream):\n%s", diff)
			}
			var types []order.Type
			for range happy {
				m, err := all.next()
				check(t, err)
				var e told
				check(t, json.Unmarshal([]byte(m.data), &e))
				if e.Order != id || e.Partition != stream.Partition(id, partitions) {
					t.Errorf("%s of %s in partition %d", e.Type, e.Order, e.Partition)
				}
				types = append(types, e.Type)
			}
			if diff := cmp.Diff(happy, types); diff != "" {
				t.Errorf("the stream of all (-want +got):\n%s", diff)
			}
		})
	}
}

// An event that lies where its key does not belong is told of once it was sent on.
func TestTheStreamOfAllPassesOverWhatIsNoEvent(t *testing.T) {
	w := newWorld(t)
	n := w.start(func(c *Config) { c.Query = QueryLocal }).ready()
	all := w.listen(n.url("/query/stream"), "")
	_, err := all.next()
	check(t, err)
	const id = "ORD-B384F"
	at := stream.Partition(id, partitions)
	w.produce(&kgo.Record{Partition: at, Key: []byte(id), Value: []byte("no event")})
	w.produce(&kgo.Record{Partition: (at + 1) % partitions, Key: []byte(id), Value: []byte(`{"id":"` + id + `","type":"ORDER_REQUESTED"}`)})
	n.ended(id)
	last := n.place()
	var types []order.Type
	for {
		m, err := all.next()
		check(t, err)
		var e told
		check(t, json.Unmarshal([]byte(m.data), &e))
		if e.Order == last {
			if e.Type == happy[len(happy)-1] {
				break
			}
			continue
		}
		types = append(types, e.Type)
		if e.Partition != at {
			t.Errorf("%s is told of in partition %d", e.Type, e.Partition)
		}
	}
	if diff := cmp.Diff(happy, types); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// follower is a client that comes back to the stream of all orders, wherever that is
// served, each time it is cut.
type follower struct {
	last  string
	begun chan struct{} // closed once it has a place
	seen  []told
	cuts  int
}

// follow has the follower see so many events. It cuts itself after so many messages.
func (f *follower) follow(ctx context.Context, url func() string, want, cut int) error {
	for len(f.seen) < want && ctx.Err() == nil {
		l, err := listen(ctx, url(), f.last)
		if err != nil {
			select { // the server is on its way
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		err = f.read(l, want, cut)
		l.close()
		f.cuts++
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *follower) read(l *listening, want, cut int) error {
	if l.status != http.StatusOK {
		return fmt.Errorf("answered %d", l.status)
	}
	for n := 0; len(f.seen) < want && n < cut; n++ {
		m, err := l.next()
		if err != nil {
			return nil // cut by the server
		}
		if f.last == "" {
			close(f.begun)
		}
		f.last = m.id
		var e told
		switch {
		case m.event != "":
			return fmt.Errorf("%+v", m)
		case m.data == "":
			continue
		}
		if err := json.Unmarshal([]byte(m.data), &e); err != nil {
			return err
		}
		f.seen = append(f.seen, e)
	}
	return nil
}

// Each client is cut again and again, and the server starts anew in the middle.
func TestAClientThatIsCutHasEveryEventOnceAllTheSame(t *testing.T) {
	const orders, clients = 500, 4
	w := newWorld(t)
	works := w.start(func(c *Config) {
		c.Roles = slices.DeleteFunc(AllRoles(saga.Default()), func(r string) bool { return r == views.RoleSink })
		c.Query = QueryLocal
	}).ready()
	edgeOnly := func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal }
	var serves atomic.Pointer[running]
	serves.Store(w.start(edgeOnly))

	var all sync.WaitGroup
	followers := make([]*follower, clients)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	for i := range followers {
		f := &follower{begun: make(chan struct{})}
		followers[i] = f
		all.Go(func() {
			url := func() string { return serves.Load().url("/query/stream") }
			if err := f.follow(ctx, url, orders*len(happy), 50+350*i); err != nil {
				t.Errorf("client %d: %v after %d events", i, err, len(f.seen))
			}
		})
	}
	for _, f := range followers {
		<-f.begun
	}
	var placed atomic.Int64
	half := make(chan struct{})
	for range 100 {
		all.Go(func() {
			for range orders / 100 {
				if _, err := placeAt(works.url("/command")); err != nil {
					t.Error(err)
				}
				if placed.Add(1) == orders/2 {
					close(half)
				}
			}
		})
	}
	<-half
	serves.Load().stop()
	serves.Store(w.start(edgeOnly))
	all.Wait()
	var want []told
	for _, r := range w.records(codecs.StoreOrder) {
		want = append(want, told{string(r.Key), r.Partition, r.Offset, order.Type(header(r, "ce_type"))})
	}
	byPartition := func(a, b told) int { return int(a.Partition - b.Partition) }
	slices.SortStableFunc(want, byPartition)
	for i, f := range followers {
		slices.SortStableFunc(f.seen, byPartition)
		if diff := cmp.Diff(want, f.seen); diff != "" || f.cuts < 2 {
			t.Errorf("client %d, cut %d times (-log +seen):\n%s", i, f.cuts, diff)
		}
	}
}
