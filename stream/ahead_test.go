package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kfake"
)

// note folds each event into its key's list of events, as our handlers do it: one
// that is there already is stored again. Without our parts it is passed over, as
// one does who trusts the local table.
func note(p *process, c child) error {
	p.processor(noter(c))
	return nil
}

func noter(c child) Processor {
	return Processor{Role: "note", Graph: goka.DefineGroup(goka.Group(c.Group),
		goka.Input(goka.Stream(c.Args[0]), new(codec.String), func(ctx goka.Context, msg any) {
			had, _ := ctx.Value().(string)
			switch known := slices.Contains(strings.Fields(had), msg.(string)); {
			case known && *plain:
				return
			case !known:
				had = strings.TrimSpace(had + " " + msg.(string))
			}
			ctx.SetValue(had)
			fmt.Printf("%.10s\n", msg)
		}), goka.Persist(new(codec.String)))}
}

// The process dies when an event is in its local table, and not yet in the topic.
func TestAnEventThatOnlyTheLocalTableHasReachesTheTopicAllTheSame(t *testing.T) {
	t.Parallel()
	w := fakeWorld(t, kfake.NumBrokers(2))
	in, group := w.stream("in", 1), w.group("note", 1)
	table := goka.GroupTable(group)
	check(t, w.fake.MoveTopicPartition(string(in), 0, 0))
	check(t, w.fake.MoveTopicPartition(string(table), 0, 1))
	release := holdAcks(w.fake)
	c := child{Does: "note", Dir: t.TempDir(), Group: string(group), Args: []string{string(in)}}

	w.write(in, 0, "k", "event")
	for i := range 4 { // so much that the event leaves the process's memory
		w.write(in, 0, "other", fmt.Sprint("padding", i, strings.Repeat("x", 100_000)))
	}
	first := w.spawn(c)
	w.await("all to be stored locally", func() bool { return first.said.has("padding3xx") })
	first.kill()
	release()
	if !*plain {
		tables, err := openTables(c.Dir)
		check(t, err)
		s, err := tables.builder("note")(string(table), 0)
		check(t, err)
		if v, err := s.Get("k"); err != nil || string(v) != "event" {
			t.Fatalf("the local table has %q, %v", v, err)
		}
		check(t, tables.close())
	}
	if n := w.ends(string(table))[0]; n != 0 {
		t.Fatalf("the topic has %d records", n)
	}

	w.process(c.Dir).processor(noter(c))
	w.await("all to be handled again", func() bool { return w.committed(group, in, 0) == 5 })
	if values := w.values(goka.Stream(table)); len(values) == 0 || values[0] != "event" {
		t.Errorf("the topic has %.50q", values)
	}
}
