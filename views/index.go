package views

import (
	"encoding/binary"
	"time"

	"github.com/lovoo/goka/storage"

	"simplecqrs/codecs"
	"simplecqrs/order"
)

// The table keeps beside the rows where each stands in a list, see [order.Place]. A local
// table is read upwards alone, so there is a key for each way:
//
//	0xff 'o'  time  id          the oldest first
//	0xff 'n' ^time ^id 0xff     the newest first
//
// time is the number of milliseconds, in eight bytes, the sign turned; ^ turns all bits.
// No order's id begins with 0xff, nor has it a byte.
const (
	layout      = 2 // of all this; see [stream.View]
	placed      = "\xff"
	oldestFirst = placed + "o"
	newestFirst = placed + "n"
	timeSize    = 8
)

func oldestKey(p order.Place) string {
	ms := uint64(p.CreatedAt.UnixMilli()) ^ 1<<63
	return oldestFirst + string(binary.BigEndian.AppendUint64(nil, ms)) + p.ID
}

func newestKey(p order.Place) string {
	return newestFirst + turned(oldestKey(p)[len(oldestFirst):]) + "\xff"
}

func turned(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = ^b[i]
	}
	return string(b)
}

// placeIn reads a key.
func placeIn(key string, newest bool) order.Place {
	key = key[len(oldestFirst):]
	if newest {
		key = turned(key[:len(key)-1])
	}
	ms := binary.BigEndian.Uint64([]byte(key)) ^ 1<<63
	return order.Place{CreatedAt: time.UnixMilli(int64(ms)).UTC(), ID: key[timeSize:]}
}

// indexRange gives the first key that a page may hold, and the first beyond all.
func indexRange(asked order.Page) (from, to string) {
	first, key := oldestFirst, oldestKey
	if asked.Newest {
		first, key = newestFirst, newestKey
	}
	to = first[:1] + string(first[1]+1)
	if asked.After == (order.Place{}) {
		return first, to
	}
	return key(asked.After) + "\x00", to // the least beyond
}

// index keeps where a row stands, before the row is stored. It is the same for each version of
// a row, but for one that was first heard of without an event. What cannot be read stands
// nowhere.
func index(s storage.Storage, id string, stored, value []byte) error {
	if codecs.SameCreatedAt(stored, value) {
		return nil
	}
	createdAt, ok := codecs.CreatedAtOf(value)
	if !ok {
		return nil
	}
	place := order.PlaceOf(order.Row{ID: id, Meta: order.Meta{CreatedAt: createdAt}})
	if err := s.Set(newestKey(place), []byte{}); err != nil {
		return err
	}
	return s.Set(oldestKey(place), []byte{})
}
