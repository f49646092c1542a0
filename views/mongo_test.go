package views

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"simplecqrs/embedded"
	"simplecqrs/order"
)

// kept gives an order's document as the store has it.
func (m *Mongo) kept(t *testing.T, id string) bson.Raw {
	t.Helper()
	raw, err := m.orders.FindOne(patient(t), bson.D{{Key: "_id", Value: id}}).Raw()
	check(t, err)
	return raw
}

func TestAnOlderRowNeverWinsWhateverTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 12 {
		id := newID()
		arrivals := append(random.Perm(len(happy)), random.Perm(len(happy))...) // each twice
		newest := 0
		for len(arrivals) > 0 {
			var batch []order.Row
			n := 1 + random.IntN(min(3, len(arrivals)))
			for _, a := range arrivals[:n] {
				batch = append(batch, rowOf(id, a+1))
				newest = max(newest, a+1)
			}
			arrivals = arrivals[n:]
			check(t, m.Write(patient(t), batch))
			got, err := m.Get(patient(t), id)
			check(t, err)
			if diff := cmp.Diff(rowOf(id, newest), got); diff != "" {
				t.Fatalf("with version %d the newest of those that came (-want +got):\n%s", newest, diff)
			}
		}
	}
}

func TestAReplayChangesNothing(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	row := rowOf(newID(), 6)
	outputs("SHIPPING", `{"by":"sea"}`, "BILLING", `[]`, "TAX", `1`, "CUSTOMS", `{}`)(&row)
	check(t, m.Write(patient(t), []order.Row{row}))
	before := m.kept(t, row.ID)
	for range 20 {
		check(t, m.Write(patient(t), []order.Row{row, rowOf(row.ID, 5), row}))
		if diff := cmp.Diff(before.String(), m.kept(t, row.ID).String()); diff != "" {
			t.Fatalf("document (-before +after):\n%s", diff)
		}
	}
}

// FerretDB 1.24 hangs at a hundred updates of documents that are there already.
func TestTwoSinksThatPutTheSameOrdersInAtOnceBothSucceed(t *testing.T) {
	uri := storeURI(t)
	sinks := []*Mongo{openMongoAt(t, uri), openMongoAt(t, uri)}
	for range 10 {
		rows := make([]order.Row, maxBatch)
		for i := range rows {
			rows[i] = rowOf(newID(), 1)
		}
		var written sync.WaitGroup
		for _, sink := range sinks {
			written.Go(func() {
				if err := sink.Write(patient(t), rows); err != nil {
					t.Error(err)
				}
			})
		}
		written.Wait()
	}
}

func TestAFullBatchOfRowsThatAreThereAlreadyIsWritten(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	var first, second []order.Row
	for range maxBatch {
		id := newID()
		first, second = append(first, rowOf(id, 1)), append(second, rowOf(id, 2))
	}
	check(t, m.Write(patient(t), first))
	check(t, m.Write(patient(t), second))
	for _, want := range second {
		got, err := m.Get(patient(t), want.ID)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
	}
}

func TestADocumentThatCannotBeReadIsOurFailureAndNoneOfTheCaller(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	for name, member := range map[string]any{
		"no row in it":     bson.D{{Key: "version", Value: 1}},
		"a row, but empty": bson.D{{Key: "row", Value: ""}},
		"a row, no JSON":   bson.D{{Key: "row", Value: "{"}},
		"a row, no text":   bson.D{{Key: "row", Value: 5}},
		"no members":       "?",
	} {
		id := newID()
		_, err := m.orders.InsertOne(patient(t), bson.D{{Key: "_id", Value: id}, {Key: "order", Value: member}})
		check(t, err)
		_, err = m.Get(patient(t), id)
		if err == nil || order.KindOf(err) != 0 || !strings.Contains(err.Error(), id) {
			t.Errorf("%s: got %v", name, err)
		}
		ctx, cancel := context.WithCancel(patient(t))
		if _, awaited := m.Await(ctx, id, versionOf(1)); err == nil || awaited.Error() != err.Error() {
			t.Errorf("%s: waiting for it gave %v", name, awaited)
		}
		cancel()
	}
}

// A client of the store gives up a little before its caller's time is over, and
// that must not look as if the store were away.
func TestAShortWaitEndsWithTheErrorOfItsContext(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	id := newID()
	check(t, m.Write(patient(t), []order.Row{rowOf(id, 1)}))
	var all sync.WaitGroup
	for i := range 80 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
			defer cancel()
			if _, err := m.Await(ctx, id, versionOf(2)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
}

func TestTheStoreMayBeAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := embedded.StartStore(dir)
	check(t, err)
	m := openMongoAt(t, store.URI())
	row := rowOf(newID(), 3)
	check(t, m.Write(patient(t), []order.Row{row}))
	check(t, store.Close())

	var all sync.WaitGroup // each looks for it for a while
	all.Go(func() {
		if _, err := m.Get(patient(t), row.ID); order.KindOf(err) != order.Unavailable {
			t.Errorf("Get while it is away: %v", err)
		}
	})
	all.Go(func() {
		if _, err := m.Await(patient(t), row.ID, versionOf(4)); order.KindOf(err) != order.Unavailable {
			t.Errorf("Await while it is away: %v", err)
		}
	})
	all.Go(func() {
		if err := m.Write(patient(t), []order.Row{rowOf(row.ID, 4)}); err == nil {
			t.Error("a row was written while it is away")
		}
	})
	all.Wait()
	ctx, cancel := context.WithCancel(patient(t))
	cancel()
	began := time.Now()
	if _, err := m.Get(ctx, row.ID); !errors.Is(err, context.Canceled) || time.Since(began) > awayTime/2 {
		t.Errorf("by one who has left: %v, after %v", err, time.Since(began))
	}

	store, err = embedded.StartStoreAt(dir, store.Addr())
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	await(t, "the store to be back", func() bool {
		got, err := m.Get(patient(t), row.ID)
		return err == nil && cmp.Equal(row, got)
	})
	check(t, m.Write(patient(t), []order.Row{rowOf(row.ID, 4)}))
}

// indexes gives what the documents are indexed by.
func (m *Mongo) indexes(t *testing.T) (by []string) {
	t.Helper()
	specs, err := m.orders.Indexes().ListSpecifications(patient(t))
	check(t, err)
	for _, s := range specs {
		by = append(by, s.KeysDocument.String())
	}
	slices.Sort(by)
	return by
}

var indexed = []string{
	`{"_id": {"$numberInt":"1"}}`, `{"order.createdAt": {"$numberInt":"1"},"_id": {"$numberInt":"1"}}`, `{"order.held": {"$numberInt":"1"}}`,
	`{"order.idleSince": {"$numberInt":"1"}}`, `{"order.status": {"$numberInt":"1"}}`,
	`{"order.type": {"$numberInt":"1"}}`, `{"order.updatedAt": {"$numberInt":"1"}}`,
}

func TestPrepareMakesTheIndexesOnce(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	var said journal
	for range 2 {
		m.Prepare(patient(t), said.logger())
		if diff := cmp.Diff(indexed, m.indexes(t)); diff != "" {
			t.Errorf("indexes (-want +got):\n%s", diff)
		}
	}
	if lines := said.lines(); len(lines) > 0 {
		t.Errorf("it said %s", lines)
	}
}

func TestPrepareWaitsForAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	store, err := embedded.StartStore("")
	check(t, err)
	check(t, store.Close())
	m := openMongoAt(t, store.URI())
	prepared := make(chan struct{})
	background(t, func(ctx context.Context) {
		m.Prepare(ctx, slog.New(slog.DiscardHandler))
		close(prepared)
	})
	if _, err := m.Get(patient(t), "ORD-B384F"); order.KindOf(err) != order.Unavailable { // which takes it a while
		t.Errorf("the store is away: %v", err)
	}
	select {
	case <-prepared:
		t.Error("it did not wait")
	default:
	}
	store, err = embedded.StartStoreAt("", store.Addr())
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	receive(t, "it to be done", prepared)
	if diff := cmp.Diff(indexed, m.indexes(t)); diff != "" {
		t.Errorf("indexes (-want +got):\n%s", diff)
	}
}

func TestPrepareEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store, err := embedded.StartStore("")
	check(t, err)
	check(t, store.Close())
	m := openMongoAt(t, store.URI())
	var said journal
	background(t, func(ctx context.Context) { m.Prepare(ctx, said.logger()) })()
	if lines := said.lines(); len(lines) > 0 {
		t.Errorf("it said %s", lines)
	}
}

func TestAnIndexThatIsRefusedIsToldOnceAndKeepsNoOtherFromBeingMade(t *testing.T) {
	t.Parallel()
	m := openMongo(t)
	// Of the name that the index by type would have.
	_, err := m.orders.Indexes().CreateOne(patient(t), mongo.IndexModel{
		Keys: bson.D{{Key: "order.type", Value: -1}}, Options: options.Index().SetName("order.type_1"),
	})
	check(t, err)
	var said journal
	background(t, func(ctx context.Context) { m.Prepare(ctx, said.logger()) })
	await(t, "the others to be made", func() bool { return len(m.indexes(t)) == len(indexed) })
	await(t, "it to be told", func() bool { return len(said.lines("level=ERROR", "order.type")) > 0 })
	<-time.After(500 * time.Millisecond) // for some more tries
	check(t, m.orders.Indexes().DropOne(patient(t), "order.type_1"))
	await(t, "the index to be made after all", func() bool { return cmp.Equal(indexed, m.indexes(t)) })
	if lines := said.lines(); len(lines) != 1 {
		t.Errorf("it said %s", lines)
	}
}

func TestTheDatabaseIsThatOfTheURI(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://127.0.0.1:1":                                     "simplecqrs",
		"mongodb://127.0.0.1:1/":                                    "simplecqrs",
		"mongodb://127.0.0.1:1/?retryWrites=false":                  "simplecqrs",
		"mongodb://127.0.0.1:1/shop":                                "shop",
		"mongodb://user:pw@127.0.0.1:1/shop?authSource=admin":       "shop",
		"mongodb://user:pw@127.0.0.1:1,127.0.0.1:2/?authSource=abc": "simplecqrs",
	} {
		if got := openMongoAt(t, uri).orders.Database().Name(); got != want {
			t.Errorf("%s: database %s, want %s", uri, got, want)
		}
	}
}

func TestABadURIIsAnErrorThatTellsNoPassword(t *testing.T) {
	for _, uri := range []string{
		"", "127.0.0.1:27017", "http://127.0.0.1/", "mongodb://", "mongodb://127.0.0.1:port/",
		"mongodb://user:hunter2@:x/", "mongodb://user:hunter2@127.0.0.1/?w=-7",
		"mongodb://user:hun%ter2@127.0.0.1/", "mongodb://user:hunter2@127.0.0.1/?authMechanism=none",
	} {
		m, err := OpenMongo(uri)
		if err == nil {
			t.Errorf("%q was opened", uri)
			check(t, m.Close(t.Context()))
			continue
		}
		if !strings.HasPrefix(err.Error(), "views: the store's URI: ") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

// Not parallel, as goroutines of other tests would be counted.
func TestAMongoThatIsClosedLeavesNothingBehind(t *testing.T) {
	uri := storeURI(t)
	cycle := func() {
		m, err := OpenMongo(uri)
		check(t, err)
		m.Prepare(patient(t), slog.New(slog.DiscardHandler))
		row := rowOf(newID(), 2)
		check(t, m.Write(patient(t), []order.Row{row}))
		ctx, cancel := context.WithCancel(patient(t))
		seen, ended := filled{source: m}.waiting(ctx, row.ID, versionOf(3))
		receive(t, "a look at the row", seen)
		cancel()
		receive(t, "the end of the wait", ended)
		check(t, m.Close(patient(t)))
	}
	cycle()
	before := goleak.IgnoreCurrent()
	cycle()
	wantNoneLeft(t, before)
}

func wantNoneLeft(t *testing.T, before goleak.Option) {
	t.Helper()
	var left error
	for range 10 { // each look waits a little
		if left = goleak.Find(before); left == nil {
			return
		}
	}
	t.Errorf("%.3000s", left.Error())
}
