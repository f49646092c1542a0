package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lovoo/goka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

const tailed = 4 // partitions of the topic that is followed

// following is a topic and its tail. What readers are given of a record is its value;
// one whose value is "-" is passed over.
type following struct {
	*world
	topic  goka.Stream
	client *Client
	tail   *Tail
}

func newFollowing(w *world) *following {
	f := &following{world: w, topic: w.stream("log", tailed)}
	f.client = w.process("").client
	f.tail = f.client.Tail(string(f.topic), value)
	return f
}

func value(r Raw) []byte {
	if string(r.Value) == "-" {
		return nil
	}
	return append([]byte{}, r.Value...)
}

// fill writes so many records, numbered from the first, to all partitions in turn.
func (f *following) fill(from, n int) {
	f.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: string(f.topic), Partition: int32((from + i) % tailed), Value: fmt.Append(nil, from+i)}
	}
	check(f.t, f.kafka.ProduceSync(f.context(), records...).FirstErr())
}

// follower is a client of a tail.
type follower struct {
	f      *following
	cursor *Cursor
	place  string
	anew   int // how often it was told to begin
	seen   []string
}

func (f *following) follow(from string) *follower {
	f.t.Helper()
	c, err := f.tail.Follow(from)
	check(f.t, err)
	return &follower{f: f, cursor: c, place: from}
}

// begun follows from the end of the topic and returns once it is there.
func (f *following) begun() *follower {
	f.t.Helper()
	one := f.follow("")
	check(f.t, one.next(f.context()))
	if one.anew != 1 || one.place == "" || len(one.seen) > 0 {
		f.t.Fatalf("it begins with %+v", one)
	}
	return one
}

func (o *follower) next(ctx context.Context) error {
	return o.cursor.Next(ctx, func(place string, data []byte) error {
		o.place = place
		if data == nil {
			o.anew++
		} else {
			o.seen = append(o.seen, string(data))
		}
		return nil
	})
}

// until follows until it has seen so many records.
func (o *follower) until(n int) {
	o.f.t.Helper()
	for len(o.seen) < n {
		check(o.f.t, o.next(o.f.context()))
	}
}

// wantAll holds what was seen to the records from one number to before another, each
// once and those of a partition in their order.
func (o *follower) wantAll(from, to int) {
	o.f.t.Helper()
	var want, got [tailed][]string
	for i := from; i < to; i++ {
		want[i%tailed] = append(want[i%tailed], fmt.Sprint(i))
	}
	for _, v := range o.seen {
		var i int
		_, err := fmt.Sscan(v, &i)
		check(o.f.t, err)
		got[i%tailed] = append(got[i%tailed], v)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		o.f.t.Errorf("records (-want +got):\n%.2000s", diff)
	}
}

func TestAReaderHasEachRecordOnceWhereverItIsCut(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	const records, readers = 6000, 12
	f := newFollowing(newWorld(t))
	f.tail.entries = 200 // so that who stays away for a moment falls behind
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var all []*follower
	for range readers {
		all = append(all, f.begun())
	}
	var run sync.WaitGroup
	run.Go(func() {
		for n := 0; n < records; n += 100 {
			f.fill(n, 100)
		}
	})
	for i, one := range all {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		run.Go(func() {
			defer func() { one.cursor.Close() }()
			cut := errors.New("cut")
			for len(one.seen) < records {
				left := 1 + random.IntN(400)
				err := one.cursor.Next(f.context(), func(place string, data []byte) error {
					if data == nil {
						return errors.New("it began anew")
					}
					if left--; left < 0 {
						return cut
					}
					one.place, one.seen = place, append(one.seen, string(data))
					return nil
				})
				if err != nil && !errors.Is(err, cut) {
					t.Error(err)
					return
				}
				if err != nil || random.IntN(10) == 0 {
					next, err := f.tail.Follow(one.place)
					if err != nil {
						t.Error(err)
						return
					}
					one.cursor.Close()
					one.cursor = next
				}
			}
		})
	}
	run.Wait()
	for _, one := range all {
		one.wantAll(0, records)
	}
}

func TestAReaderThatStandsStillHoldsUpNobodyAndMissesNothing(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	const records = 5000
	f := newFollowing(newWorld(t))
	f.tail.entries = 100
	still, other := f.begun(), f.begun()
	defer still.cursor.Close()
	defer other.cursor.Close()
	for n := 0; n < records; n += 500 {
		f.fill(n, 500)
		other.until(n + 500)
	}
	f.tail.mu.Lock()
	ring := f.tail.ring
	f.tail.mu.Unlock()
	ring.mu.Lock()
	if n := len(ring.entries); n > 100 {
		t.Errorf("the ring has %d records", n)
	}
	ring.mu.Unlock()
	still.until(records)
	still.wantAll(0, records)
	other.wantAll(0, records)
	// It is back in the ring, and needs no broker of its own.
	for range maxCatching {
		f.tail.catching <- struct{}{}
	}
	f.fill(records, 50)
	still.until(records + 50)
	still.wantAll(0, records+50)
}

func TestAReaderThatIsBehindComesBackInOneTurnIfThereIsNotTooMuch(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	const records = 6 * catchRecords
	f := newFollowing(newWorld(t))
	f.tail.entries = 100
	late, other := f.begun(), f.begun()
	defer late.cursor.Close()
	defer other.cursor.Close()
	f.fill(0, records)
	other.until(records)
	check(t, late.next(f.context())) // which opens a client of the brokers
	if n := len(late.seen); n < records-100 {
		t.Errorf("after a turn it has %d records", n)
	}
	f.fill(records, 3*turnRecords)
	other.until(records + 3*turnRecords)
	had := len(late.seen)
	check(t, late.next(f.context())) // from the ring or not
	check(t, late.next(f.context()))
	if n := len(late.seen) - had; n > 2*(turnRecords+catchRecords) {
		t.Errorf("others waited for %d records", n)
	}
	late.until(records + 3*turnRecords)
	late.wantAll(0, records+3*turnRecords)
}

// As it is after a read that failed, while the tail began anew.
func TestAReaderWhosePlaceIsCheckedGoesByThePlaceAlone(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	f := newFollowing(newWorld(t))
	one := f.begun()
	defer one.cursor.Close()
	f.fill(0, 40)
	one.until(40)
	r := one.cursor.ring
	r.mu.Lock()
	r.life++
	r.floor = slices.Clone(r.end.next)
	r.entries, r.first, r.bytes = nil, 0, 0
	r.mu.Unlock()
	one.cursor.life = 0
	f.fill(40, 8)
	one.until(48)
	one.wantAll(0, 48)
	if one.anew != 1 {
		t.Errorf("begun anew %d times", one.anew)
	}
}

func TestTheRingIsBoundedInBytes(t *testing.T) {
	oursOnly(t)
	r := newRing(ringEntries)
	r.settle(span{start: []int64{0}, end: []int64{0}})
	large := make([]byte, 1<<20)
	for i := range int64(20) {
		r.add([]entry{{0, i, large}})
	}
	if n := len(r.entries); n != ringBytes>>20 || r.bytes > ringBytes || r.floor[0] != int64(20-n) || r.end.next[0] != 20 {
		t.Errorf("%d records, %d bytes, from %d to %d", n, r.bytes, r.floor[0], r.end.next[0])
	}
}

func TestOnlyAFewCatchUpAtOnceAndTheOthersWait(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	f := newFollowing(newWorld(t))
	f.tail.entries = 10
	behind, current := f.begun(), f.begun()
	defer behind.cursor.Close()
	defer current.cursor.Close()
	f.fill(0, 100)
	current.until(100)
	for range maxCatching {
		f.tail.catching <- struct{}{} // as those do that catch up
	}
	ctx, cancel := context.WithTimeout(f.context(), 50*time.Millisecond)
	defer cancel()
	if err := behind.next(ctx); !errors.Is(err, context.DeadlineExceeded) || len(behind.seen) > 0 {
		t.Errorf("it saw %d records, %v", len(behind.seen), err)
	}
	f.fill(100, 5)
	current.until(105)
	<-f.tail.catching
	behind.until(105)
	behind.wantAll(0, 105)
	if n := len(f.tail.catching); n != maxCatching-1 {
		t.Errorf("%d tokens are held", n)
	}
}

func TestWhatIsPassedOverMovesThePlaceOn(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	f := newFollowing(newWorld(t))
	f.tail.entries = 5
	one, late := f.begun(), f.begun()
	defer one.cursor.Close()
	defer late.cursor.Close()
	worker, err := kgo.NewClient(kgo.SeedBrokers(f.addrs...), kgo.DefaultProduceTopic(string(f.topic)),
		kgo.TransactionalID(f.name+"worker"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(t, err)
	defer worker.Close()
	for range 3 {
		check(t, worker.BeginTransaction())
		check(t, worker.ProduceSync(f.context(), &kgo.Record{Value: []byte("-")}).FirstErr())
		check(t, worker.EndTransaction(f.context(), kgo.TryCommit)) // which leaves a marker
	}
	f.fill(1, 1)
	one.until(1)
	if next := one.cursor.place.next; next[0] > 6 {
		t.Errorf("partition 0 is read up to %d", next[0])
	}
	f.fill(4, 1) // in the partition of the markers
	one.until(2)
	for i := 8; i < 80; i += 4 { // the ring holds no more of the markers
		f.fill(i, 1)
	}
	one.until(20)
	late.until(20)
	if diff := cmp.Diff(one.place, late.place); diff != "" {
		t.Errorf("places (-one +late):\n%s", diff)
	}
	again := f.follow(one.place)
	defer again.cursor.Close()
	f.fill(80, 1)
	again.until(1)
	if again.anew > 0 || again.seen[0] != "80" {
		t.Errorf("resumed, it has %v, begun anew %d times", again.seen, again.anew)
	}
}

func TestAPlaceThatIsNotInTheTopicBeginsAnewAtItsEnd(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	f := newFollowing(newWorld(t))
	f.fill(0, 40)
	one := f.begun()
	defer one.cursor.Close()
	at := one.cursor.place
	changed := func(change func(*position)) string {
		p := position{at.topic, slices.Clone(at.next)}
		change(&p)
		return p.String()
	}
	var offsets kadm.Offsets
	offsets.AddOffset(string(f.topic), 1, 5, -1)
	_, err := f.admin.DeleteRecords(f.context(), offsets)
	check(t, err)
	for name, from := range map[string]string{
		"another topic's of that name": changed(func(p *position) { p.topic[3]++ }),
		"beyond the end":               changed(func(p *position) { p.next[2]++ }),
		"before the beginning":         changed(func(p *position) { p.next[1] = 4 }),
		"of fewer partitions":          changed(func(p *position) { p.next = p.next[:3] }),
		"of more partitions":           changed(func(p *position) { p.next = append(p.next, 0) }),
	} {
		o := f.follow(from)
		check(t, o.next(f.context()))
		if o.anew != 1 || o.place != at.String() || len(o.seen) > 0 {
			t.Errorf("%s: begun anew %d times, at %v, with %v", name, o.anew, o.cursor.place, o.seen)
		}
		o.cursor.Close()
	}
	o := f.follow(changed(func(p *position) { p.next[1] = 5 }))
	defer o.cursor.Close()
	o.until(5)
	if diff := cmp.Diff([]string{"21", "25", "29", "33", "37"}, o.seen); diff != "" || o.anew != 0 {
		t.Errorf("from the first that is there (-want +got):\n%s", diff)
	}
}

func TestATopicThatIsMadeAnewBeginsAnew(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	f := newFollowing(newWorld(t))
	f.fill(0, 40)
	one := f.begun()
	defer one.cursor.Close()
	was := one.place
	_, err := f.admin.DeleteTopics(f.context(), string(f.topic))
	check(t, err)
	f.await("the topic to be gone", func() bool {
		topics, err := f.admin.ListTopics(f.context(), string(f.topic))
		check(t, err)
		return topics[string(f.topic)].Err != nil
	})
	f.stream("log", tailed)
	check(t, one.next(f.context()))
	if one.anew != 2 || len(one.seen) > 0 || one.place == was {
		t.Errorf("begun anew %d times, with %v, at %s", one.anew, one.seen, one.place)
	}
}

// While the broker is away nobody is cut, and afterwards nothing is missing.
func TestATailOutlivesItsBroker(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	dir := t.TempDir()
	f := newFollowing(fakeWorld(t, kfake.DataDir(dir)))
	f.tail.entries = 50
	one, late := f.begun(), f.begun()
	defer one.cursor.Close()
	defer late.cursor.Close()
	f.fill(0, 100)
	one.until(100)
	addr := f.addrs[0]
	f.fake.Close()
	ctx, cancel := context.WithTimeout(f.context(), time.Second)
	defer cancel()
	var both sync.WaitGroup
	for _, o := range []*follower{one, late} { // late is behind, and asks the broker itself
		both.Go(func() {
			for ctx.Err() == nil {
				if err := o.next(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	f.restart(addr, dir)
	f.fill(100, 100)
	one.until(200)
	late.until(200)
	one.wantAll(0, 200)
	late.wantAll(0, 200)
	if one.anew != 1 || late.anew != 1 {
		t.Errorf("begun anew %d and %d times", one.anew, late.anew)
	}
}

// Not parallel, as goroutines of other tests would be counted.
func TestATailCostsNothingWhenNobodyFollows(t *testing.T) {
	oursOnly(t)
	f := newFollowing(newWorld(t))
	f.tail.entries = 5 // so that some catch up by themselves
	cycle := func() {
		t.Helper()
		var all []*follower
		for range 20 {
			all = append(all, f.begun())
		}
		f.fill(0, 10)
		for _, one := range all {
			one.until(10)
			one.cursor.Close()
		}
		f.tail.Wait()
	}
	cycle() // which opens connections that stay, and are served by a goroutine a request
	const served = "github.com/twmb/franz-go/pkg/kfake.(*clientConn).read.func1"
	before := goleak.IgnoreCurrent()
	for range 3 {
		cycle()
	}
	var left error
	for range 10 { // each look waits a little
		if left = goleak.Find(before, goleak.IgnoreAnyFunction(served)); left == nil {
			return
		}
	}
	t.Errorf("%.3000s", left.Error())
}

func TestWhatIsNoPlaceIsRefused(t *testing.T) {
	oursOnly(t)
	f := &Tail{}
	good := position{kadm.TopicID{1, 2, 3}, []int64{0, 1 << 40}}.String()
	for _, text := range []string{
		"x", "1", "?", good[:10], good + "=", good + " ", good + "\n", good[:len(good)-1] + "_", strings.Repeat("A", 22),
		position{next: []int64{-1}}.String(), strings.Repeat("A", 4*maxPlaces),
	} {
		if _, err := f.Follow(text); !errors.Is(err, errNoPlace) {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}

// FuzzPlace holds any text to: it is refused, or it is the place that it says.
func FuzzPlace(f *testing.F) {
	f.Add(position{kadm.TopicID{1, 2, 3}, []int64{0, 1, 1 << 40}}.String())
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text)
		if err != nil {
			return
		}
		again, err := parsePlace(p.String())
		if err != nil || again.topic != p.topic || !slices.Equal(p.next, again.next) || slices.Min(p.next) < 0 {
			t.Errorf("%q is %+v, and that is %+v, %v", text, p, again, err)
		}
	})
}

func TestAScanVisitsWhatWasWrittenToAPartitionBetweenTwoTimes(t *testing.T) {
	oursOnly(t)
	t.Parallel()
	w := newWorld(t)
	topic := w.stream("log", 2)
	client := w.process("").client
	begin := time.UnixMilli(time.Now().UnixMilli()).Add(-time.Hour)
	for i := range 100 {
		check(t, w.kafka.ProduceSync(w.context(), &kgo.Record{
			Topic: string(topic), Partition: int32(i % 2), Key: []byte("k"), Value: fmt.Append(nil, i),
			Timestamp: begin.Add(time.Duration(i) * time.Second),
			Headers:   []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}},
		}).FirstErr())
	}
	worker, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.DefaultProduceTopic(string(topic)),
		kgo.TransactionalID(w.name+"worker"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(t, err)
	defer worker.Close()
	check(t, worker.BeginTransaction())
	check(t, worker.ProduceSync(w.context(), &kgo.Record{Partition: 1, Timestamp: begin, Value: []byte("-")}).FirstErr())
	check(t, worker.EndTransaction(w.context(), kgo.TryCommit)) // which leaves a marker at the end
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second) }
	for _, c := range []struct {
		name     string
		from, to time.Time
		limit    int64
		want     string
		left     int64
	}{
		{"some", at(11), at(17), 100, "[11 13 15]", 0},
		{"no more than the limit", at(11), at(31), 4, "[11 13 15 17]", 6},
		{"up to the end", at(96), at(100_000), 100, "[97 99]", 0},
		{"none yet", at(101), at(1000), 100, "[]", 0},
		{"none before", at(-10), at(-5), 100, "[]", 0},
		{"the latest", time.Time{}, at(11), 3, "[5 7 9]", 2},
		{"all", time.Time{}, at(5), 100, "[1 3]", 0},
	} {
		found := []string{}
		left, err := client.Scan(w.context(), string(topic), 1, c.from, c.to, c.limit, func(r Raw) {
			if string(r.Value) == "-" {
				return
			}
			found = append(found, string(r.Value))
			if r.Partition != 1 || string(r.Key) != "k" || string(r.Headers["a"]) != "2" || r.Offset != (r.Time.Unix()-begin.Unix())/2 {
				t.Errorf("%s: %+v", c.name, r)
			}
		})
		if err != nil || fmt.Sprint(found) != c.want || left != c.left {
			t.Errorf("%s: %v, %d left, %v; want %s and %d", c.name, found, left, err, c.want, c.left)
		}
	}
}
