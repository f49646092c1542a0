package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"simplecqrs/node"
)

const planSynopsis = `Reads a plan, the file that serve takes with -plan, and prints it with all that it
leaves out. Exits with 1 if it has mistakes, naming the line of each. Environment
variables that it refers to must be set, and are not printed.`

func plan(_ context.Context, args []string, out output) error {
	file := ""
	if len(args) > 0 && args[0] == "check" {
		args = args[1:]
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			file, args = args[0], args[1:]
		}
	}
	f := newFlags("plan check FILE", planSynopsis)
	if err := parse(f, args, out); err != nil {
		return err
	}
	if file == "" {
		return refuse(f, errors.New("say check and a file"))
	}
	p, err := node.PlanFile(file)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out.answer, p.String())
	return err
}
