package stream

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kgo"
)

// hasherUnderTest is the one that goka is given.
func hasherUnderTest() hash.Hash32 {
	if *plain {
		return fnv.New32a()
	}
	return newHasher()
}

// The vectors of org.apache.kafka.common.utils.UtilsTest.testMurmur2.
func TestKeysHashAsInKafkasJavaClient(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		h := hasherUnderTest()
		_, err := h.Write([]byte(key))
		check(t, err)
		if got := h.Sum32(); got != uint32(want)&0x7fffffff {
			t.Errorf("goka's hash of %q is %d, want %d", key, got, uint32(want)&0x7fffffff)
		}
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2 of %q is %d, want %d", key, got, want)
		}
	}
}

func TestTheHasherIsAHash(t *testing.T) {
	whole, parts := hasherUnderTest(), hasherUnderTest()
	_, _ = whole.Write([]byte("ORD-B384F")) // a hash never fails
	for _, part := range []string{"OR", "", "D-B384", "F"} {
		_, _ = parts.Write([]byte(part))
	}
	if whole.Sum32() != parts.Sum32() {
		t.Error("written in parts a key has another hash")
	}
	if got, want := fmt.Sprintf("%x", whole.Sum([]byte{0xab})), fmt.Sprintf("ab%08x", whole.Sum32()); got != want {
		t.Errorf("Sum appends %s, want %s", got, want)
	}
	parts.Reset()
	_, _ = parts.Write([]byte("ORD-B384F"))
	if whole.Sum32() != parts.Sum32() {
		t.Error("after a reset a key has another hash")
	}
}

func TestTenThousandKeysArePartitionedAsOtherClientsDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	theirs := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	for range 10_000 {
		key := make([]byte, random.IntN(40))
		for i := range key {
			key[i] = byte(random.UintN(256))
		}
		n := 1 + random.IntN(200)
		want := int32(theirs.Partition(&kgo.Record{Key: key}, n))
		if got := Partition(string(key), n); got != want {
			t.Fatalf("key %q belongs to partition %d of %d, want %d", key, got, n, want)
		}
		h := hasherUnderTest()
		_, err := h.Write(key)
		check(t, err)
		if got := int32(h.Sum32()) % int32(n); max(got, -got) != want { // as goka has it
			t.Fatalf("goka puts key %q into partition %d of %d, want %d", key, got, n, want)
		}
	}
}

func TestWhatIsEmittedLiesWhereViewsAndOtherClientsLookForIt(t *testing.T) {
	t.Parallel()
	const partitions, keys = 7, 100
	w := newWorld(t)
	table := w.topic("table", partitions, "compact")
	p := w.process("")
	var mu sync.Mutex
	var view *goka.View
	p.view(View{Role: "view", Table: goka.Table(table), Codec: new(codec.String), Callback: goka.DefaultUpdate, Serve: func(v *goka.View) {
		mu.Lock()
		defer mu.Unlock()
		view = v
	}})
	emitter, err := p.emitter(goka.Stream(table))
	check(t, err)
	for i := range keys {
		check(t, emitter.EmitSync(fmt.Sprint("key", i), fmt.Sprint(i)))
	}
	for _, r := range w.records(table) {
		if want := Partition(string(r.Key), partitions); r.Partition != want {
			t.Errorf("%s lies in partition %d, a Java client looks for it in %d", r.Key, r.Partition, want)
		}
	}
	for i := range keys {
		key := fmt.Sprint("key", i)
		w.await("the view to have "+key, func() bool {
			mu.Lock()
			defer mu.Unlock()
			if view == nil {
				return false
			}
			value, err := view.Get(key)
			return err == nil && value == fmt.Sprint(i)
		})
	}
}
