package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// Store is a document store that speaks MongoDB's protocol.
type Store struct {
	server *ferretdb.FerretDB
	stop   context.CancelFunc
	ended  chan error
	temp   string // a directory to remove, if any
}

// StartStore starts a store on a free port. Documents are kept in dir; with dir
// empty they go with the store.
func StartStore(dir string) (*Store, error) { return StartStoreAt(dir, "127.0.0.1:0") }

// StartStoreAt is StartStore on a given address.
func StartStoreAt(dir, addr string) (*Store, error) {
	s := &Store{ended: make(chan error, 1)}
	if dir == "" {
		temp, err := os.MkdirTemp("", "simplecqrs-store-")
		if err != nil {
			return nil, fmt.Errorf("embedded: %w", err)
		}
		dir, s.temp = temp, temp
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: addr},
		Handler:   "sqlite",
		SQLiteURL: (&url.URL{Scheme: "file", Opaque: filepath.ToSlash(dir) + "/"}).String(),
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: starting the store: %w", err), s.remove())
	}
	ctx, stop := context.WithCancel(context.Background())
	s.server, s.stop = server, stop
	go func() { s.ended <- server.Run(ctx) }()
	return s, nil
}

// URI is the address of the store, as MongoDB's drivers want it.
func (s *Store) URI() string { return s.server.MongoDBURI() }

// Close ends the store once its connections have ended, which it cuts.
func (s *Store) Close() error {
	s.stop()
	return errors.Join(<-s.ended, s.remove())
}

func (s *Store) remove() error {
	if s.temp == "" {
		return nil
	}
	return os.RemoveAll(s.temp)
}
