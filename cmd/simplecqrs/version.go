package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

const versionSynopsis = `Tells the version of the program, which has the commit that it was built from, and with
which Go. What is built without the repository at hand is (devel).`

func version(_ context.Context, args []string, out output) error {
	if err := parse(newFlags("version", versionSynopsis), args, out); err != nil {
		return err
	}
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("the program was built without its modules, and does not know")
	}
	return out.print(fmt.Sprintf("simplecqrs %s %s\n", built.Main.Version, built.GoVersion))
}
