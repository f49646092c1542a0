package views

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"simplecqrs/order"
)

// A list goes by id, upwards. It is read page by page: the next begins after the
// last id that this one looked at, so that no page costs more the further in it is.

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
	last  string // that was looked at
	next  string // after which the rest is to be had; empty if there is none
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

// List gives orders that the filter matches, by id from the first after one, at most
// so many, and after which id there may be more; empty for none. A page may be short
// of its limit, even empty, and still have a next. A row that cannot be read is passed
// over: who asks for it is told.
func (t *Table) List(ctx context.Context, f order.Filter, after string, limit int) ([]order.Row, string, error) {
	t.mu.RLock()
	defer t.mu.RUnlock() // held, as the view must not stop while it is read
	if t.view == nil {
		return nil, "", catchingUp()
	}
	from := ""
	if after != "" {
		from = after + "\x00" // the least key beyond
	}
	// Over all partitions, in the order of keys. Without an upper end goka would take
	// from for a prefix; no key has this byte.
	rows, err := t.view.IteratorWithRange(from, "\xff")
	if err != nil {
		return nil, "", fmt.Errorf("views: listing the local table: %w", err)
	}
	defer rows.Release()
	p := page{limit: limit}
	for looked := 0; rows.Next(); looked++ {
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		if looked == t.maxLooked {
			p.next = p.last
			break
		}
		value, err := rows.Value()
		if err != nil {
			return nil, "", fmt.Errorf("views: listing the local table: %w", err)
		}
		if row, ok := value.(order.Row); ok && f.Matches(row) && !p.add(row, sizeOf(row)) {
			break
		}
		p.last = rows.Key()
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("views: listing the local table: %w", err)
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

// List gives orders that the filter matches; see [Table.List]. FerretDB 1.24 looks at
// all documents for it.
func (m *Mongo) List(ctx context.Context, f order.Filter, after string, limit int) (rows []order.Row, next string, err error) {
	asking, done := undated(ctx)
	defer done()
	failed := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case away(err):
			return storeAway()
		}
		return fmt.Errorf("views: listing: %w", err)
	}
	// One more, to know whether there are more.
	found, err := m.orders.Find(asking, filterOf(f, after), options.Find().
		SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)+1).
		SetProjection(bson.D{{Key: "order.row", Value: 1}}))
	if err != nil {
		return nil, "", failed(err)
	}
	p, looked := page{limit: limit}, 0
	for ; found.Next(asking); looked++ {
		id, _ := found.Current.Lookup("_id").StringValueOK()
		row, err := rowIn(id, found.Current)
		if err == nil && !p.add(row, len(found.Current)) {
			break
		}
		p.last = id
	}
	// What is not read to its end is let go of, also if ctx has ended.
	err = found.Err()
	if closing := found.Close(context.WithoutCancel(ctx)); err == nil {
		err = closing
	}
	if err != nil {
		return nil, "", failed(err)
	}
	if looked > limit && p.next == "" { // some could not be read
		p.next = p.last
	}
	return p.rows, p.next, nil
}

// filterOf is a filter as the store has it, by the members that documentOf makes. Times
// are cut to the millisecond on the way, as they are in [order.Filter].
func filterOf(f order.Filter, after string) bson.D {
	d := bson.D{}
	if after != "" {
		d = append(d, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}})
	}
	if f.Status != "" {
		d = append(d, bson.E{Key: "order.status", Value: string(f.Status)})
	}
	if f.Type != "" {
		d = append(d, bson.E{Key: "order.type", Value: string(f.Type)})
	}
	if !f.Since.IsZero() {
		d = append(d, bson.E{Key: "order.updatedAt", Value: bson.D{{Key: "$gte", Value: f.Since}}})
	}
	if !f.Stalled.IsZero() {
		d = append(d, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: "order.held", Value: true}},
			bson.D{{Key: "order.idleSince", Value: bson.D{{Key: "$lt", Value: f.Stalled}}}},
		}})
	}
	return d
}
