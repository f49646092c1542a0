package stream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
)

// ours opens the storage of a partition as a process does that has the directory
// to itself, and closes it as one that ends.
func ours(t *testing.T, dir string) (s storage.Storage, end func()) {
	t.Helper()
	tables, err := openTables(dir)
	check(t, err)
	s, err = tables.builder("role")("topic", 3)
	check(t, err)
	check(t, s.Open())
	return s, func() {
		t.Helper()
		check(t, s.Close())
		check(t, tables.close())
	}
}

func gokas(t *testing.T, dir string) (s storage.Storage, end func()) {
	t.Helper()
	s, err := storage.DefaultBuilder(dir)("topic", 3)
	check(t, err)
	check(t, s.Open())
	return s, func() { t.Helper(); check(t, s.Close()) }
}

// The same holds for goka's own storage, which is what goka was made with.
func TestATableIsAsGokaWantsIt(t *testing.T) {
	t.Run("ours", func(t *testing.T) { conform(t, ours) })
	t.Run("goka's", func(t *testing.T) { conform(t, gokas) })
}

func conform(t *testing.T, open func(*testing.T, string) (storage.Storage, func())) {
	fresh := func(t *testing.T) storage.Storage {
		t.Helper()
		s, end := open(t, t.TempDir())
		t.Cleanup(end)
		return s
	}
	t.Run("what is not there is nil and no error", func(t *testing.T) {
		s := fresh(t)
		if v, err := s.Get("k"); v != nil || err != nil {
			t.Errorf("Get gives %q, %v", v, err)
		}
		if has, err := s.Has("k"); has || err != nil {
			t.Errorf("Has gives %v, %v", has, err)
		}
		check(t, s.Delete("k"))
	})
	t.Run("what was set last is there until it is deleted", func(t *testing.T) {
		s := fresh(t)
		for _, v := range []string{"a", "", "b"} {
			check(t, s.Set("k", []byte(v)))
			got, err := s.Get("k")
			if got == nil || string(got) != v || err != nil {
				t.Errorf("Get gives %q (nil: %v), %v, want %q", got, got == nil, err, v)
			}
			if has, err := s.Has("k"); !has || err != nil {
				t.Errorf("Has gives %v, %v", has, err)
			}
		}
		check(t, s.Delete("k"))
		if v, err := s.Get("k"); v != nil || err != nil {
			t.Errorf("after Delete, Get gives %q, %v", v, err)
		}
	})
	t.Run("what was given or got may be changed", func(t *testing.T) {
		s := fresh(t)
		given := []byte("value")
		check(t, s.Set("k", given))
		given[0] = 'X'
		got, err := s.Get("k")
		check(t, err)
		got[1] = 'X'
		if got, err = s.Get("k"); string(got) != "value" || err != nil {
			t.Errorf("Get gives %q, %v", got, err)
		}
	})
	t.Run("the offset is the default until one is set", func(t *testing.T) {
		s := fresh(t)
		for _, otherwise := range []int64{-3, 0, 7} {
			if got, err := s.GetOffset(otherwise); got != otherwise || err != nil {
				t.Errorf("GetOffset(%d) gives %d, %v", otherwise, got, err)
			}
		}
		check(t, s.SetOffset(41))
		check(t, s.SetOffset(42))
		if got, err := s.GetOffset(-3); got != 42 || err != nil {
			t.Errorf("GetOffset gives %d, %v", got, err)
		}
	})
	t.Run("a reopened one has values and offset", func(t *testing.T) {
		dir := t.TempDir()
		s, end := open(t, dir)
		check(t, s.Set("k", []byte("v")))
		check(t, s.SetOffset(5))
		end()
		s, end = open(t, dir)
		check(t, s.MarkRecovered())
		check(t, s.SetOffset(6))
		end()
		s, end = open(t, dir)
		defer end()
		v, err := s.Get("k")
		check(t, err)
		offset, err := s.GetOffset(-3)
		if string(v) != "v" || offset != 6 || err != nil {
			t.Errorf("it has %q and %d, %v", v, offset, err)
		}
	})
	t.Run("iteration", func(t *testing.T) {
		s := fresh(t)
		all := []string{"", "a", "a1", "a2", "a\xff", "a\xff\xff1", "b", "b1", "c", "\xff", "\xff\xff"}
		for _, k := range []int{3, 0, 7, 1, 9, 10, 2, 8, 4, 5, 6} {
			check(t, s.Set(all[k], []byte("value of "+all[k])))
		}
		check(t, s.SetOffset(42)) // which is none of the keys
		for _, c := range []struct{ start, limit, want []string }{
			{nil, nil, all},
			{[]string{"a"}, []string{"b"}, all[1:6]},
			{[]string{"a1"}, []string{"b1"}, all[2:7]},
			{[]string{"x"}, []string{"z"}, nil},
			{[]string{"b"}, []string{"a"}, nil},
			{nil, []string{"a2"}, all[:3]},
			{[]string{"a"}, nil, all[1:6]},     // without a limit: what begins so
			{[]string{"a\xff"}, nil, all[4:6]}, // where the next prefix is shorter
			{[]string{"\xff"}, nil, all[9:]},
			{[]string{"d"}, nil, nil},
		} {
			it, err := s.IteratorWithRange(bound(c.start), bound(c.limit))
			check(t, err)
			if diff := cmp.Diff(c.want, rest(t, it)); diff != "" {
				t.Errorf("from %q to %q (-want +got):\n%s", c.start, c.limit, diff)
			}
			it.Release()
		}
		it, err := s.Iterator()
		check(t, err)
		defer it.Release()
		check(t, s.Set("a0", []byte("value of a0"))) // too late to be seen
		check(t, s.Delete("c"))
		if diff := cmp.Diff(all, rest(t, it)); diff != "" {
			t.Errorf("all (-want +got):\n%s", diff)
		}
		if k := it.Key(); k != nil {
			t.Errorf("after the last the key is %q", k)
		}
	})
	t.Run("seeking", func(t *testing.T) {
		s := fresh(t)
		for _, k := range []string{"a", "c", "e"} {
			check(t, s.Set(k, []byte("value of "+k)))
		}
		for key, want := range map[string][]string{"": {"a", "c", "e"}, "b": {"c", "e"}, "c": {"c", "e"}, "f": nil} {
			it, err := s.Iterator()
			check(t, err)
			var got []string
			if it.Seek([]byte(key)) {
				got = []string{string(it.Key())}
				got = append(got, rest(t, it)...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("from %q on (-want +got):\n%s", key, diff)
			}
			it.Release()
		}
	})
}

func bound(key []string) []byte {
	if key == nil {
		return nil
	}
	return []byte(key[0])
}

// rest gives the keys that follow, and holds their values to them.
func rest(t *testing.T, it storage.Iterator) (keys []string) {
	t.Helper()
	for it.Next() {
		key := string(it.Key())
		keys = append(keys, key)
		if v, err := it.Value(); err != nil || string(v) != "value of "+key {
			t.Errorf("the value of %q is %q, %v", key, v, err)
		}
	}
	check(t, it.Err())
	return keys
}

func TestTablesInOneDirectoryDoNotMix(t *testing.T) {
	tables, err := openTables(t.TempDir())
	check(t, err)
	defer func() { check(t, tables.close()) }()
	type place struct {
		role, topic string
		partition   int32
	}
	places := []place{
		{"a", "t", 0},
		{"a", "t", 1},
		{"a", "t", 'o'},
		{"a", "t", 'v'},
		{"a", "t", 256},
		{"a", "tt", 0},
		{"ab", "t", 0},
		{"b", "t", 0},
	}
	all := map[place]storage.Storage{}
	for i, p := range places {
		s, err := tables.builder(p.role)(p.topic, p.partition)
		check(t, err)
		check(t, s.Set("k", fmt.Append(nil, p)))
		check(t, s.SetOffset(int64(i)))
		check(t, s.Close())
		all[p] = s
	}
	check(t, tables.bind("a", "t", []byte("one")))
	check(t, tables.bind("a", "t", []byte("one")))
	for i, p := range places {
		v, err := all[p].Get("k")
		check(t, err)
		offset, err := all[p].GetOffset(-3)
		if string(v) != fmt.Sprint(p) || offset != int64(i) || err != nil {
			t.Errorf("%v has %q and offset %d, %v", p, v, offset, err)
		}
	}
	check(t, tables.bind("a", "t", []byte("two"))) // made anew
	for _, p := range places {
		has, err := all[p].Has("k")
		check(t, err)
		offset, err := all[p].GetOffset(-3)
		wiped := p.role == "a" && p.topic == "t"
		if has == wiped || wiped != (offset == -3) || err != nil {
			t.Errorf("%v has its value: %v, and offset %d, %v; it was to be wiped: %v", p, has, offset, err, wiped)
		}
	}
}

func TestALateAcknowledgementMovesNoOffsetOfAClosedTable(t *testing.T) {
	tables, err := openTables("")
	check(t, err)
	defer func() { check(t, tables.close()) }()
	build := tables.builder("role")
	before, err := build("topic", 0)
	check(t, err)
	check(t, before.SetOffset(10))
	check(t, before.Close())
	after, err := build("topic", 0)
	check(t, err)
	for offset := range int64(2 * saveEvery) {
		check(t, before.SetOffset(1000+offset))
	}
	if got, err := after.GetOffset(-3); got != 10 || err != nil {
		t.Errorf("the offset is %d, %v, want 10", got, err)
	}
}

func TestADirectoryThatIsInUseIsRefused(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(Config{Brokers: []string{"127.0.0.1:1"}, DataDir: dir})
	check(t, err)
	_, err = Open(Config{Brokers: []string{"127.0.0.1:1"}, DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "one process alone") {
		t.Errorf("a second client on the directory: %v", err)
	}
	check(t, first.Close())
	again, err := Open(Config{Brokers: []string{"127.0.0.1:1"}, DataDir: dir})
	check(t, err)
	check(t, again.Close())
}

// hammer writes records and their offsets until it is killed.
func hammer(_ *process, c child) error {
	tables, err := openTables(c.Args[0])
	if err != nil {
		return err
	}
	s, err := tables.builder("role")("topic", 3)
	if err != nil {
		return err
	}
	for i := int64(0); ; i++ {
		if err := errors.Join(s.Set(fmt.Sprint(i), []byte("v")), s.SetOffset(i)); err != nil {
			return err
		}
		if i%1000 == 0 {
			fmt.Println(i)
		}
	}
}

// A crash takes the end of what was written. Whatever it leaves, an offset must
// not be ahead of the values that belong to it.
func TestAfterAKillNoOffsetIsAheadOfItsData(t *testing.T) {
	t.Parallel()
	if *plain {
		t.Skip("goka's storage keeps this, too")
	}
	w := fakeWorld(t)
	for _, after := range []string{"2000", "10000"} {
		c := child{Does: "hammer", Args: []string{t.TempDir()}}
		s := w.spawn(c)
		w.await(after+" records", func() bool { return s.said.has(after) })
		s.kill()
		left, end := ours(t, c.Args[0])
		offset, err := left.GetOffset(-3)
		check(t, err)
		if offset%saveEvery != saveEvery-1 {
			t.Fatalf("after %s records the offset is %d", after, offset)
		}
		for i := range offset + 1 {
			if has, err := left.Has(fmt.Sprint(i)); !has || err != nil {
				t.Fatalf("offset %d is stored, and record %d is not: %v", offset, i, err)
			}
		}
		t.Logf("killed after %s records: offset %d is left", after, offset)
		end()
	}
}

// collector keeps, per key, the values that it got, and tells of what it had before.
func collector(group goka.Group, in goka.Stream, saw *list, recovered *atomic.Int64) Processor {
	return Processor{
		Role: "collect",
		Graph: goka.DefineGroup(group, goka.Input(in, new(codec.String), func(ctx goka.Context, msg any) {
			had, _ := ctx.Value().(string)
			ctx.SetValue(strings.TrimSpace(had + " " + msg.(string)))
			saw.add(strings.TrimSpace(had + " " + msg.(string)))
		}), goka.Persist(new(codec.String))),
		Options: []goka.ProcessorOption{goka.WithUpdateCallback(
			func(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
				recovered.Add(1)
				return goka.DefaultUpdate(ctx, s, key, value)
			})},
	}
}

func TestATableInMemoryIsNotReplayedAtARebalance(t *testing.T) {
	t.Parallel()
	const partitions, each = 4, 100
	w := newWorld(t)
	in, group := w.stream("in", partitions), w.group("collect", partitions)
	var saw list
	var first, second atomic.Int64
	w.process("").processor(collector(group, in, &saw, &first))
	write := func(value string) {
		for p, key := range keysOf(partitions) {
			for range each {
				w.write(in, int32(p), key, value)
			}
		}
	}
	write("a")
	w.await("all to be collected", func() bool { return len(saw.get()) == partitions*each })
	other := w.process("")
	other.processor(collector(group, in, &saw, &second))
	w.await("another to have recovered its part", func() bool { return second.Load() == partitions/2*each })
	other.stop()
	write("b")
	w.await("the first to be alone again", func() bool { return len(saw.get()) == 2*partitions*each })
	if n := first.Load(); n > 0 {
		t.Errorf("the first replayed %d records of the %d that it had written itself", n, partitions*each)
	}
	longest := slices.MaxFunc(saw.get(), func(a, b string) int { return len(a) - len(b) })
	if want := strings.Repeat("a ", each) + strings.TrimSpace(strings.Repeat("b ", each)); longest != want {
		t.Errorf("a key has %q, want %q", longest, want)
	}
}

func TestALocalTableIsWipedWithItsTopic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in, group := w.stream("in", 1), w.group("collect", 1)
	table, dir := string(goka.GroupTable(group)), t.TempDir()
	var saw list
	var recovered atomic.Int64
	run := func(value, want string) {
		t.Helper()
		p := w.process(dir)
		p.processor(collector(group, in, &saw, &recovered))
		w.write(in, 0, "k", value)
		w.await(want, func() bool { return saw.has(want) })
		p.stop()
	}
	run("a", "a") // goka does not store the very first offset, so this is replayed once
	run("b", "a b")
	recovered.Store(0)
	run("c", "a b c")
	if n := recovered.Load(); n > 0 {
		t.Errorf("%d records were replayed", n)
	}
	_, err := w.admin.DeleteTopics(w.context(), table)
	check(t, err)
	w.await("the topic to be gone", func() bool {
		topics, err := w.admin.ListTopics(w.context())
		return err == nil && !topics.Has(table)
	})
	w.group("collect", 1)
	run("d", "d")
	if got := w.values(goka.Stream(table)); !slices.Equal(got, []string{"d"}) {
		t.Errorf("the new topic has %v", got)
	}
}
