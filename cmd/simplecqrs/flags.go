package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// usageError is a mistake in the arguments, and how they should be.
type usageError struct {
	error
	usage string
}

// newFlags makes the flags of a command, whose -h begins with the synopsis.
func newFlags(name, synopsis string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.Usage = func() {
		// As PrintDefaults does, it takes no note of an error.
		_, _ = fmt.Fprintf(f.Output(), "usage: simplecqrs %s [flags]\n\n%s\n\n", name, synopsis)
		f.PrintDefaults()
		_, _ = fmt.Fprintf(f.Output(), "\nWhat is not given is taken from the environment: -%s from %s, and so on.\n", exampleFlag, variable(exampleFlag))
	}
	return f
}

// exampleFlag shows how the environment is named.
const exampleFlag = "kafka-user"

// variable is what a flag is called in the environment.
func variable(name string) string {
	return "SIMPLECQRS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// fromEnvironment sets the flags that were not given. A variable that is empty says nothing.
func fromEnvironment(f *flag.FlagSet) error {
	given := map[string]bool{}
	f.Visit(func(one *flag.Flag) { given[one.Name] = true })
	var errs []error
	f.VisitAll(func(one *flag.Flag) {
		name := variable(one.Name)
		value := os.Getenv(name)
		if given[one.Name] || value == "" {
			return
		}
		if err := f.Set(one.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s is %q: %w", name, value, err))
		}
	})
	return errors.Join(errs...)
}

// parse reads the flags and allows nothing beside them. Asked for help, it gives
// that and flag.ErrHelp.
func parse(f *flag.FlagSet, args []string, out output) error {
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err == nil {
		err = fromEnvironment(f)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(out.answer)
		f.Usage()
		return flag.ErrHelp
	case err != nil:
		return refuse(f, err)
	}
	return nil
}

// refuse says what is wrong with the arguments, and how they should be.
func refuse(f *flag.FlagSet, err error) error {
	var b strings.Builder
	f.SetOutput(&b)
	f.Usage()
	return &usageError{err, b.String()}
}

// checked is a flag whose value is refused where it is given, before anything starts.
type checked[T any] struct {
	value *T
	parse func(string) (T, error)
}

func (c checked[T]) String() string {
	if c.value == nil {
		return "" // the flag package asks the zero value
	}
	return fmt.Sprint(*c.value)
}

func (c checked[T]) Set(s string) error {
	value, err := c.parse(s)
	if err == nil {
		*c.value = value
	}
	return err
}

func define[T any](f *flag.FlagSet, name string, value T, parse func(string) (T, error), usage string) *T {
	f.Var(checked[T]{&value, parse}, name, usage)
	return &value
}

// list is a flag's values, separated by commas.
type list []string

func (l list) String() string { return strings.Join(l, ",") }

// listOf reads a list of at least one, each of which must pass.
func listOf(one func(string) (string, error)) func(string) (list, error) {
	return func(s string) (list, error) {
		var l list
		for part := range strings.SplitSeq(s, ",") {
			part, err := one(strings.TrimSpace(part))
			if err != nil {
				return nil, err
			}
			l = append(l, part)
		}
		return l, nil
	}
}

func oneOf(known ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(known, s) {
			return "", fmt.Errorf("%q is unknown; known are %s", s, strings.Join(known, ", "))
		}
		return s, nil
	}
}

// anything is a value that can only be judged later.
func anything(s string) (string, error) { return s, nil }

func address(s string) (string, error) {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", fmt.Errorf("%q is no address: want host:port", s)
	}
	return s, nil
}

func storeURI(s string) (string, error) {
	for _, scheme := range []string{"mongodb://", "mongodb+srv://"} {
		if rest, found := strings.CutPrefix(s, scheme); found && rest != "" {
			return s, nil
		}
	}
	return "", errors.New("want mongodb://host:port/database")
}

// count reads a whole number from 1 to most.
func count(most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return 0, fmt.Errorf("want a whole number from 1 to %d", most)
		}
		return n, nil
	}
}

func rate(s string) (float64, error) {
	r, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(r) || math.IsInf(r, 0) || r < 0 {
		return 0, errors.New("want a number, at least 0")
	}
	return r, nil
}

// The most that a flag takes.
const (
	mostPartitions  = 10_000
	mostReplication = 100
	mostOrders      = 100_000_000
)

func planFlag(f *flag.FlagSet) *string {
	return f.String("plan", "", "`file` with the steps of an order and who does them; without one they are order detail, payment and mail, done by echo")
}
