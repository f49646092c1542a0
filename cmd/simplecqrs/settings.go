package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const settingsHelp = `
A flag that is named with an environment variable can also be given by that, or by a line
"name: value" of a YAML file that -config names, where a list may stand as one. A
flag goes before the environment, and that before the file. An empty variable says
nothing, and the file may have lines for other commands.
`

// variable is the environment variable that gives a flag.
func variable(name string) string {
	return "SIMPLECQRS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

const configFlag = "config"

// connection has the flags that say which edge is meant and how to talk with it.
var connection = []string{configFlag, "url", "token", "token-file", "cacert", "o"}

// settable says whether a flag can be given otherwise than on the command line. For what
// deals with orders and letters none can that says which, or what with them: a variable
// that was forgotten would have a command act on many.
func settable(f *flag.FlagSet, name string) bool {
	command, _, _ := strings.Cut(f.Name(), " ")
	return command != "order" && command != "deadletters" || slices.Contains(connection, name)
}

// settle sets the flags that were not given: from the environment, or else from the
// file that the flag config names.
func settle(f *flag.FlagSet) (err error) {
	given := map[string]bool{}
	f.Visit(func(one *flag.Flag) { given[one.Name] = true })
	set := func(name, value, from string) {
		if given[name] || err != nil {
			return
		}
		given[name] = true
		if err = f.Set(name, value); err != nil {
			err = fmt.Errorf("%s: %w", from, err)
		}
	}
	f.VisitAll(func(one *flag.Flag) {
		if value := os.Getenv(variable(one.Name)); value != "" && settable(f, one.Name) {
			set(one.Name, value, variable(one.Name))
		}
	})
	file := f.Lookup(configFlag).Value.String()
	if file == "" || err != nil {
		return err
	}
	lines, err := linesOf(file)
	if err != nil {
		return err
	}
	known := everyFlag()
	for _, l := range lines {
		switch {
		case !known[l.name]:
			return fmt.Errorf("%s: no command has a flag %q that a file can give", l.from, l.name)
		case f.Lookup(l.name) != nil && settable(f, l.name):
			set(l.name, l.value, l.from+": "+l.name)
		}
	}
	return err
}

// line is a flag's value in a file.
type line struct{ name, value, from string }

// linesOf reads a file of flags.
func linesOf(file string) (lines []line, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-%s: %w", configFlag, err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(document.Content) == 0 {
		return nil, nil // an empty file
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: want lines of flag: value", file, root.Line)
	}
	seen := map[string]bool{configFlag: true} // a file names no other
	for i := 0; i < len(root.Content); i += 2 {
		name, from := root.Content[i].Value, fmt.Sprintf("%s:%d", file, root.Content[i].Line)
		value, err := valueOf(root.Content[i+1])
		if err == nil && seen[name] {
			err = errors.New("it may not stand here, or not twice")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", from, name, err)
		}
		seen[name] = true
		lines = append(lines, line{name, value, from})
	}
	return lines, nil
}

// valueOf is a value as a flag takes it: a list has commas.
func valueOf(n *yaml.Node) (string, error) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return n.Value, nil
	case n.Kind == yaml.SequenceNode:
		values := make([]string, len(n.Content))
		for i, one := range n.Content {
			if one.Kind != yaml.ScalarNode || strings.Contains(one.Value, ",") {
				return "", errors.New("want a list of plain values")
			}
			values[i] = one.Value
		}
		return strings.Join(values, ","), nil
	}
	return "", errors.New("want a value, or a list of them")
}

// everyFlag has the name of each flag of any command that can be given in a file.
func everyFlag() map[string]bool {
	names := map[string]bool{}
	for _, path := range commandPaths() {
		f := flagsOf(path...)
		f.VisitAll(func(one *flag.Flag) { names[one.Name] = names[one.Name] || settable(f, one.Name) })
	}
	return names
}
