package embedded

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type document struct {
	ID    string `bson:"_id"`
	Order struct {
		Version int64  `bson:"version"`
		Type    string `bson:"type"`
	} `bson:"order"`
}

func startStore(t *testing.T, dir, addr string) *Store {
	t.Helper()
	s, err := StartStoreAt(dir, addr)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

const anyAddr = "127.0.0.1:0"

// open connects to a store for the length of the test.
func open(t *testing.T, s *Store) *mongo.Collection {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	check(t, err)
	t.Cleanup(func() { check(t, client.Disconnect(context.WithoutCancel(t.Context()))) })
	return client.Database("simplecqrs").Collection("orders")
}

// put writes an order as the sink does.
func put(ctx context.Context, c *mongo.Collection, id string, version int64, kind string) error {
	row := bson.D{{Key: "version", Value: version}, {Key: "type", Value: kind}}
	_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}},
		bson.D{{Key: "$max", Value: bson.D{{Key: "order", Value: row}}}}, options.UpdateOne().SetUpsert(true))
	return err
}

func get(t *testing.T, c *mongo.Collection, id string) (d document) {
	t.Helper()
	check(t, c.FindOne(t.Context(), bson.D{{Key: "_id", Value: id}}).Decode(&d))
	return d
}

func want(id string, version int64, kind string) (d document) {
	d.ID, d.Order.Version, d.Order.Type = id, version, kind
	return d
}

func TestAnOlderRowNeverWins(t *testing.T) {
	c := open(t, startStore(t, "", anyAddr))
	check(t, put(t.Context(), c, "ORD-1", 1, "ORDER_REQUESTED"))
	check(t, put(t.Context(), c, "ORD-1", 3, "ORDER_COMPLETED"))
	check(t, put(t.Context(), c, "ORD-1", 2, "PAYMENT_REQUESTED"))
	if diff := cmp.Diff(want("ORD-1", 3, "ORDER_COMPLETED"), get(t, c, "ORD-1")); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestAStoreThatComesBackHasWhatItHad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made with", "its parents")
	first := startStore(t, dir, anyAddr)
	c := open(t, first)
	check(t, put(t.Context(), c, "ORD-1", 1, "ORDER_REQUESTED"))
	check(t, first.Close())
	if conn, err := net.Dial("tcp", first.Addr()); err == nil {
		t.Error("a closed store accepts connections")
		check(t, conn.Close())
	}
	wantClosed(t, dir)

	second := startStore(t, dir, first.Addr())
	if first.URI() != second.URI() {
		t.Fatalf("URI was %s, is %s", first.URI(), second.URI())
	}
	// The client is from before, and its first attempt meets a connection that was cut.
	if put(t.Context(), c, "ORD-2", 1, "ORDER_REQUESTED") != nil {
		check(t, put(t.Context(), c, "ORD-2", 1, "ORDER_REQUESTED"))
	}
	for _, id := range []string{"ORD-1", "ORD-2"} {
		if diff := cmp.Diff(want(id, 1, "ORDER_REQUESTED"), get(t, c, id)); diff != "" {
			t.Errorf("document (-want +got):\n%s", diff)
		}
	}
}

// wantClosed looks for files below dir that the process holds open.
func wantClosed(t *testing.T, dir string) {
	t.Helper()
	const own = "/proc/self/fd"
	held, err := os.ReadDir(own)
	if os.IsNotExist(err) {
		return // only Linux tells
	}
	check(t, err)
	for _, fd := range held {
		// An entry may be gone by now: that of the directory just read always is.
		if path, err := os.Readlink(filepath.Join(own, fd.Name())); err == nil && strings.HasPrefix(path, dir) {
			t.Errorf("%s is open", path)
		}
	}
}

func TestStoresInOneProcessAreApart(t *testing.T) {
	one, other := open(t, startStore(t, "", anyAddr)), open(t, startStore(t, "", anyAddr))
	check(t, put(t.Context(), one, "ORD-1", 1, "ORDER_REQUESTED"))
	n, err := other.CountDocuments(t.Context(), bson.D{})
	check(t, err)
	if n != 0 {
		t.Errorf("the other has %d documents", n)
	}
}

func TestAStoreWithoutADirectoryLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s := startStore(t, "", anyAddr)
	if during, err := os.ReadDir(temp); err != nil || len(during) != 1 {
		t.Fatalf("while it runs: %v, %v", during, err)
	}
	check(t, s.Close())
	check(t, s.Close())
	if after, err := os.ReadDir(temp); err != nil || len(after) != 0 {
		t.Errorf("left: %v, %v", after, err)
	}
}

func TestAStoreOnATakenAddressLeavesNothing(t *testing.T) {
	s := startStore(t, "", anyAddr)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if second, err := StartStoreAt("", s.Addr()); err == nil {
		t.Error("started")
		check(t, second.Close())
	}
	runtime.GC() // has FerretDB's finalizers run, and panic
	if after, err := os.ReadDir(temp); err != nil || len(after) != 0 {
		t.Errorf("left: %v, %v", after, err)
	}
}
