package stream

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/prometheus/client_golang/prometheus"
)

func TestARoleStaysReadyThroughARebalanceThatIsSoonOver(t *testing.T) {
	oursOnly(t)
	synctest.Test(t, func(t *testing.T) {
		f, err := newFigures(prometheus.NewRegistry())
		check(t, err)
		r := newRole("r", f)
		var said text
		r.log = slog.New(slog.NewTextHandler(&said, nil))
		is := func(want State) {
			t.Helper()
			synctest.Wait()
			if s, _ := r.status(); s.State != want {
				t.Errorf("it is %s, want %s", s.State, want)
			}
		}
		r.joined()
		r.disturbed(nil)
		<-time.After(formTime - time.Millisecond)
		is(Running)
		r.joined()
		<-time.After(time.Minute)
		is(Running)

		r.disturbed(nil)
		<-time.After(formTime)
		is(Disconnected)
		r.joined()
		is(Running)
		if lost, back := strings.Index(said.String(), "level=WARN"), strings.Index(said.String(), "level=INFO"); lost < 0 || back < lost || strings.Count(said.String(), "\n") != 2 {
			t.Errorf("it says %s", said.String())
		}

		r.disturbed(nil) // the last time, as it stops
		r.end()
		<-time.After(time.Minute)
		if strings.Count(said.String(), "\n") != 2 {
			t.Errorf("once it has ended it says %s", said.String())
		}
	})
}

// Whoever is given a view may read it at once, and is told before it is taken away.
func TestAViewIsServedFromWhenItHasCaughtUpUntilItStops(t *testing.T) {
	t.Parallel()
	oursOnly(t)
	w := newWorld(t)
	table := w.topic("table", 1, "compact")
	for range 100 {
		w.write(goka.Stream(table), 0, "k", "old")
	}
	w.write(goka.Stream(table), 0, "k", "new")
	var served list
	p := w.process("")
	p.view(View{
		Role: "view", Table: goka.Table(table), Codec: new(codec.String), Callback: goka.DefaultUpdate,
		Serve: func(v *goka.View) {
			if v == nil {
				served.add("none")
				return
			}
			value, err := v.Get("k")
			check(t, err)
			served.add(value.(string))
		},
	})
	check(t, p.running(w.context()))
	if got := served.get(); len(got) != 1 || got[0] != "new" {
		t.Errorf("served %q, want the newest value", got)
	}
	p.stop()
	if got := served.get(); len(got) != 2 || got[1] != "none" {
		t.Errorf("served %q, want none at the end", got)
	}
}
