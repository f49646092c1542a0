package stream

import (
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"
)

// Newest gives the callback of a view whose table's values have versions: a value
// never gives way to an older one that was written late, see [Processor]. What before keeps
// beside a value is there whenever the value is: it is told of what is stored, and of what
// is about to be; nil for nothing.
func Newest(version Version, before func(s storage.Storage, key string, stored, value []byte) error) goka.UpdateCallback {
	return func(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
		stored, err := s.Get(key)
		if err != nil {
			return err
		}
		if value != nil && version(stored) > version(value) {
			return nil
		}
		if before != nil {
			if err := before(s, key, stored, value); err != nil {
				return err
			}
		}
		return goka.DefaultUpdate(ctx, s, key, value)
	}
}
