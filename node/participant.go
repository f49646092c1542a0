package node

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"simplecqrs/processors"
)

// participant is who does a step, as the file says.
type participant struct {
	does       processors.Participant // nil: another service
	cannotUndo bool
	remedy     string // what would change that, with a comma behind; may be empty
	said       string
}

// kinds are the participants that there are, by their names in the file. Each is given
// its settings; nil for none.
var kinds = map[string]func(r *reading, what string, settings *yaml.Node) participant{
	"echo": func(r *reading, what string, settings *yaml.Node) participant {
		r.nothing(what, settings)
		return participant{does: processors.Echo{}}
	},
	"external": func(r *reading, what string, settings *yaml.Node) participant {
		r.nothing(what, settings)
		return participant{}
	},
}

// participant reads a participant: its name alone, or with its settings.
func (r *reading) participant(n *yaml.Node, what string) participant {
	n = resolved(n)
	name, settings := n, (*yaml.Node)(nil)
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		name, settings = n.Content[0], resolved(n.Content[1])
	}
	kind, known := kinds[name.Value]
	if name.Kind != yaml.ScalarNode || !known {
		r.wrong(n, "%s: want one of %s", what, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		return participant{}
	}
	before := len(r.mistakes)
	p := kind(r, what+": "+name.Value, settings)
	if len(r.mistakes) == before { // else it may go on for ever, by an alias of itself
		p.said = flow(n)
	}
	return p
}

// nothing refuses settings where there are none to make.
func (r *reading) nothing(what string, settings *yaml.Node) {
	if settings != nil && (settings.Kind != yaml.MappingNode || len(settings.Content) > 0) {
		r.wrong(settings, "%s: want no settings", what)
	}
}
