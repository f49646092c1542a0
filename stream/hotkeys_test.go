package stream

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// zipf gives keys of which few come often and most hardly ever.
func zipf(records int) []string {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 1<<20)
	keys := make([]string, records)
	for i := range keys {
		keys[i] = fmt.Sprintf("ORD-%026d", z.Uint64())
	}
	return keys
}

func TestAHotKeyIsCountedShortByASmallShareOfAllRecordsAtMost(t *testing.T) {
	h, exact, keys := newHotKeys(), map[string]int64{}, zipf(200_000)
	for _, k := range keys {
		h.note([]byte(k))
		exact[k]++
	}
	short := int64(len(keys)) / (hotCounters + 1)
	told := map[string]bool{}
	top := h.top()
	for _, k := range top {
		told[k.Key] = true
		if k.Records > exact[k.Key] || k.Records < exact[k.Key]-short {
			t.Errorf("%s has %d records, want %d, or fewer by %d", k.Key, k.Records, exact[k.Key], short)
		}
	}
	if len(top) != HotKeys {
		t.Fatalf("%d keys are told, want %d", len(top), HotKeys)
	}
	for k, n := range exact {
		if n > top[HotKeys-1].Records+short && !told[k] {
			t.Errorf("%s with %d records is not told", k, n)
		}
	}
}

func TestAKeyIsHotForMinutesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHotKeys()
		note := func(key string, times int) {
			for range times {
				h.note([]byte(key))
			}
		}
		want := func(want ...HotKey) {
			t.Helper()
			if diff := cmp.Diff(append([]HotKey{}, want...), h.top()); diff != "" {
				t.Errorf("hot keys (-want +got):\n%s", diff)
			}
		}
		want()
		note("a", 3)
		<-time.After(hotSpan)
		note("a", 2)
		note("b", 4)
		want(HotKey{"a", 5}, HotKey{"b", 4})
		<-time.After((hotSlices - 1) * hotSpan)
		want(HotKey{"b", 4}, HotKey{"a", 2}) // the first slice is gone
		<-time.After(100 * hotSpan)
		want()
	})
}

func TestHotKeysTakeNoMoreMemoryHoweverManyComeBy(t *testing.T) {
	h := newHotKeys()
	for i := range 10_000 {
		h.note(fmt.Append(nil, "key", i))
		h.note(make([]byte, maxHotKey+1))
		if n := len(h.slices[0].places); n > hotCounters {
			t.Fatalf("%d keys are counted, want %d at most", n, hotCounters)
		}
	}
	for k := range h.slices[0].places {
		if len(k) > maxHotKey {
			t.Errorf("a key of %d bytes is kept", len(k))
		}
	}
}

func TestHotKeysAreNotedBySeveralAtOnce(t *testing.T) {
	h := newHotKeys()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				h.note([]byte("k"))
				h.top()
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff([]HotKey{{"k", 4000}}, h.top()); diff != "" {
		t.Errorf("hot keys (-want +got):\n%s", diff)
	}
}

func BenchmarkHotKeys(b *testing.B) {
	orders := make([]string, 120_000) // a dozen records of each, two hundred orders at a time
	for i := range orders {
		orders[i] = fmt.Sprintf("ORD-%026d", i/2400*200+i%200)
	}
	unique := make([]string, 100_000)
	for i := range unique {
		unique[i] = fmt.Sprintf("ORD-%026d", i)
	}
	for name, keys := range map[string][]string{"skewed": zipf(100_000), "orders": orders, "unique": unique} {
		b.Run(name, func(b *testing.B) {
			h, bytes := newHotKeys(), make([][]byte, len(keys))
			for i, k := range keys {
				bytes[i] = []byte(k)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.note(bytes[i%len(bytes)])
			}
		})
	}
}
