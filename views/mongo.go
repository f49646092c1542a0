package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"simplecqrs/order"
)

const (
	defaultDatabase = "simplecqrs"
	collection      = "orders"
	// awayTime is how long a query looks for the store before it is said to be away.
	awayTime = 2 * time.Second
)

// Mongo keeps rows in a store that speaks MongoDB's protocol, a document an order.
type Mongo struct {
	client  *mongo.Client
	orders  *mongo.Collection
	watches *watches
}

// OpenMongo prepares to use the store at uri, in the database that the uri names
// or else simplecqrs. It does not wait for the store.
func OpenMongo(uri string) (*Mongo, error) {
	named, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, fmt.Errorf("views: the store's URI: %w", err)
	}
	journaled := true
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(awayTime).
		// What is acknowledged is never sent again, so it must outlive the server.
		SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journaled}))
	if err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	database := named.Database
	if database == "" {
		database = defaultDatabase
	}
	m := &Mongo{client: client, orders: client.Database(database).Collection(collection)}
	m.watches = newWatches(m.Get)
	return m, nil
}

// Ping reports whether the store answers.
func (m *Mongo) Ping(ctx context.Context) error { return m.client.Ping(ctx, nil) }

// Close lets go of the store. Nobody may wait for a row any more.
func (m *Mongo) Close(ctx context.Context) error {
	m.watches.close()
	return m.client.Disconnect(ctx)
}

// Prepare makes the indexes that lists of orders are read by. It tries for as
// long as that takes, until ctx ends.
func (m *Mongo) Prepare(ctx context.Context, log *slog.Logger) {
	missing := []string{memberCreatedAt, "order.type", "order.status", "order.updatedAt", "order.idleSince", "order.held"}
	told := map[string]bool{}
	// One at a time, as FerretDB 1.24 fails at several that are there already.
	index := func(member string) error {
		keys := bson.D{{Key: member, Value: 1}}
		if member == memberCreatedAt {
			keys = append(keys, bson.E{Key: "_id", Value: 1}) // what lists go by, up or down
		}
		_, err := m.orders.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys})
		if err != nil && !away(err) && !told[member] {
			told[member] = true
			log.Error("the read store refuses an index", slog.String("member", member), slog.Any("error", err))
		}
		return err
	}
	_ = untilItWorks(ctx, func() error { // else ctx has ended
		var failed []error
		missing = slices.DeleteFunc(missing, func(member string) bool {
			err := index(member)
			failed = append(failed, err)
			return err == nil
		})
		return errors.Join(failed...)
	})
}

// untilItWorks tries at growing intervals, for ever or until ctx ends.
func untilItWorks(ctx context.Context, try func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 5*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, try() },
		backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0))
	return err
}

// Write implements Writer.
func (m *Mongo) Write(ctx context.Context, rows []order.Row) error {
	updates := make([]mongo.WriteModel, len(rows))
	for i, r := range rows {
		d, err := documentOf(r)
		if err != nil {
			return err
		}
		updates[i] = mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: r.ID}}).
			SetUpdate(bson.D{{Key: "$max", Value: bson.D{{Key: "order", Value: d}}}}).
			SetUpsert(true)
	}
	write := func() error {
		_, err := m.orders.BulkWrite(ctx, updates, options.BulkWrite().SetOrdered(false))
		return err
	}
	err := write()
	// Of two sinks that put the same order in at once one fails, and finds it there
	// when it tries again. Each try may meet this at another row.
	for tries := 0; mongo.IsDuplicateKeyError(err) && tries < len(rows); tries++ {
		err = write()
	}
	if err != nil {
		return fmt.Errorf("views: writing %d rows: %w", len(rows), err)
	}
	return nil
}

// Get gives the row of an order; a NotFound error if there is none, Unavailable
// while the store is away.
func (m *Mongo) Get(ctx context.Context, id string) (order.Row, error) {
	found, err := m.find(ctx, id, options.FindOne().SetProjection(bson.D{{Key: "order.row", Value: 1}}))
	if err != nil {
		return order.Row{}, err
	}
	return rowIn(id, found)
}

func (m *Mongo) find(ctx context.Context, id string, how ...options.Lister[options.FindOneOptions]) (bson.Raw, error) {
	asking, done := undated(ctx)
	defer done()
	found, err := m.orders.FindOne(asking, bson.D{{Key: "_id", Value: id}}, how...).Raw()
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, order.NoSuchOrder(id)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case away(err):
		return nil, storeAway()
	}
	return nil, fmt.Errorf("views: reading %s: %w", id, err)
}

func storeAway() error {
	return &order.Error{Kind: order.Unavailable, Detail: "the read store is away"}
}

// undated is ctx without its deadline: the driver would give up a little before
// that, with an error as if the store were away.
func undated(ctx context.Context) (context.Context, context.CancelFunc) {
	same, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	return same, func() { stop(); cancel() }
}

// away reports whether an error says that no server answered, rather than what it answered.
// The driver dresses some of its own as answers, such as that it has given up all its
// connections as one failed; a server's have a code.
func away(err error) bool {
	var said mongo.CommandError
	if errors.As(err, &said) && said.Code == 0 {
		return true
	}
	var answered mongo.ServerError
	return !errors.As(err, &answered) || mongo.IsNetworkError(err) || mongo.IsTimeout(err)
}

// Await gives the first row of an order for which until holds. If ctx ends first
// it gives the latest row seen and the error of ctx. A store without replicas has no
// way to tell of changes, so it is looked at now and then, the seldomer the longer
// the order has stood still; see [Mongo.Stored] and [Mongo.Moves].
func (m *Mongo) Await(ctx context.Context, id string, until func(order.Row) bool) (order.Row, error) {
	return m.watches.await(ctx, id, until)
}

// Stored tells those who wait for an order of a row that the store has acknowledged.
func (m *Mongo) Stored(r order.Row) { m.watches.stored(r) }

// Moves tells that something has happened to an order, whose row will be in the
// store in a moment, so that those who wait for it have it looked for soon.
func (m *Mongo) Moves(id string) { m.watches.moves(id) }

// Document gives the document of an order as extended JSON; a NotFound error if
// there is none, Unavailable while the store is away.
func (m *Mongo) Document(ctx context.Context, id string) ([]byte, error) {
	found, err := m.find(ctx, id)
	if err != nil {
		return nil, err
	}
	shown, err := bson.MarshalExtJSON(found, false, false)
	if err != nil {
		return nil, fmt.Errorf("views: showing the document of %s: %w", id, err)
	}
	return shown, nil
}
