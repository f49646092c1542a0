package stream

import (
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
)

// Newest gives the callback of a view whose table's values have versions: a value
// never gives way to an older one that was written late, see [Processor].
func Newest(version Version) goka.UpdateCallback {
	return func(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
		stored, err := s.Get(key)
		if err != nil {
			return err
		}
		if value != nil && version(stored) > version(value) {
			return nil
		}
		return goka.DefaultUpdate(ctx, s, key, value)
	}
}
