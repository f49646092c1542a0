package stream

import (
	"sync"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
)

// Deferred gets a record of a view that is finished later than the callback
// returns, and the function to call then. The view's stored offset moves over
// finished records only, so that the others come again.
type Deferred func(ctx goka.UpdateContext, key string, value []byte, finished func() error) error

// gate is the storage of one partition of such a view.
type gate struct {
	storage.Storage
	began  int64 // the stored offset at first, and one
	prefix prefix
	mu     sync.Mutex // so that of two offsets the lower is not stored last
}

// SetOffset implements storage.Storage: that goka is through with a record does
// not count here.
func (g *gate) SetOffset(int64) error { return nil }

func (g *gate) finish(offset int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if next := g.prefix.finish(offset); next > 0 {
		return g.Storage.SetOffset(next - 1)
	}
	return nil
}

// gates are those of one life of a view, by partition.
type gates struct {
	mu  sync.Mutex
	all map[int32]*gate
}

func (g *gates) builder(build storage.Builder) storage.Builder {
	return func(topic string, partition int32) (storage.Storage, error) {
		s, err := build(topic, partition)
		if err != nil {
			return nil, err
		}
		stored, err := s.GetOffset(-1)
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.all[partition] = &gate{Storage: s, began: stored + 1}
		return g.all[partition], nil
	}
}

// reached gives the offset of each partition up to which all records are finished.
func (g *gates) reached() map[int32]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	reached := make(map[int32]int64, len(g.all))
	for partition, own := range g.all {
		reached[partition] = max(own.began, own.prefix.finished())
	}
	return reached
}

func (g *gates) callback(handle Deferred) goka.UpdateCallback {
	return func(ctx goka.UpdateContext, _ storage.Storage, key string, value []byte) error {
		g.mu.Lock()
		own := g.all[ctx.Partition()]
		g.mu.Unlock()
		own.prefix.begin(ctx.Offset())
		return handle(ctx, key, value, func() error { return own.finish(ctx.Offset()) })
	}
}
