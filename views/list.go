package views

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"simplecqrs/order"
)

// A list goes by when the orders were placed, see [order.Place]. It is read page by page:
// the next begins after the last place that this one looked at, so that no page costs more
// the further in it is.

const (
	// maxLooked bounds the rows that the table looks at for a page.
	maxLooked = 20_000
	// maxPage bounds the encoded rows of a page, in bytes, but for the last of them.
	maxPage = 8 << 20
)

// page collects the rows of a list.
type page struct {
	rows  []order.Row
	limit int
	bytes int
	last  order.Place // that was looked at
	next  order.Place // after which the rest is to be had; zero if there is none
}

// add takes a row that the list holds. It reports false if there is no room: then
// there is a next page.
func (p *page) add(r order.Row, size int) bool {
	if len(p.rows) == p.limit || p.bytes >= maxPage {
		p.next = p.last
		return false
	}
	p.rows, p.bytes = append(p.rows, r), p.bytes+size
	return true
}

// List gives a page of the orders that the filter matches, and the place after which there
// may be more; zero for none. A page may be short of its limit, even empty, and still have
// a next. A row that cannot be read is passed over: who asks for it is told.
func (t *Table) List(ctx context.Context, f order.Filter, asked order.Page) ([]order.Row, order.Place, error) {
	t.mu.RLock()
	defer t.mu.RUnlock() // held, as the view must not stop while it is read
	if t.view == nil {
		return nil, order.Place{}, catchingUp()
	}
	failed := func(err error) ([]order.Row, order.Place, error) {
		return nil, order.Place{}, fmt.Errorf("views: listing the local table: %w", err)
	}
	// Over all partitions, in the order of keys.
	places, err := t.view.IteratorWithRange(indexRange(asked))
	if err != nil {
		return failed(err)
	}
	defer places.Release()
	p := page{limit: asked.Limit}
	for looked := 0; places.Next(); looked++ {
		if ctx.Err() != nil {
			return nil, order.Place{}, ctx.Err()
		}
		if looked == t.maxLooked {
			p.next = p.last
			break
		}
		place := placeIn(places.Key(), asked.Newest)
		value, err := t.view.Get(place.ID)
		if err != nil {
			return failed(err)
		}
		row, ok := value.(order.Row)
		// It stands elsewhere if it had no event yet when it was first heard of.
		if ok && order.PlaceOf(row) == place && f.Matches(row) && !p.add(row, sizeOf(row)) {
			break
		}
		p.last = place
	}
	if err := places.Err(); err != nil {
		return failed(err)
	}
	return p.rows, p.next, nil
}

// sizeOf is about what a row takes.
func sizeOf(r order.Row) (bytes int) {
	for _, output := range r.Outputs {
		bytes += len(output)
	}
	for _, e := range r.Meta.History {
		bytes += len(e.ID) + len(e.Type) + len(e.Causation) + len(e.Reason) + len(e.Actor)
	}
	return bytes
}

// List gives a page of the orders that the filter matches; see [Table.List]. FerretDB 1.24
// looks at all documents for it.
func (m *Mongo) List(ctx context.Context, f order.Filter, asked order.Page) (rows []order.Row, next order.Place, err error) {
	asking, done := undated(ctx)
	defer done()
	failed := func(err error) ([]order.Row, order.Place, error) {
		switch {
		case ctx.Err() != nil:
			return nil, order.Place{}, ctx.Err()
		case away(err):
			return nil, order.Place{}, storeAway()
		}
		return nil, order.Place{}, fmt.Errorf("views: listing: %w", err)
	}
	direction := 1
	if asked.Newest {
		direction = -1
	}
	// One more, to know whether there are more.
	found, err := m.orders.Find(asking, append(placesAfter(asked), filterOf(f)...), options.Find().
		SetSort(bson.D{{Key: memberCreatedAt, Value: direction}, {Key: "_id", Value: direction}}).
		SetLimit(int64(asked.Limit)+1).
		SetProjection(bson.D{{Key: "order.row", Value: 1}, {Key: memberCreatedAt, Value: 1}}))
	if err != nil {
		return failed(err)
	}
	p, looked := page{limit: asked.Limit}, 0
	for ; found.Next(asking); looked++ {
		id, _ := found.Current.Lookup("_id").StringValueOK()
		row, err := rowIn(id, found.Current)
		if err == nil && !p.add(row, len(found.Current)) {
			break
		}
		createdAt, _ := found.Current.Lookup("order", "createdAt").TimeOK()
		p.last = order.Place{CreatedAt: createdAt.UTC(), ID: id}
	}
	// What is not read to its end is let go of, also if ctx has ended.
	err = found.Err()
	if closing := found.Close(context.WithoutCancel(ctx)); err == nil {
		err = closing
	}
	if err != nil {
		return failed(err)
	}
	if looked > asked.Limit && p.next == (order.Place{}) { // some could not be read
		p.next = p.last
	}
	return p.rows, p.next, nil
}

const memberCreatedAt = "order.createdAt"

// placesAfter are the documents that a page may hold. One without a time is none of ours.
func placesAfter(asked order.Page) bson.D {
	beyond, from := "$gt", "$gte"
	if asked.Newest {
		beyond, from = "$lt", "$lte"
	}
	after := asked.After
	if after == (order.Place{}) {
		return bson.D{{Key: memberCreatedAt, Value: bson.D{{Key: "$type", Value: "date"}}}}
	}
	return bson.D{
		{Key: memberCreatedAt, Value: bson.D{{Key: from, Value: after.CreatedAt}}}, // where the index is to be entered
		{Key: "$and", Value: bson.A{bson.D{{Key: "$or", Value: bson.A{
			bson.D{{Key: memberCreatedAt, Value: bson.D{{Key: beyond, Value: after.CreatedAt}}}},
			bson.D{{Key: "_id", Value: bson.D{{Key: beyond, Value: after.ID}}}},
		}}}}},
	}
}

// filterOf is a filter as the store has it, by the members that documentOf makes. Times
// are cut to the millisecond on the way, as they are in [order.Filter].
func filterOf(f order.Filter) bson.D {
	d := bson.D{}
	if f.Status != "" {
		d = append(d, bson.E{Key: "order.status", Value: string(f.Status)})
	}
	if f.Type != "" {
		d = append(d, bson.E{Key: "order.type", Value: string(f.Type)})
	}
	changed := bson.D{}
	if !f.Since.IsZero() {
		changed = append(changed, bson.E{Key: "$gte", Value: f.Since})
	}
	if !f.Until.IsZero() {
		changed = append(changed, bson.E{Key: "$lt", Value: f.Until})
	}
	if len(changed) > 0 {
		d = append(d, bson.E{Key: "order.updatedAt", Value: changed})
	}
	if !f.Stalled.IsZero() {
		d = append(d, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: "order.held", Value: true}},
			bson.D{{Key: "order.idleSince", Value: bson.D{{Key: "$lt", Value: f.Stalled}}}},
		}})
	}
	return d
}
