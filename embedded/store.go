package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// Store is a document store that speaks MongoDB's protocol.
type Store struct {
	addr  string
	close func() error
}

// StartStore starts a store on a free port. Documents are kept in dir, which is
// made if need be; with dir empty they go with the store.
func StartStore(dir string) (*Store, error) { return StartStoreAt(dir, "127.0.0.1:0") }

// StartStoreAt is StartStore on a given address, as host:port. A store comes back
// to its clients with its directory and its [Store.Addr].
func StartStoreAt(dir, addr string) (*Store, error) {
	remove := func() error { return nil }
	if dir == "" {
		temp, err := os.MkdirTemp("", "simplecqrs-store-")
		if err != nil {
			return nil, fmt.Errorf("embedded: %w", err)
		}
		dir, remove = temp, func() error { return os.RemoveAll(temp) }
	}
	server, err := newServer(dir, addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: starting the store: %w", err), remove())
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	uri, err := url.Parse(server.MongoDBURI())
	if err != nil {
		stop()
		return nil, errors.Join(fmt.Errorf("embedded: starting the store: %w", err), <-ended, remove())
	}
	indexes := watchCollections(dir)
	return &Store{uri.Host, sync.OnceValue(func() error {
		indexes.close()
		stop()
		return errors.Join(<-ended, remove())
	})}, nil
}

// making is held while a server is made, as FerretDB then writes to a global.
var making sync.Mutex

func newServer(dir, addr string) (*ferretdb.FerretDB, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := tryAddr(addr); err != nil {
		return nil, err
	}
	where := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(dir) + "/"}
	making.Lock()
	defer making.Unlock()
	return ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: addr},
		Handler:   "sqlite",
		SQLiteURL: where.String(),
		Logger:    errorLog("embedded store"),
	})
}

// tryAddr says why addr cannot be listened on. FerretDB must not find that out for
// itself: what it has opened by then it leaves, with a finalizer that panics.
func tryAddr(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// URI is the address of the store, as MongoDB's drivers want it.
func (s *Store) URI() string { return "mongodb://" + s.addr + "/" }

// Addr is the address that the store listens on as host:port, also once it is
// closed.
func (s *Store) Addr() string { return s.addr }

// Close ends the store, its files closed. New connections are refused at once;
// open ones are served for up to 3 s, and then cut. Closing again does nothing.
func (s *Store) Close() error { return s.close() }
