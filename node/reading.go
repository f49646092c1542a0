package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// reading is the reading of a file, which goes on after a mistake, to tell all of them.
type reading struct {
	file     string
	mistakes []error
}

// members are what can stand in a mapping, and what reads it.
type members map[string]func(*yaml.Node)

func (r *reading) wrong(n *yaml.Node, format string, args ...any) { r.wrongAt(n.Line, format, args...) }

func (r *reading) wrongAt(line int, format string, args ...any) {
	r.mistakes = append(r.mistakes, fmt.Errorf("%s:%d: %s", r.file, max(line, 1), fmt.Sprintf(format, args...)))
}

// document gives the value of a file that has one; nil for a mistake.
func (r *reading) document(data []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := d.Decode(&first)
	if errors.Is(err, io.EOF) {
		r.wrongAt(1, "the file is empty: want version and steps")
		return nil
	}
	if err == nil {
		err = d.Decode(&second)
	}
	var mistake *yaml.LoadError
	switch {
	case errors.Is(err, io.EOF):
		return first.Content[0]
	case errors.As(err, &mistake):
		line := mistake.Mark.Line
		if line == 0 {
			line = 1 + bytes.Count(data[:min(mistake.Mark.Index, len(data))], []byte("\n"))
		}
		where := ""
		if begun := mistake.ContextMark.Line; begun > 0 && begun != line {
			where = fmt.Sprintf(", %s that begins in line %d", mistake.ContextMsg, begun)
		}
		r.wrongAt(line, "no YAML: %s%s", mistake.Message, where)
	case err != nil:
		r.wrongAt(1, "no YAML: %v", err)
	default:
		r.wrong(&second, "a second document: want one")
	}
	return nil
}

// resolved is the value that an alias stands for, or the value itself.
func resolved(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// at finds a member by its path; where it is left out, the innermost that it would be
// in. The saga has the same names as the file, but for the case.
func at(n *yaml.Node, path ...string) *yaml.Node {
	n = resolved(n)
	if n.Kind != yaml.MappingNode || len(path) == 0 {
		return n
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, path[0]) {
			return at(n.Content[i+1], path[1:]...)
		}
	}
	return n
}

// mapping reads the members of a mapping, of which some must be there.
func (r *reading) mapping(n *yaml.Node, what string, known members, required ...string) {
	names := strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "%s: want a mapping of %s", what, names)
		return
	}
	there := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolved(n.Content[i])
		switch read, ok := known[key.Value]; {
		case !ok || key.Kind != yaml.ScalarNode:
			r.wrong(n.Content[i], "%s: the member %q is unknown; known are %s", what, key.Value, names)
		case there[key.Value]:
			r.wrong(n.Content[i], "%s: %s stands twice", what, key.Value)
		default:
			there[key.Value] = true
			read(n.Content[i+1])
		}
	}
	for _, name := range required {
		if !there[name] {
			r.wrong(n, "%s: %s is missing", what, name)
		}
	}
}

func (r *reading) list(what string, read func(*yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		n = resolved(n)
		if n.Kind != yaml.SequenceNode {
			r.wrong(n, "%s: want a list", what)
			return
		}
		for _, item := range n.Content {
			read(resolved(item))
		}
	}
}

// scalar reads a value that parse takes.
func scalar[T any](r *reading, what, want string, to *T, parse func(string) (T, error)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		n = resolved(n)
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			r.wrong(n, "%s: want %s", what, want)
			return
		}
		value, err := parse(n.Value)
		if err != nil {
			r.wrong(n, "%s %q: want %s", what, n.Value, want)
			return
		}
		*to = value
	}
}

func (r *reading) whole(what string, to *int) func(*yaml.Node) {
	return scalar(r, what, "a whole number", to, strconv.Atoi)
}

func (r *reading) number(what string, to *float64) func(*yaml.Node) {
	return scalar(r, what, "a number", to, func(s string) (float64, error) {
		f, err := strconv.ParseFloat(s, 64)
		if math.IsInf(f, 0) || math.IsNaN(f) {
			err = strconv.ErrRange
		}
		return f, err
	})
}

func (r *reading) duration(what string, to *time.Duration) func(*yaml.Node) {
	return scalar(r, what, "a number and its unit, such as 30s, 5m or 24h", to, time.ParseDuration)
}

func (r *reading) word(what, want string, to *string) func(*yaml.Node) {
	return scalar(r, what, want, to, func(s string) (string, error) { return s, nil })
}

// setting reads a participant's setting, in which ${NAME} stands for what the environment
// has under that name: a secret need not be in the file.
func (r *reading) setting(what, want string, to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.word(what, want, to)(n)
		*to = variable.ReplaceAllStringFunc(*to, func(found string) string {
			name := variable.FindStringSubmatch(found)[1]
			value, set := os.LookupEnv(name)
			switch {
			case name == "":
				r.wrong(resolved(n), "%s: ${ without a name: want ${NAME}, of an environment variable", what)
			case !set:
				r.wrong(resolved(n), "%s: the environment variable %s is not set", what, name)
			}
			return value
		})
	}
}

// variable finds the places where the environment is to be filled in, those without a
// proper name included.
var variable = regexp.MustCompile(`\$\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?`)

// address reads a setting that must be the URL of an HTTP server.
func (r *reading) address(what string, to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		const want = "an address such as https://pay.example/charges"
		before := len(r.mistakes)
		r.setting(what, want, to)(n)
		u, err := url.Parse(*to)
		if len(r.mistakes) == before && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			// Not the value, which may hold a secret; the file has it.
			r.wrong(resolved(n), "%s: want %s", what, want)
		}
	}
}

// flow writes a value on one line.
func flow(n *yaml.Node) string {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		if plain.MatchString(n.Value) {
			return n.Value
		}
		return strconv.Quote(n.Value)
	}
	var parts []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		parts = append(parts, flow(n.Content[i])+": "+flow(n.Content[i+1]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// plain are the texts that need no quotes anywhere.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9./@_-]*(:[A-Za-z0-9./@_-]+)*$`)
