package simplecqrs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const ourModule = "simplecqrs"

var (
	core  = []string{"order", "saga", "codecs"}
	parts = slices.Concat(core, []string{"processors", "views", "edge", "deadline", "stream", "telemetry", "loopback"})
	whole = slices.Concat(parts, []string{"access", "node", "bench", "sim"})
)

// mayImport says for each folder what of ours it may import. Tests may import the
// embedded parts and the issuer besides.
var mayImport = map[string][]string{
	".":                 whole, // only tests lie there
	"order":             {},
	"saga":              {"order"},
	"codecs":            {"order", "saga"},
	"processors":        slices.Concat(core, []string{"stream", "telemetry"}),
	"views":             slices.Concat(core, []string{"stream", "telemetry"}),
	"edge":              slices.Concat(core, []string{"telemetry", "web", "loopback"}),
	"web":               {},
	"deadline":          {},
	"stream":            {"deadline", "telemetry"},
	"telemetry":         {},
	"loopback":          {},
	"access":            {"order", "loopback"}, // of order the errors
	"access/issuertest": {},
	"embedded":          {},
	"sim":               {"order", "saga", "deadline"},
	"node":              parts,
	"bench":             slices.Concat(parts, []string{"node"}),
	"cmd/simplecqrs":    whole,
	"cmd/dev":           slices.Concat(whole, []string{"embedded"}),
}

// mayBeImportedBy says of modules which folders alone may import them. The longest
// prefix of an import counts.
var mayBeImportedBy = []struct {
	prefix  string
	folders []string
	byTests bool // tests of any folder, too
}{
	{"github.com/IBM/sarama", []string{"stream"}, true},
	{"github.com/twmb/franz-go", []string{"stream", "embedded"}, true},
	{"github.com/twmb/franz-go/pkg/kfake", []string{"embedded"}, true},
	{"github.com/FerretDB", []string{"embedded"}, false},
}

// pure are the folders that decide: same input, same outcome.
var pure = []string{"order", "saga", "deadline"}

// pureMayImport is all that those may import but what is ours.
var pureMayImport = []string{"cmp", "container/heap", "errors", "fmt", "hash/fnv", "maps", "slices", "strconv", "strings", "time"}

// impureTime is what package time has that depends on the clock or the machine.
var impureTime = []string{
	"After", "AfterFunc", "LoadLocation", "Local", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until",
}

func TestDependencies(t *testing.T) {
	found, err := depsComplaints(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		t.Error(c)
	}
}

// Each rule is broken once, so that its test is seen to fail.
func TestDependencyRules(t *testing.T) {
	for _, rule := range []struct {
		name, file, source string
		want               []string
	}{
		{
			"a folder imports what it may",
			"saga/decide.go", `import ("fmt"; "time"; "simplecqrs/order"); var _ = time.Second`,
			nil,
		},
		{
			"a folder imports nothing else of ours",
			"order/fold.go", `import "simplecqrs/codecs"`,
			[]string{"order/fold.go: order may not import simplecqrs/codecs"},
		},
		{
			"shells do not import each other",
			"edge/query.go", `import "simplecqrs/views"`,
			[]string{"edge/query.go: edge may not import simplecqrs/views"},
		},
		{
			"a package below one that may be imported is another",
			"saga/decide.go", `import "simplecqrs/order/internal/x"`,
			[]string{"saga/decide.go: saga may not import simplecqrs/order/internal/x"},
		},
		{
			"a folder that is not listed",
			"util/util.go", ``,
			[]string{"util/util.go: the folder util is not listed in deps_test.go"},
		},
		{
			"a folder below a listed one that is not listed",
			"order/internal/x/x.go", ``,
			[]string{"order/internal/x/x.go: the folder order/internal/x is not listed in deps_test.go"},
		},
		{
			"the program does not link the embedded parts",
			"cmd/simplecqrs/serve.go", `import "simplecqrs/embedded"`,
			[]string{"cmd/simplecqrs/serve.go: cmd/simplecqrs may not import simplecqrs/embedded"},
		},
		{
			"the trial does",
			"cmd/dev/main.go", `import "simplecqrs/embedded"`,
			nil,
		},
		{
			"tests do, and speak with the broker",
			"node/node_test.go", `import ("simplecqrs/embedded"; "simplecqrs/node"; "github.com/twmb/franz-go/pkg/kgo"; "github.com/twmb/franz-go/pkg/kfake")`,
			nil,
		},
		{
			"a broker's client outside stream",
			"node/node.go", `import ("github.com/IBM/sarama"; "github.com/twmb/franz-go/pkg/kgo"; "github.com/twmb/franz-go/pkg/kadm")`,
			[]string{
				"node/node.go: node may not import github.com/IBM/sarama",
				"node/node.go: node may not import github.com/twmb/franz-go/pkg/kgo",
				"node/node.go: node may not import github.com/twmb/franz-go/pkg/kadm",
			},
		},
		{
			"a broker's client in stream",
			"stream/client.go", `import ("github.com/IBM/sarama"; "github.com/twmb/franz-go/pkg/kgo"; "github.com/twmb/franz-go/pkg/kadm")`,
			nil,
		},
		{
			"the broker itself outside embedded",
			"stream/client.go", `import "github.com/twmb/franz-go/pkg/kfake"`,
			[]string{"stream/client.go: stream may not import github.com/twmb/franz-go/pkg/kfake"},
		},
		{
			"the store itself outside embedded, even in a test",
			"views/mongo_test.go", `import "github.com/FerretDB/FerretDB/ferretdb"`,
			[]string{"views/mongo_test.go: views may not import github.com/FerretDB/FerretDB/ferretdb"},
		},
		{
			"a decision that imports more than values",
			"order/fold.go", `import ("math/rand"; "github.com/lovoo/goka"; "C")`,
			[]string{
				"order/fold.go: order is pure, and may not import math/rand",
				"order/fold.go: order is pure, and may not import github.com/lovoo/goka",
				"order/fold.go: order is pure, and may not import C",
			},
		},
		{
			"a decision that reads the clock",
			"saga/decide.go", `import "time"; func f() { _ = time.Now(); <-time.After(time.Since(time.Time{})) }`,
			[]string{
				"saga/decide.go: saga is pure, and may not use time.Now",
				"saga/decide.go: saga is pure, and may not use time.After",
				"saga/decide.go: saga is pure, and may not use time.Since",
			},
		},
		{
			"a decision that reads the clock behind another name",
			"order/fold.go", `import clock "time"; var now = clock.Now`,
			[]string{"order/fold.go: order is pure, and may not use time.Now"},
		},
		{
			"a decision that hides where its names are from",
			"order/fold.go", `import . "time"`,
			[]string{"order/fold.go: order is pure, and may not import time by a dot"},
		},
		{
			"a decision that goes on in the background",
			"saga/decide.go", `func f() { go f() }`,
			[]string{"saga/decide.go: saga is pure, and may not start a goroutine"},
		},
		{
			"tests of a decision may do so",
			"saga/decide_test.go", `import ("testing"; "time"); func f() { go f(); time.Now() }`,
			nil,
		},
		{
			"what Go does not build does not count",
			"order/testdata/x.go", `import "simplecqrs/edge"`,
			nil,
		},
	} {
		t.Run(rule.name, func(t *testing.T) {
			found, err := depsComplaints(fstest.MapFS{
				rule.file: {Data: []byte("package x; " + rule.source)},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rule.want, found); diff != "" {
				t.Errorf("complaints (-want +found):\n%s", diff)
			}
		})
	}
}

func TestDependenciesOfABrokenFile(t *testing.T) {
	if _, err := depsComplaints(fstest.MapFS{"order/fold.go": {Data: []byte("packag order")}}); err == nil {
		t.Error("a file that is not Go passes")
	}
}

func TestTheMapHasEachFolder(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for folder := range mayImport {
		if _, err := os.Stat(folder); err != nil || folder == "." {
			continue // yet to come
		}
		if !strings.Contains(string(text), folder+" ") {
			t.Errorf("doc.go does not say what %s is", folder)
		}
	}
}

// depsComplaints tells which Go files of a tree break the rules above. It parses
// them itself: of a list made by another process the test cache knows nothing.
func depsComplaints(tree fs.FS) (found []string, err error) {
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && notBuilt(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, c := range fileComplaints(path.Dir(name), strings.HasSuffix(name, "_test.go"), file) {
			found = append(found, name+": "+c)
		}
		return nil
	})
	return found, err
}

// notBuilt says of a folder that the go command passes over it.
func notBuilt(folder string) bool {
	return folder == "testdata" || folder == "vendor" ||
		folder != "." && (strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_"))
}

func fileComplaints(folder string, isTest bool, file *ast.File) (found []string) {
	ours, listed := mayImport[folder]
	if !listed {
		return []string{fmt.Sprintf("the folder %s is not listed in deps_test.go", folder)}
	}
	if isTest {
		ours = slices.Concat(ours, []string{folder, "embedded", "access/issuertest"})
	}
	isPure := slices.Contains(pure, folder) && !isTest
	for _, spec := range file.Imports {
		what := importPath(spec)
		local, isOurs := strings.CutPrefix(what, ourModule+"/")
		switch {
		case isOurs && !slices.Contains(ours, local),
			!isOurs && !isPure && !thirdPartyAllowed(what, folder, isTest):
			found = append(found, fmt.Sprintf("%s may not import %s", folder, what))
		case isPure && !isOurs && !slices.Contains(pureMayImport, what):
			found = append(found, fmt.Sprintf("%s is pure, and may not import %s", folder, what))
		case isPure && spec.Name != nil && spec.Name.Name == ".":
			found = append(found, fmt.Sprintf("%s is pure, and may not import %s by a dot", folder, what))
		}
	}
	if isPure {
		for _, what := range impurities(file) {
			found = append(found, fmt.Sprintf("%s is pure, and may not %s", folder, what))
		}
	}
	return found
}

func importPath(spec *ast.ImportSpec) string {
	what, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser lets no other literal through
	}
	return what
}

func thirdPartyAllowed(what, folder string, isTest bool) bool {
	allowed, longest := true, 0
	for _, rule := range mayBeImportedBy {
		if len(rule.prefix) > longest && (what == rule.prefix || strings.HasPrefix(what, rule.prefix+"/")) {
			allowed, longest = slices.Contains(rule.folders, folder) || isTest && rule.byTests, len(rule.prefix)
		}
	}
	return allowed
}

// impurities are what a file does that depends on more than its input.
func impurities(file *ast.File) (found []string) {
	clock := "" // the name of package time in the file
	for _, spec := range file.Imports {
		if importPath(spec) == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "start a goroutine")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == clock && slices.Contains(impureTime, n.Sel.Name) {
				found = append(found, "use time."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}
