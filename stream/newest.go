package stream

import (
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
)

// Newest gives the update callback of a table whose values have versions: a value
// never gives way to an older one. A processor that was frozen while its partition
// was given to another writes such behind the other's.
func Newest(version func(value []byte) int64) goka.UpdateCallback {
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
