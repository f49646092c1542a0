package stream

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kfake"
)

// The broker ends and starts again at its address with what it had on disk. In
// between its address refuses connections, or takes and closes them as a proxy
// does that finds no broker.
func TestABrokerThatComesBackCostsNoRoleItsLifeAndNoEvent(t *testing.T) {
	for _, c := range []struct {
		name string
		away func(t *testing.T, addr string) (back func())
	}{
		{"connections are refused", func(*testing.T, string) func() { return func() {} }},
		{"connections are taken and closed", slam},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := fakeWorld(t, kfake.DataDir(dir))
			s := newSums(w)
			s.emit(100)
			w.await("the first events to be folded", func() bool { return s.folded() == 100 })

			addr := w.addrs[0]
			w.fake.Close()
			back := c.away(t, addr)
			over := time.After(*outage)
			for tick := time.NewTicker(20 * time.Millisecond); ; {
				s.emit(1)
				select {
				case <-tick.C:
					continue
				case <-over:
				}
				tick.Stop()
				break
			}
			if s.p.client != nil {
				for _, status := range s.p.client.Status() {
					if status.State != Disconnected || status.Err == nil {
						t.Errorf("the broker is away, and %s is %s with error %v", status.Role, status.State, status.Err)
					}
				}
			}
			back()
			w.restart(addr, dir)
			began := time.Now()
			s.emit(100)
			w.await("all events to be folded and seen", func() bool {
				return s.folded() == s.emitted && s.broken.Load()+s.kept.Load() == int64(s.emitted)
			})
			t.Logf("%d events, %d of them while the broker was away for %v; all were folded and seen %v after it came back",
				s.emitted, s.emitted-200, *outage, time.Since(began).Round(time.Millisecond))
			if n := s.broken.Load(); n > 0 {
				t.Errorf("%d promises were broken, the first: %v", n, s.why.Load())
			}
			w.await("both to run", func() bool {
				return !slices.ContainsFunc(s.p.client.Status(), func(status Status) bool { return status.State != Running || status.Err != nil })
			})
			for _, role := range []string{"sums", "view"} {
				if n := s.p.restarts(role); n > 0 {
					t.Errorf("%s had to be built anew %d times", role, n)
				}
			}
		})
	}
}

// slam takes connections and closes them.
func slam(t *testing.T, addr string) (stop func()) {
	t.Helper()
	l := relisten(t, addr)
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_ = c.Close() // that it is cut is all that is wanted
			}
		}
	}()
	return func() { _ = l.Close() }
}

// restart starts the broker again that had this address and directory.
func (w *world) restart(addr, dir string) {
	w.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	check(w.t, err)
	var number int
	_, err = fmt.Sscan(port, &number)
	check(w.t, err)
	check(w.t, relisten(w.t, addr).Close())
	w.fake, err = kfake.NewCluster(kfake.Ports(number), kfake.DataDir(dir))
	check(w.t, err)
}

// sums is a process whose processor folds events, numbers under a few keys, into
// a table that its view reads.
type sums struct {
	w       *world
	p       *process
	emitter *goka.Emitter
	emitted int

	kept, broken atomic.Int64
	why          atomic.Value

	mu   sync.Mutex
	view *goka.View
}

const sumKeys = 10

func newSums(w *world) *sums {
	w.t.Helper()
	in, group := w.stream("in", 4), w.group("sums", 4)
	s := &sums{w: w, p: w.process("")}
	s.p.processor(Processor{Role: "sums", Graph: goka.DefineGroup(group,
		goka.Input(in, new(codec.String), func(ctx goka.Context, msg any) {
			sum, _ := ctx.Value().(string)
			if !slices.Contains(strings.Fields(sum), msg.(string)) {
				sum += " " + msg.(string)
			}
			ctx.SetValue(sum)
		}), goka.Persist(new(codec.String)))})
	s.p.view(View{
		Role: "view", Table: goka.GroupTable(group), Codec: new(codec.String), Callback: goka.DefaultUpdate,
		Serve: func(v *goka.View) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.view = v
		},
	})
	check(w.t, s.p.running(w.context()))
	var err error
	s.emitter, err = s.p.emitter(in)
	check(w.t, err)
	return s
}

// emit emits the next n numbers.
func (s *sums) emit(n int) {
	s.w.t.Helper()
	for range n {
		promise, err := s.emitter.Emit(fmt.Sprint("k", s.emitted%sumKeys), fmt.Sprint(s.emitted))
		check(s.w.t, err)
		s.emitted++
		promise.Then(func(err error) {
			if err == nil {
				s.kept.Add(1)
				return
			}
			s.broken.Add(1)
			s.why.CompareAndSwap(nil, err.Error())
		})
	}
}

// folded gives how many numbers the view has, each counted once.
func (s *sums) folded() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil {
		return 0
	}
	n := 0
	for i := range sumKeys {
		sum, err := s.view.Get(fmt.Sprint("k", i))
		if err != nil {
			return 0
		}
		numbers, _ := sum.(string)
		fields := strings.Fields(numbers)
		slices.Sort(fields)
		n += len(slices.Compact(fields))
	}
	return n
}
