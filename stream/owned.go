package stream

import (
	"sync"

	"github.com/lovoo/goka/storage"
)

// Version gives the version of a table's encoded value, which rises with every
// change; 0 for what has none.
type Version func(value []byte) int64

// ownedBuilder gives the storages of a processor's own tables. rewrite writes a value
// to the table's topic, and calls acked with its offset once that is done.
func ownedBuilder(build storage.Builder, version Version, rewrite rewriter) storage.Builder {
	return func(topic string, partition int32) (storage.Storage, error) {
		s, err := build(topic, partition)
		if err != nil {
			return nil, err
		}
		return &owned{
			Storage: s, version: version, stale: map[string]bool{},
			rewrite: func(key string, value []byte, acked func(int64) error) { rewrite(topic, key, value, acked) },
		}, nil
	}
}

type rewriter func(topic, key string, value []byte, acked func(offset int64) error)

// owned is a partition of a table that its processor alone writes to, and so knows
// without reading it. That is true for as long as the processor owns the partition.
// One that was frozen, or slow to leave, may write on for a moment after another
// took over.
//
//   - To the late one, what the other wrote shows as a gap between the offsets of its
//     own writes. From the gap on the stored offset stays, so that the records in it
//     are read when the partition comes back.
//   - To whoever recovers the table, what was written late shows as a value that is
//     older than the one before it. It is passed over, and the newer is written
//     again, as the topic and its compaction hold on to the last.
type owned struct {
	storage.Storage
	version Version // nil: the values have none
	rewrite func(key string, value []byte, acked func(offset int64) error)

	hot hot // only what handlers wrote, of whom there is one at a time

	mu        sync.Mutex
	recovered bool
	torn      bool
	last      int64           // offset of the latest record that is known
	stale     map[string]bool // keys whose last record is older than their value
}

// MarkRecovered tells that from here on it is handlers that read and write.
func (o *owned) MarkRecovered() error {
	last, err := o.GetOffset(0) // goka never reports offset 0
	if err != nil {
		return err
	}
	o.mu.Lock()
	stale := o.stale
	o.recovered, o.last, o.stale = true, max(last, 0), nil
	o.mu.Unlock()
	for key := range stale { // before any handler writes, so that these come first
		value, err := o.Storage.Get(key)
		if err != nil {
			return err
		}
		o.rewrite(key, value, o.SetOffset)
	}
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
	if value, found := o.hot.get(key); found {
		return value, nil
	}
	value, err := o.Storage.Get(key)
	return value, o.orPanic(err)
}

func (o *owned) Set(key string, value []byte) error {
	if older, err := o.olderThanStored(key, value); older || err != nil {
		return err
	}
	err := o.orPanic(o.Storage.Set(key, value))
	if err == nil && o.handled() {
		o.hot.set(key, value)
	}
	return err
}

// Delete implements storage.Storage.
func (o *owned) Delete(key string) error {
	o.hot.set(key, nil)
	return o.Storage.Delete(key)
}

// handled reports whether it is handlers that write, and not the table's recovery.
func (o *owned) handled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.recovered
}

// olderThanStored reports whether a value that is recovered has to give way, and
// remembers that its record stands behind a newer one.
func (o *owned) olderThanStored(key string, value []byte) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.recovered || o.version == nil {
		return false, nil
	}
	stored, err := o.Storage.Get(key)
	if err != nil {
		return false, err
	}
	if o.version(stored) > o.version(value) {
		o.stale[key] = true
		return true, nil
	}
	delete(o.stale, key)
	return false, nil
}

func (o *owned) orPanic(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil && o.recovered {
		panic(err)
	}
	return err
}
