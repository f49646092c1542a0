package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

const versionSynopsis = `Tells the version of the program, as far as it was built from one, the commit that it
was built from, and with which Go.`

func version(_ context.Context, args []string, out output) error {
	if err := parse(newFlags("version", versionSynopsis), args, out); err != nil {
		return err
	}
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("the program was built without its modules, and does not know")
	}
	return out.print(versionOf(built))
}

func versionOf(built *debug.BuildInfo) string {
	commit := ""
	for _, s := range built.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += " with changes"
		}
	}
	return fmt.Sprintf("simplecqrs %s%s %s\n", built.Main.Version, commit, built.GoVersion)
}
