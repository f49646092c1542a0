package embedded

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// plan is how SQLite finds a document as FerretDB asks for it.
func plan(t *testing.T, file string) (detail string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	check(t, err)
	defer func() { check(t, db.Close()) }()
	var table string
	check(t, db.QueryRowContext(t.Context(),
		`SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'orders%'`).Scan(&table))
	var id, parent, unused int
	check(t, db.QueryRowContext(t.Context(),
		`EXPLAIN QUERY PLAN SELECT _ferretdb_sjson FROM "`+table+`" WHERE _ferretdb_sjson->'$._id' = ?`, `"x"`).
		Scan(&id, &parent, &unused, &detail))
	return detail
}

func TestADocumentIsFoundByAnIndexAlsoAfterARestart(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		s := startStore(t, dir, "127.0.0.1:0")
		check(t, put(t.Context(), open(t, s), "ORD-B384F", 1, "x"))
		files, err := filepath.Glob(filepath.Join(dir, "*.sqlite"))
		check(t, err)
		if len(files) != 1 {
			t.Fatalf("databases: %q", files)
		}
		tick := time.NewTicker(10 * time.Millisecond)
		limit := time.After(10 * time.Second)
		for detail := plan(t, files[0]); !strings.Contains(detail, indexSuffix); detail = plan(t, files[0]) {
			select {
			case <-tick.C:
			case <-limit:
				t.Fatalf("the plan remains: %s", detail)
			}
		}
		tick.Stop()
		check(t, s.Close())
	}
}
