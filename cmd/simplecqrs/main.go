// Command simplecqrs runs the roles of the order system against Kafka and a store
// that speaks MongoDB's protocol.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

const usage = `simplecqrs runs an order system that does CQRS on Kafka.

  simplecqrs topics create   make the topics that are missing, check all; do this first
  simplecqrs topics check    compare the topics with what they must be
  simplecqrs topics list     show the topics, and how far each role is
  simplecqrs plan check      read a plan of steps and tell each mistake in it
  simplecqrs serve           run roles until interrupted
  simplecqrs order           place orders, look at them and command them
  simplecqrs deadletters     look at what could not be handled, and deal with it
  simplecqrs bench           run all roles in process and measure them
  simplecqrs completion      have a shell complete all this
  simplecqrs healthcheck     ask a running process whether it is ready
  simplecqrs version         tell which version this is

Each takes -h. They exit with 0 if all went well, 1 if not, 2 if they were asked for
what they do not know; those that ask an edge have codes besides.

Without a broker at hand, go run ./cmd/dev brings one along.
`

// output is where a command writes: what it was asked for, and what it tells besides.
type output struct {
	answer, log io.Writer
	flags       func(*flag.FlagSet) // if set, it is given the flags, and nothing is done
}

// tell writes to the log; if that cannot be, the exit code has to do.
func (o output) tell(format string, args ...any) { _, _ = fmt.Fprintf(o.log, format, args...) }

// command runs one of the subcommands with its arguments.
type command func(ctx context.Context, args []string, out output) error

func commands() map[string]command {
	return map[string]command{
		"serve":       serve,
		"topics":      topics,
		"plan":        plan,
		"bench":       measure,
		"order":       orders,
		"deadletters": deadLetters,
		"completion":  completion,
		"healthcheck": healthcheck,
		"version":     version,
	}
}

// verbs are what a command can be asked to do, for those that have several.
func verbs() map[string][]string {
	return map[string][]string{
		"topics":      {"create", "check", "list"},
		"plan":        {"check"},
		"order":       slices.Sorted(maps.Keys(orderVerbs())),
		"deadletters": slices.Sorted(maps.Keys(letterVerbs())),
	}
}

// commandPaths are all commands, with their verbs.
func commandPaths() (paths [][]string) {
	of := verbs()
	for name := range commands() {
		if len(of[name]) == 0 {
			paths = append(paths, []string{name})
		}
		for _, verb := range of[name] {
			paths = append(paths, []string{name, verb})
		}
	}
	return paths
}

// flagsOf gives the flags of a command; nil if there is none such.
func flagsOf(path ...string) (f *flag.FlagSet) {
	if c, known := commands()[path[0]]; known {
		// It gives flag.ErrHelp, as it is only asked for its flags.
		_ = c(context.Background(), path[1:], output{io.Discard, io.Discard, func(its *flag.FlagSet) { f = its }})
	}
	return f
}

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt does not wait for the first to be honoured
	os.Exit(run(ctx, os.Args[1:], output{answer: shown(os.Stdout), log: shown(os.Stderr)}))
}

// run carries out a command line and gives the exit code.
func run(ctx context.Context, args []string, out output) int {
	if len(args) == 0 {
		out.tell("%s", usage)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help", "help":
		if _, err := fmt.Fprint(out.answer, usage); err != nil {
			return exitFailed
		}
		return 0
	case completeCommand:
		if complete(ctx, args[1:], out) != nil {
			return exitFailed
		}
		return 0
	}
	c, known := commands()[name]
	if !known {
		out.tell("simplecqrs: unknown command %q; simplecqrs -h tells which there are\n", name)
		return exitUsage
	}
	err := c(ctx, args[1:], out)
	var mistake *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &mistake):
		out.tell("simplecqrs %s: %v; simplecqrs %s -h tells more\n", name, err, mistake.command)
		return exitUsage
	}
	out.tell("simplecqrs %s: %v\n", name, err)
	return codeOf(err)
}
