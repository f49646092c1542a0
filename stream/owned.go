package stream

import (
	"sync"

	"github.com/lovoo/goka/storage"
)

// ownedBuilder gives the storages of a processor's own tables.
func (t *tables) ownedBuilder(role string) storage.Builder {
	build := t.builder(role)
	return func(topic string, partition int32) (storage.Storage, error) {
		s, err := build(topic, partition)
		if err != nil {
			return nil, err
		}
		return &owned{Storage: s}, nil
	}
}

// owned is a partition of a table that its processor alone writes to, and so knows
// without reading it. That is true for as long as the processor owns the partition.
// One that was frozen, or slow to leave, may write on for a moment after another
// took over; what the other wrote shows as a gap between the offsets of its own
// writes. From the gap on the stored offset stays, so that the records in it are
// read when the partition comes back.
type owned struct {
	storage.Storage

	mu        sync.Mutex
	recovered bool
	torn      bool
	last      int64 // offset of the latest record that is known
}

// MarkRecovered tells that from here on it is handlers that read and write.
func (o *owned) MarkRecovered() error {
	// goka never reports offset 0, so a table that was empty is known up to that.
	last, err := o.GetOffset(0)
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.recovered, o.last = true, max(last, 0)
	o.mu.Unlock()
	return o.Storage.MarkRecovered()
}

func (o *owned) SetOffset(offset int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.recovered {
		o.torn = o.torn || offset > o.last+1
		if o.torn || offset <= o.last {
			return nil
		}
		o.last = offset
	}
	return o.Storage.SetOffset(offset)
}

// Get panics if a handler cannot be given its value. goka would go on with none
// while a generation ends, as if the key were new; a panic ends the processor, and
// the record comes again. So does Set.
func (o *owned) Get(key string) ([]byte, error) {
	value, err := o.Storage.Get(key)
	return value, o.orPanic(err)
}

func (o *owned) Set(key string, value []byte) error {
	return o.orPanic(o.Storage.Set(key, value))
}

func (o *owned) orPanic(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil && o.recovered {
		panic(err)
	}
	return err
}
