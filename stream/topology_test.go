package stream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestTheBrokersTellHowFarEachGroupIs(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	in, group, keys := w.stream("in", 2), w.group("group", 2), keysOf(2)
	loop := w.topic("group-loop", 2, "delete")
	p := w.process("")
	began := time.Now().UTC()
	held := make(chan struct{})
	p.processor(Processor{Role: "role", Graph: goka.DefineGroup(group,
		goka.Input(in, new(codec.String), func(ctx goka.Context, msg any) {
			switch msg {
			case "c":
				<-held
			case "e":
				ctx.Loopback(ctx.Key(), msg)
			}
		}),
		goka.Loop(new(codec.String), func(goka.Context, any) {}),
	)})
	defer close(held)
	check(t, p.running(w.context()))
	w.write(in, 0, keys[0], "a", "b", "c", "d")
	w.write(in, 1, keys[1], "e")
	w.await("the commits", func() bool {
		return w.committed(group, in, 0) == 2 && w.committed(group, in, 1) == 1 &&
			w.committed(group, goka.Stream(loop), 1) == 1
	})
	ask := func() Topology {
		t.Helper()
		found, err := p.client.Topology(w.context(), []Group{
			{Role: "role", Name: string(group), Topic: string(in), Loop: loop},
			{Role: "idle", Name: w.name + "never-was", Topic: string(in)},
		}, []string{string(in), loop})
		check(t, err)
		return found
	}
	got := ask()
	if got.Time.Before(began) || got.Time.After(time.Now()) {
		t.Errorf("it is as of %s", got.Time)
	}
	if len(got.Roles[0].Members) != 1 {
		t.Fatalf("members: %+v", got.Roles[0].Members)
	}
	m := got.Roles[0].Members[0]
	if m.ID == "" || m.Host == "" {
		t.Errorf("a member is %+v", m)
	}
	want := Topology{
		Partitions: 2,
		Topics:     []TopicRecords{{string(in), 5}, {loop, 1}},
		Roles: []Progress{
			{
				Role: "role", Group: string(group), Topic: string(in), State: "Stable",
				Members: []Member{{m.ID, "simplecqrs", m.Host, 2}},
				Reach:   Reach{3, 5, 2},
				Partitions: []PartitionProgress{
					{0, Reach{2, 4, 2}, m.ID},
					{1, Reach{1, 1, 0}, m.ID},
				},
				Loop: &LoopProgress{loop, Reach{1, 1, 0}},
			},
			{
				Role: "idle", Group: w.name + "never-was", Topic: string(in), State: "Dead", Members: []Member{},
				Reach:      Reach{0, 5, 5},
				Partitions: []PartitionProgress{{0, Reach{0, 4, 4}, ""}, {1, Reach{0, 1, 1}, ""}},
			},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Topology{}, "Time")); diff != "" {
		t.Errorf("topology (-want +got):\n%s", diff)
	}
}

func TestRecordsThatAreGoneFromALogAreNoLag(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	in := w.stream("in", 1)
	w.write(in, 0, "k", "a", "b", "c")
	var gone kadm.Offsets
	gone.AddOffset(string(in), 0, 2, -1)
	deleted, err := w.admin.DeleteRecords(w.context(), gone)
	check(t, errors.Join(err, deleted.Error()))
	p := w.process("")
	got, err := p.client.Topology(w.context(), []Group{{Role: "r", Name: w.name + "g", Topic: string(in)}}, []string{string(in)})
	check(t, err)
	if got.Topics[0].Records != 1 || got.Roles[0].Reach != (Reach{2, 3, 1}) {
		t.Errorf("%+v, %+v", got.Topics, got.Roles[0].Reach)
	}
}

func TestBrokersThatDoNotAnswerAreAnError(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	p := w.process("")
	ask := func(ctx context.Context, topic string) error {
		_, err := p.client.Topology(ctx, []Group{{Role: "r", Name: w.name + "g", Topic: topic}}, []string{topic})
		return err
	}
	if err := ask(w.context(), w.name+"no-topic"); err == nil || !strings.Contains(err.Error(), "begin") {
		t.Errorf("of a topic that is missing: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(ended, string(w.stream("in", 1))); err == nil {
		t.Error("a question that is given up is answered")
	}
}

func TestAGroupThatNeverWasIsDeadAndNoFailure(t *testing.T) {
	oursOnly(t)
	for _, c := range []struct {
		name   string
		about  survey
		failed bool
	}{
		{"nothing is told of it", survey{}, false},
		{"it is said not to be there", survey{described: kadm.DescribedGroups{"g": {State: "Dead", Err: kerr.GroupIDNotFound}}}, false},
		{"it may not be asked about", survey{described: kadm.DescribedGroups{"g": {Err: kerr.GroupAuthorizationFailed}}}, true},
		{
			"its offsets cannot be had",
			survey{
				described: kadm.DescribedGroups{"g": {State: "Stable"}},
				committed: kadm.FetchOffsetsResponses{"g": {Err: kerr.CoordinatorNotAvailable}},
			},
			true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := c.about.progress(Group{Name: "g"})
			if (err != nil) != c.failed || err == nil && p.State != "Dead" {
				t.Errorf("%q, %v", p.State, err)
			}
		})
	}
}
