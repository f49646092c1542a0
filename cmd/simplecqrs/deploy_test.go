package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"simplecqrs/node"
	"simplecqrs/saga"
)

// commandComplaints tells what is wrong with a command line of ours and its environment,
// where it can be asked whether a file is there.
func commandComplaints(args []string, env map[string]string, isThere func(file string) bool) (found []string) {
	complain := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if len(args) == 0 {
		return []string{"no command"}
	}
	path := args[:1]
	if len(verbs()[args[0]]) > 0 {
		path = args[:min(2, len(args))]
	}
	f := flagsOf(path...)
	if f == nil {
		return []string{"there is no command " + strings.Join(path, " ")}
	}
	f.Usage = func() {}
	f.SetOutput(io.Discard)
	if err := f.Parse(args[len(path):]); err != nil {
		complain("%v", err)
	}
	if f.NArg() > 0 {
		complain("the argument %s is none", f.Arg(0))
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, "SIMPLECQRS_") {
			continue
		}
		known := false
		f.VisitAll(func(one *flag.Flag) {
			if variable(one.Name) == name {
				known = true
				if env[name] == "" {
					return // it says nothing
				}
				if err := one.Value.Set(env[name]); err != nil {
					complain("%s: %v", name, err)
				}
			}
		})
		if !known {
			complain("no flag is given by %s", name)
		}
	}
	f.VisitAll(func(one *flag.Flag) {
		file := one.Value.String()
		if what, _ := flag.UnquoteUsage(one); what == "file" && file != "" && !isThere(file) {
			complain("nothing is at %s", file)
		}
	})
	if listen := f.Lookup("listen"); listen != nil && f.Lookup("tokens").Value.String() == "" {
		if host, _, err := net.SplitHostPort(listen.Value.String()); err != nil || host == "" {
			complain("it listens to all and asks for no token")
		}
	}
	if rate := f.Lookup("command-rate"); rate != nil && rate.Value.String() == "0" && slices.Contains(rolesOf(f), node.RoleEdge) {
		complain("a client may give any number of commands")
	}
	return found
}

// rolesOf are the roles that flags have a process play.
func rolesOf(f *flag.FlagSet) []string {
	if said := f.Lookup("roles").Value.String(); said != "" {
		return strings.Split(said, ",")
	}
	return node.AllRoles(saga.Default())
}
