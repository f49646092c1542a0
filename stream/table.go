package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/lovoo/goka/storage"
)

// tables keeps the local copies of all tables of the process in one Pebble
// database, in which each partition of a role's table is a range of keys. It
// outlives rebalances, so that a partition that comes back replays only what
// others wrote meanwhile. No write is synced: the topic is the truth, and what a
// crash takes is a tail, the stored offset with it.
type tables struct {
	db *pebble.DB

	mu   sync.RWMutex
	open map[tableOf]*table // those that a processor or view has
}

type tableOf struct {
	role string
	place
}

func openTables(dir string) (*tables, error) {
	options := &pebble.Options{
		Logger: silent{},
		// An order is read and written a dozen times within moments and then hardly
		// ever: while it is, it should not leave the memtable.
		MemTableSize: 128 << 20,
	}
	for i := range options.Levels {
		options.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most keys looked for first are new
	}
	if dir == "" {
		dir, options.FS, options.DisableWAL = "tables", vfs.NewMem(), true
	}
	db, err := pebble.Open(dir, options)
	if err != nil {
		return nil, fmt.Errorf("stream: opening the local tables in %s, which one process alone may use: %w", dir, err)
	}
	return &tables{db: db, open: map[tableOf]*table{}}, nil
}

func (t *tables) close() error {
	t.mu.Lock() // whoever reads has left
	defer t.mu.Unlock()
	clear(t.open)
	return t.db.Close()
}

// The keys: role NUL topic NUL and then
//
//	'i'                     the topic's id
//	'p' partition 'o'       the offset up to which the partition is stored
//	'p' partition 'v' key   a value
//	'p' partition 'd' key   nothing: the value has an open deadline, or had one
func tablePrefix(role, topic string) []byte {
	return []byte(role + "\x00" + topic + "\x00")
}

// bind holds the local copy to the identity of its topic (KIP-516) and wipes it
// if it is another's: a topic deleted and made anew would else be mixed with its
// predecessor.
func (t *tables) bind(role, topic string, id []byte) error {
	prefix := tablePrefix(role, topic)
	key := append(bytes.Clone(prefix), 'i')
	known, found, err := t.get(key)
	if err != nil {
		return err
	}
	if found && !bytes.Equal(known, id) {
		if err := t.db.DeleteRange(prefix, successor(prefix), pebble.NoSync); err != nil {
			return fmt.Errorf("stream: wiping the local copy of %s: %w", topic, err)
		}
	}
	return t.db.Set(key, id, pebble.NoSync)
}

func (t *tables) get(key []byte) ([]byte, bool, error) {
	value, closer, err := t.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return bytes.Clone(value), true, closer.Close()
}

// builder gives the storages of a role's tables, in the form in which goka wants it.
func (t *tables) builder(role string) storage.Builder {
	return func(topic string, partition int32) (storage.Storage, error) {
		prefix := binary.BigEndian.AppendUint32(append(tablePrefix(role, topic), 'p'), uint32(partition))
		built := &table{
			tables: t, id: tableOf{role, place{topic, partition}},
			offset: append(bytes.Clone(prefix), 'o'),
			opens:  append(bytes.Clone(prefix), 'd'),
			values: append(prefix, 'v'),
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.open[built.id] = built
		return built, nil
	}
}

// table is one partition of a table: a storage.Storage of goka.
type table struct {
	*tables
	id     tableOf
	offset []byte // key of the offset
	opens  []byte // prefix of the keys of open deadlines
	values []byte // prefix of the values' keys

	mu        sync.Mutex
	current   int64
	unsaved   int
	recovered bool
	closed    bool
}

// saveEvery is how many offsets go by before one is written: a stored offset
// that is behind only means that as many records are replayed.
const saveEvery = 256

func (t *table) Open() error { return nil }

// Close keeps the offset. The database is the process's and stays open.
func (t *table) Close() error {
	t.leave()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return t.save()
}

func (t *table) key(k string) []byte { return append(bytes.Clone(t.values), k...) }

func (t *table) Has(key string) (bool, error) {
	_, found, err := t.get(t.key(key))
	return found, err
}

func (t *table) Get(key string) ([]byte, error) {
	value, _, err := t.get(t.key(key))
	return value, err
}

func (t *table) Set(key string, value []byte) error {
	return t.db.Set(t.key(key), value, pebble.NoSync)
}

func (t *table) Delete(key string) error { return t.db.Delete(t.key(key), pebble.NoSync) }

// noteOpen notes that a value has an open deadline, and the traceparent of the write
// that armed it, if there is one; see timed.
func (t *table) noteOpen(key string, traceparent []byte) error {
	return t.db.Set(append(bytes.Clone(t.opens), key...), traceparent, pebble.NoSync)
}

func (t *table) noteShut(key string) error {
	return t.db.Delete(append(bytes.Clone(t.opens), key...), pebble.NoSync)
}

// opened gives the keys that were noted.
func (t *table) opened() (storage.Iterator, error) { return t.iterate(t.opens, nil, nil) }

func (t *table) GetOffset(otherwise int64) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unsaved > 0 {
		return t.current, nil
	}
	value, found, err := t.get(t.offset)
	if err != nil || !found {
		return otherwise, err
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

// SetOffset counts for nothing once the storage is closed: an acknowledgement that
// comes late must not move the offset under whoever has the partition by then.
func (t *table) SetOffset(offset int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.current = offset
	t.unsaved++
	if t.unsaved < saveEvery {
		return nil
	}
	return t.save()
}

func (t *table) save() error {
	if t.unsaved == 0 {
		return nil
	}
	t.unsaved = 0
	return t.db.Set(t.offset, binary.BigEndian.AppendUint64(nil, uint64(t.current)), pebble.NoSync)
}

func (t *table) MarkRecovered() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recovered = true
	return t.save()
}

func (t *table) Iterator() (storage.Iterator, error) { return t.IteratorWithRange(nil, nil) }

// IteratorWithRange goes from start to before limit. Without a limit it goes over
// the keys that begin with start, as goka's own storages have it.
func (t *table) IteratorWithRange(start, limit []byte) (storage.Iterator, error) {
	return t.iterate(t.values, start, limit)
}

func (t *table) iterate(prefix, start, limit []byte) (storage.Iterator, error) {
	options := &pebble.IterOptions{LowerBound: append(bytes.Clone(prefix), start...)}
	if len(limit) > 0 {
		options.UpperBound = append(bytes.Clone(prefix), limit...)
	} else {
		options.UpperBound = successor(options.LowerBound)
	}
	it, err := t.db.NewIter(options)
	if err != nil {
		return nil, err
	}
	return &tableIterator{it: it, prefix: prefix}, nil
}

// tableIterator is a storage.Iterator of goka.
type tableIterator struct {
	it      *pebble.Iterator
	prefix  []byte
	started bool
}

func (i *tableIterator) Next() bool {
	if i.started {
		return i.it.Next()
	}
	i.started = true
	return i.it.First()
}

func (i *tableIterator) Seek(key []byte) bool {
	i.started = true
	return i.it.SeekGE(append(bytes.Clone(i.prefix), key...))
}

// Key gives nil past the last.
func (i *tableIterator) Key() []byte {
	if !i.it.Valid() {
		return nil
	}
	return i.it.Key()[len(i.prefix):]
}

func (i *tableIterator) Err() error             { return i.it.Error() }
func (i *tableIterator) Value() ([]byte, error) { return i.it.ValueAndErr() }
func (i *tableIterator) Release()               { _ = i.it.Close() } // its error is Err's too

// successor is the first key after all that begin with prefix, which is not all 0xff.
func successor(prefix []byte) []byte {
	s := bytes.TrimRight(prefix, "\xff")
	s = bytes.Clone(s)
	s[len(s)-1]++
	return s
}

// silent drops Pebble's account of its housekeeping; what fails comes as an error.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("stream: local tables: "+format, args...)) // Pebble cannot go on
}
