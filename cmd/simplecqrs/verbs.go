package main

import (
	"context"
	"errors"
	"flag"
	"maps"
	"slices"
	"strings"
)

// doing does something with an edge, and with the arguments that are no flags.
type doing func(context.Context, edgeClient, []string) error

// verb is one of the things that a command can be asked to do with an edge: its
// arguments, what -h tells, and its flags, of which comes what does it.
type verb struct {
	arguments, synopsis string
	define              func(*flag.FlagSet) doing
}

// group is a command of several verbs.
type group struct {
	name, synopsis string
	verbs          map[string]verb
	argument       func(string) error // refuses what cannot be an argument
}

func (g group) run(ctx context.Context, args []string, out output) error {
	var name string
	if len(args) > 0 {
		name = args[0]
	}
	v, known := g.verbs[name]
	if !known {
		f := newFlags(g.name+" "+strings.Join(slices.Sorted(maps.Keys(g.verbs)), "|"), g.synopsis)
		if name != "" && !strings.HasPrefix(name, "-") && out.flags == nil {
			return refuse(f, &unknownValue{name, slices.Sorted(maps.Keys(g.verbs))})
		}
		if err := parse(f, args, out); err != nil {
			return err
		}
		return refuse(f, errors.New("say what to do"))
	}
	f := newFlags(g.name+" "+name+v.arguments, v.synopsis+"\n"+exitHelp)
	clientFlags(f)
	do := v.define(f)
	rest, err := parseMixed(f, args[1:], out)
	if err != nil {
		return err
	}
	for _, one := range rest {
		if err := g.argument(one); err != nil {
			return refuse(f, err)
		}
	}
	c, err := clientOf(f, out)
	if err == nil {
		err = do(ctx, c, rest)
	}
	var mistaken wrongArguments
	if errors.As(err, &mistaken) {
		return refuse(f, mistaken)
	}
	return err
}

// wrongArguments says what is wrong with arguments that do not go together.
type wrongArguments string

func (w wrongArguments) Error() string { return string(w) }

// theOne is the one argument that there is to be.
func theOne(args []string, what string) (string, error) {
	if len(args) != 1 {
		return "", wrongArguments("name one " + what)
	}
	return args[0], nil
}
