package stream

import "github.com/lovoo/goka/storage"

// Gate is the storage of a view whose records are finished later than its
// callback: the stored offset is that of the finished prefix, whatever goka says,
// so that what was not finished comes again.
type Gate struct {
	storage.Storage
	prefix prefix
}

// Begin notes that the record at offset was received; the function that it gives
// must be called once it is finished.
func (g *Gate) Begin(offset int64) (finished func() error) {
	g.prefix.begin(offset)
	return func() error {
		if next := g.prefix.finish(offset); next > 0 {
			return g.Storage.SetOffset(next - 1)
		}
		return nil
	}
}

// SetOffset implements storage.Storage: goka's word does not count here.
func (g *Gate) SetOffset(int64) error { return nil }

func gated(build storage.Builder) storage.Builder {
	return func(topic string, partition int32) (storage.Storage, error) {
		s, err := build(topic, partition)
		if err != nil {
			return nil, err
		}
		return &Gate{Storage: s}, nil
	}
}
