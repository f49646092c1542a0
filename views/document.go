package views

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

// document is what is read of a row as MongoDB keeps it: under its id, one member
// that holds the rest. What answers are made of is row, byte for byte; the other
// members are for filters and for people who look.
type document struct {
	Order struct {
		Row string `bson:"row"`
	} `bson:"order"`
}

// documentOf gives the value of the member order. Version comes first: BSON
// compares embedded documents member by member, and by $max on the whole an older
// row loses.
func documentOf(r order.Row) (bson.D, error) {
	row, err := codecs.Row{}.Encode(r)
	if err != nil {
		return nil, err
	}
	events := make(bson.A, 0, len(r.Meta.History))
	for _, t := range r.Events() {
		events = append(events, string(t))
	}
	d := bson.D{
		{Key: "version", Value: r.Meta.Version},
		{Key: "type", Value: string(r.Type)},
		{Key: "status", Value: string(r.Meta.Shown())},
		{Key: "createdAt", Value: r.Meta.CreatedAt.Truncate(time.Millisecond)},
		{Key: "updatedAt", Value: r.Meta.UpdatedAt.Truncate(time.Millisecond)},
		{Key: "held", Value: r.Meta.Held()},
		{Key: "events", Value: events},
		{Key: "row", Value: string(row)},
	}
	if idle := r.Meta.IdleSince(); !idle.IsZero() {
		d = append(d, bson.E{Key: "idleSince", Value: idle.Truncate(time.Millisecond)})
	}
	// What the store may not take stands in row alone: no output may make a document
	// that it refuses, as all rows behind it would wait for ever. Sorted, so that a
	// row always makes the same document.
	room := maxShown
	for _, step := range slices.Sorted(maps.Keys(r.Outputs)) {
		output, member := r.Outputs[step], codecs.Member(step)
		taken := slices.ContainsFunc(d, func(e bson.E) bool { return e.Key == member })
		if taken || len(output) > room {
			continue
		}
		if v, err := bsonOf(output); err == nil {
			d = append(d, bson.E{Key: member, Value: v})
			room -= len(output)
		}
	}
	return d, nil
}

// rowIn reads the document of an order.
func rowIn(id string, raw bson.Raw) (order.Row, error) {
	var d document
	err := bson.Unmarshal(raw, &d)
	if err == nil {
		var decoded any
		decoded, err = codecs.Row{}.Decode([]byte(d.Order.Row))
		switch v := decoded.(type) {
		case order.Row:
			return v, nil
		case codecs.Malformed:
			err = v.Err
		}
	}
	return order.Row{}, fmt.Errorf("views: the document of %s cannot be read: %w", id, err)
}

const (
	// maxShown bounds the JSON of an order's outputs that stand in its document once
	// more. BSON takes up to eight times as much, and a document 16 MB at most.
	maxShown = 64 << 10
	// maxDepth keeps documents well below the depth of 100 at which MongoDB refuses them.
	maxDepth = 32
)

var errNoBSON = errors.New("views: not a value that every store takes")

// bsonOf converts JSON, members in their order.
func bsonOf(data order.JSON) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return valueOf(d, maxDepth)
}

func valueOf(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n, nil
		}
		return t.Float64()
	case string:
		if strings.ContainsRune(t, 0) {
			return nil, errNoBSON
		}
		return t, nil
	case json.Delim:
		if depth == 0 {
			return nil, errNoBSON
		}
		if t == '[' {
			return arrayOf(d, depth-1)
		}
		return objectOf(d, depth-1)
	}
	return token, nil // true, false or null
}

func arrayOf(d *json.Decoder, depth int) (any, error) {
	array := bson.A{}
	for d.More() {
		v, err := valueOf(d, depth)
		if err != nil {
			return nil, err
		}
		if _, nested := v.(bson.A); nested {
			return nil, errNoBSON // FerretDB 1.24 refuses arrays in arrays
		}
		array = append(array, v)
	}
	_, err := d.Token() // the closing bracket
	return array, err
}

func objectOf(d *json.Decoder, depth int) (any, error) {
	object, seen := bson.D{}, map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok || name == "" || seen[name] || strings.ContainsAny(name, "$.\x00") {
			return nil, errNoBSON
		}
		seen[name] = true
		v, err := valueOf(d, depth)
		if err != nil {
			return nil, err
		}
		object = append(object, bson.E{Key: name, Value: v})
	}
	_, err := d.Token() // the closing brace
	return object, err
}
