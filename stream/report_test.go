package stream

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// heldView is a view whose records are finished when the test says so.
type heldView struct {
	w     *world
	table string
	group string

	mu     sync.Mutex
	handed map[string]func() error // by the record's value
}

func (w *world) heldView(partitions int32) *heldView {
	w.t.Helper()
	return &heldView{
		w: w, table: w.topic("table", partitions, "compact"), group: w.name + "sink",
		handed: map[string]func() error{},
	}
}

func (s *heldView) view() View {
	return View{
		Role: "sink", Group: s.group, Table: goka.Table(s.table), Codec: new(codec.String),
		Deferred: func(_ goka.UpdateContext, _ string, value []byte, finished func() error) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.handed[string(value)] = finished
			return nil
		},
	}
}

// has waits until the view has been handed all of the records, by their values.
func (s *heldView) has(values ...string) {
	s.w.t.Helper()
	s.w.await("the records", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, v := range values {
			if s.handed[v] == nil {
				return false
			}
		}
		return true
	})
}

func (s *heldView) finish(values ...string) {
	s.w.t.Helper()
	s.has(values...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		check(s.w.t, s.handed[v]())
	}
}

// seenBy gives what another process is told of the view.
func (s *heldView) seenBy(p *process) Progress {
	s.w.t.Helper()
	found, err := p.client.Topology(s.w.context(),
		[]Group{{Role: "sink", Name: s.group, Topic: s.table, View: true}}, []string{s.table})
	check(s.w.t, err)
	return found.Roles[0]
}

// sees waits until another process is told that the view is there.
func (s *heldView) sees(p *process, want Reach) {
	s.w.t.Helper()
	s.w.await("what is told of the view", func() bool { return s.seenBy(p).Reach == want })
}

func TestHowFarAViewIsIsSeenFromAnotherProcess(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	s, keys := w.heldView(2), keysOf(2)
	w.write(goka.Stream(s.table), 0, keys[0], "a", "b", "c")
	w.write(goka.Stream(s.table), 1, keys[1], "d")
	other := w.process("")
	if seen := s.seenBy(other); seen.State != "Dead" || seen.Lag != 4 {
		t.Errorf("before it has ever run it is %+v", seen)
	}
	dir := t.TempDir()
	p := w.process(dir)
	p.view(s.view())
	s.has("a", "b", "c", "d")
	w.await("the view to be known", func() bool { return s.seenBy(other).State == "Empty" })
	if seen := s.seenBy(other); seen.Reach != (Reach{0, 4, 4}) || len(seen.Members) != 0 || !seen.View {
		t.Errorf("with all records in hand it is %+v", seen)
	}
	s.finish("b", "d") // the first of its partition is not
	s.sees(other, Reach{1, 4, 3})
	s.finish("a", "c")
	s.sees(other, Reach{4, 4, 0})

	w.write(goka.Stream(s.table), 0, keys[0], "e")
	s.finish("e")
	p.stop()
	if seen := s.seenBy(other); seen.Reach != (Reach{5, 5, 0}) {
		t.Errorf("once it has ended it is %+v", seen.Reach)
	}

	_, err := w.admin.DeleteGroup(w.context(), s.group)
	check(t, err)
	p = w.process(dir)
	p.view(s.view())
	s.sees(other, Reach{5, 5, 0}) // though no record comes
}

func TestAViewThatIsBehindAnotherDoesNotPutBackWhatThatTells(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	s, keys := w.heldView(2), keysOf(2)
	w.write(goka.Stream(s.table), 0, keys[0], "a", "b", "c")
	w.write(goka.Stream(s.table), 1, keys[1], "d")
	var others kadm.Offsets
	others.AddOffset(s.table, 0, 3, -1)
	answered, err := w.admin.CommitOffsets(w.context(), s.group, others)
	check(t, err)
	check(t, answered.Error())
	p := w.process("")
	p.view(s.view())
	s.finish("a", "d") // in this order, so that a report with the second has the first, too
	w.await("the report", func() bool { return w.committed(goka.Group(s.group), goka.Stream(s.table), 1) == 1 })
	if at := w.committed(goka.Group(s.group), goka.Stream(s.table), 0); at != 3 {
		t.Errorf("the other's report is at %d now", at)
	}
}

func TestBrokersThatRefuseAReportCostTheViewNothing(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := fakeWorld(t)
	s := w.heldView(1)
	refusing := w.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: s.group, Err: kerr.GroupAuthorizationFailed, Count: -1})
	var said text
	p, err := newProcess(w.addrs, "", slog.New(slog.NewTextHandler(&said, nil)))
	check(t, err)
	w.procs = append(w.procs, p)
	p.view(s.view())
	check(t, p.running(w.context()))
	states := w.states(p, "sink")
	w.write(goka.Stream(s.table), 0, "k", "a")
	s.finish("a")
	w.await("three reports to be refused", func() bool { return refusing.Hits() >= 3 })
	refusing.Remove()
	s.sees(p, Reach{1, 1, 0})
	if n := strings.Count(said.String(), "GROUP_AUTHORIZATION_FAILED"); n != 1 {
		t.Errorf("the refusal is told %d times: %s", n, said.String())
	}
	if got := slices.Compact(states.get()); !slices.Equal(got, []string{"running"}) {
		t.Errorf("meanwhile the view was %q", got)
	}
}

// text is what several goroutines write.
type text struct {
	mu  sync.Mutex
	all strings.Builder
}

func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(b)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}
