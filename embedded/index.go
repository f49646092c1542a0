package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver, which FerretDB uses too
)

// indexer gives each collection an index by _id that is used. FerretDB 1.24 makes
// one on the expression sjson->"_id" and then looks for sjson->'$._id', so that
// SQLite reads the whole table at each update and each look-up.
type indexer struct {
	dir     string
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// indexTick is how often it is looked for new collections.
const indexTick = 200 * time.Millisecond

func watchCollections(dir string) *indexer {
	ctx, stop := context.WithCancel(context.Background())
	x := &indexer{dir: dir, stop: stop}
	x.stopped.Go(func() {
		tick := time.NewTicker(indexTick)
		defer tick.Stop()
		for {
			if err := x.look(ctx); err != nil && ctx.Err() == nil {
				errorLog("embedded store").Error("a collection has no index by _id, and is slow", slog.Any("error", err))
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return x
}

func (x *indexer) close() {
	x.stop()
	x.stopped.Wait()
}

// look indexes what collections there are in the databases, each a file.
func (x *indexer) look(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(x.dir, "*.sqlite"))
	if err != nil {
		return err
	}
	for _, file := range files {
		err = errors.Join(err, indexCollections(ctx, file))
	}
	return err
}

func indexCollections(ctx context.Context, file string) (err error) {
	where := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(file), RawQuery: "_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", where.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tables, err := unindexed(ctx, db)
	if err != nil {
		return err
	}
	for _, table := range tables {
		_, err := db.ExecContext(ctx, fmt.Sprintf(
			`CREATE INDEX IF NOT EXISTS %[1]q ON %[2]q (_ferretdb_sjson->'$._id')`, table+indexSuffix, table))
		if err != nil {
			return err
		}
	}
	return nil
}

const indexSuffix = "_by_id"

// unindexed gives the tables of collections that have FerretDB's own index alone.
func unindexed(ctx context.Context, db *sql.DB) (tables []string, err error) {
	rows, err := db.QueryContext(ctx, `
		SELECT tbl_name FROM sqlite_master AS own WHERE type = 'index' AND name = tbl_name || '__id_'
		AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = own.tbl_name || ?)`, indexSuffix)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close(), rows.Err()) }()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, nil
}
