package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often files are looked at. Their bytes are compared, not their
	// times, which may stay the same.
	lookEvery = 2 * time.Second
	// maxFile bounds a file, in bytes.
	maxFile = 1 << 20
)

// kept is what was made of files, and is made anew when they change.
type kept[T any] struct {
	files []string
	parse func(contents [][]byte) (T, error)
	log   *slog.Logger

	gone *T // what counts once a file is gone; nil: what was read before

	now  atomic.Pointer[T]
	seen [][]byte // what was read last
	told string   // of what was told last that it is wrong
}

func open[T any](log *slog.Logger, parse func([][]byte) (T, error), files ...string) (*kept[T], error) {
	k := &kept[T]{files: files, parse: parse, log: log}
	if _, err := k.look(); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *kept[T]) value() T { return *k.now.Load() }

// look takes over what has changed.
func (k *kept[T]) look() (changed bool, err error) {
	contents := make([][]byte, len(k.files))
	for i, name := range k.files {
		if contents[i], err = readFile(name); err != nil {
			if k.revoked(err) {
				k.now.Store(k.gone)
				k.seen = nil
			}
			return false, err
		}
	}
	if slices.EqualFunc(contents, k.seen, bytes.Equal) && k.told == "" {
		return false, nil
	}
	value, err := k.parse(contents)
	if err != nil {
		return false, fmt.Errorf("%s: %w", strings.Join(k.files, ", "), err)
	}
	k.now.Store(&value)
	k.seen = contents
	return true, nil
}

// revoked reports whether an error says that what was read before counts no more.
func (k *kept[T]) revoked(err error) bool { return k.gone != nil && errors.Is(err, fs.ErrNotExist) }

// watch looks until ctx ends, and tells of each mistake once.
func (k *kept[T]) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		files := slog.String("files", strings.Join(k.files, ", "))
		switch changed, err := k.look(); {
		case err != nil && err.Error() != k.told:
			k.told = err.Error()
			what := "what was read before stays, as what is there now cannot be used"
			if k.revoked(err) {
				what = "what was read before counts no more, as it is gone"
			}
			k.log.Error(what, files, slog.Any("error", err))
		case changed:
			k.told = ""
			k.log.Info("read anew", files)
		}
	}
}

func readFile(name string) (content []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read only
	content, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return content, err
}
