package stream

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/prometheus/client_golang/prometheus"
)

func TestAProcessorThatEndsWithAnErrorIsBuiltAnewWithBackoff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in, group := w.stream("in", 1), w.group("flaky", 1)
	var handled list
	failures := 3
	p := w.process("")
	p.processor(Processor{Role: "flaky", Graph: goka.DefineGroup(group,
		goka.Input(in, new(codec.String), func(ctx goka.Context, msg any) {
			if msg == "b" && failures > 0 {
				failures--
				ctx.Fail(errors.New("not yet"))
			}
			ctx.SetValue(msg)
			handled.add(msg.(string))
		}), goka.Persist(new(codec.String)))})
	states := w.states(p, "flaky")
	w.write(in, 0, "k", "a", "b", "c")
	w.await("all to be handled", func() bool { return handled.has("c") })
	if diff := cmp.Diff([]string{"a", "b", "c"}, handled.get()); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
	if n := p.restarts("flaky"); n != 3 {
		t.Errorf("it was built anew %d times, want 3", n)
	}
	w.await("it to run", func() bool { return p.client.Status()[0].State == Running })
	for _, s := range []State{Running, Rebuilding} {
		if !states.has(string(s)) {
			t.Errorf("it was never %s: %v", s, states.get())
		}
	}
	if s := p.client.Status()[0]; s.Err != nil {
		t.Errorf("it runs, and its error is %v", s.Err)
	}
}

func TestAViewWithoutItsTopicIsBuiltAnewUntilItIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.process("")
	p.view(View{Role: "early", Table: goka.Table(w.name + "table"), Codec: new(codec.String), Callback: goka.DefaultUpdate})
	w.await("it to miss its topic", func() bool {
		if p.client == nil {
			return false
		}
		s := p.client.Status()[0]
		var missing *Mismatch
		return s.State == Rebuilding && errors.As(s.Err, &missing)
	})
	w.topic("table", 2, "compact")
	check(t, p.running(w.context()))
}

func TestTheWaitsBetweenLivesGrowAndBeginAnewAfterAHealthyOne(t *testing.T) {
	if *plain {
		t.Skip("goka has no lives")
	}
	synctest.Test(t, func(t *testing.T) {
		f, err := newFigures(prometheus.NewRegistry())
		check(t, err)
		c := &Client{backoff: defaultBackoff, log: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		var waits []time.Duration
		ended := time.Now()
		c.supervise(ctx, newRole("r", f), func(context.Context) error {
			waits = append(waits, time.Since(ended))
			switch len(waits) {
			case 12:
				<-time.After(time.Minute) // healthy
			case 14:
				stop()
			}
			ended = time.Now()
			return errors.New("ended")
		})
		// Each wait is drawn from half to one and a half of what it should be.
		base := time.Second
		for i, wait := range waits[1:12] {
			if wait < base/2 || wait > base*3/2 {
				t.Errorf("wait %d is %v, want about %v", i, wait, base)
			}
			base = min(base*3/2, 30*time.Second)
		}
		if wait := waits[12]; wait > 1500*time.Millisecond {
			t.Errorf("after a healthy life the wait is %v", wait)
		}
		if !slices.ContainsFunc(waits, func(d time.Duration) bool { return d > 10*time.Second }) {
			t.Errorf("no wait is long: %v", waits)
		}
	})
}
