// Command simplecqrs runs the roles of the order system against Kafka and a store
// that speaks MongoDB's protocol.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `simplecqrs runs an order system that does CQRS on Kafka.

  simplecqrs serve           run roles until interrupted
  simplecqrs topics create   make the topics that are missing, check all
  simplecqrs topics check    compare the topics with what they must be
  simplecqrs bench           run all roles in process and measure them
  simplecqrs healthcheck     ask a running process whether it is ready

Each takes -h.
`

// command runs one of the subcommands with its arguments.
type command func(ctx context.Context, args []string) error

var commands = map[string]command{
	"serve":       serve,
	"topics":      topics,
	"bench":       measure,
	"healthcheck": healthcheck,
}

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	c, known := commands[args[0]]
	if !known {
		fmt.Fprintf(os.Stderr, "simplecqrs: unknown command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	err := c(ctx, args[1:])
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return exitUsage
	case errors.As(err, new(usageError)):
		fmt.Fprintf(os.Stderr, "simplecqrs %s: %v\n", args[0], err)
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "simplecqrs %s: %v\n", args[0], err)
	return exitFailed
}

// usageError is a mistake in the arguments.
type usageError struct{ error }

// parse reads the flags and allows nothing beside them. The flag package has told
// of a mistake by the time it returns it.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	if f.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", f.Arg(0))}
	}
	return nil
}
