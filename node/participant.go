package node

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"simplecqrs/processors"
)

// participant is who does a step, as the file says.
type participant struct {
	does       processors.Participant // nil: another service
	cannotUndo bool
	remedy     string // what would change that, with an or behind; may be empty
	said       string
}

// kinds are the participants that there are, by their names in the file. Each is given
// its settings, a mapping that is empty where there are none.
var kinds = map[string]func(r *reading, what string, settings *yaml.Node) participant{
	"echo": func(r *reading, what string, settings *yaml.Node) participant {
		r.nothing(what, settings)
		return participant{does: processors.Echo{}}
	},
	"external": func(r *reading, what string, settings *yaml.Node) participant {
		r.nothing(what, settings)
		return participant{}
	},
	"http": func(r *reading, what string, settings *yaml.Node) participant {
		var c processors.HTTPConfig
		r.mapping(settings, what, members{
			"url":     r.address(what+": url", &c.URL),
			"undo":    r.address(what+": undo", &c.UndoURL),
			"timeout": r.duration(what+": timeout", &c.Timeout),
			"bearer":  r.setting(what+": bearer", "a token", &c.Bearer),
		}, "url")
		return made(r, what, settings, participant{
			cannotUndo: c.UndoURL == "", remedy: "give it undo, or ",
		}, c, processors.NewHTTP)
	},
	"smtp": func(r *reading, what string, settings *yaml.Node) participant {
		var c processors.SMTPConfig
		r.mapping(settings, what, members{
			"address":  r.setting(what+": address", "host:port", &c.Address),
			"from":     r.setting(what+": from", "a mail address", &c.From),
			"to":       r.setting(what+": to", "a mail address", &c.To),
			"subject":  r.setting(what+": subject", "a text", &c.Subject),
			"timeout":  r.duration(what+": timeout", &c.Timeout),
			"user":     r.setting(what+": user", "a name", &c.User),
			"password": r.setting(what+": password", "a password", &c.Password),
			"tls":      scalar(r, what+": tls", "true or false", &c.RequireTLS, strconv.ParseBool),
		}, "address", "from")
		return made(r, what, settings, participant{cannotUndo: true}, c, processors.NewSMTP)
	},
}

// made makes a participant of settings in which no mistake was found yet.
func made[C any, P processors.Participant](
	r *reading, what string, settings *yaml.Node, p participant, c C, build func(C) (P, error),
) participant {
	if len(r.mistakes) > 0 {
		return p
	}
	does, err := build(c)
	if err != nil {
		r.wrong(settings, "%s: %v", what, err)
		return p
	}
	p.does = does
	return p
}

// participant reads a participant: its name alone, or with its settings.
func (r *reading) participant(n *yaml.Node, what string) participant {
	n = resolved(n)
	name, settings := n, &yaml.Node{Kind: yaml.MappingNode, Line: n.Line} // none
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
	if settings.Kind != yaml.MappingNode || len(settings.Content) > 0 {
		r.wrong(settings, "%s: want no settings", what)
	}
}
