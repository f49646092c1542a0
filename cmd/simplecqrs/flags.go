package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// usageError is a mistake in the arguments, and the command whose -h tells how they
// should be.
type usageError struct {
	error
	command string
}

// newFlags makes the flags of a command, whose -h begins with the synopsis.
func newFlags(name, synopsis string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.String(configFlag, "", "`file` with values for flags")
	f.Usage = func() {
		f.VisitAll(func(one *flag.Flag) {
			if settable(f, one.Name) {
				one.Usage += " [" + variable(one.Name) + "]"
			}
		})
		// As PrintDefaults does, it takes no note of an error.
		_, _ = fmt.Fprintf(f.Output(), "usage: simplecqrs %s [flags]\n\n%s\n\n", name, synopsis)
		f.PrintDefaults()
		_, _ = io.WriteString(f.Output(), settingsHelp)
	}
	return f
}

// parse reads the flags and allows nothing beside them. Asked for help, it gives
// that and flag.ErrHelp.
func parse(f *flag.FlagSet, args []string, out output) error {
	rest, err := parseMixed(f, args, out)
	if err == nil && len(rest) > 0 {
		err = refuse(f, fmt.Errorf("unexpected argument %q", rest[0]))
	}
	return err
}

// parseMixed reads the flags, wherever they are given, and gives what stands between
// them on the command line.
func parseMixed(f *flag.FlagSet, args []string, out output) (rest []string, err error) {
	if out.flags != nil {
		out.flags(f)
		return nil, flag.ErrHelp
	}
	help := f.Usage
	f.Usage = func() {} // not at each mistake
	f.SetOutput(io.Discard)
	for err = f.Parse(args); err == nil && f.NArg() > 0; err = f.Parse(f.Args()[1:]) {
		rest = append(rest, f.Arg(0))
	}
	if err == nil {
		err = settle(f)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(out.answer)
		help()
		return nil, flag.ErrHelp
	case err != nil:
		return nil, refuse(f, unquoted(err))
	}
	return rest, nil
}

// secretQuoted is how the flag package begins what it says of the value of a flag that may
// hold a secret.
var secretQuoted = regexp.MustCompile(`^invalid value "(?:[^"\\]|\\.)*" for flag -(mongo|token): `)

// unquoted keeps a secret out of what is told of a mistake in it.
func unquoted(err error) error {
	said := secretQuoted.ReplaceAllString(err.Error(), "invalid value for flag -$1: ")
	if said == err.Error() {
		return err
	}
	return errors.New(said)
}

// refuse says what is wrong with the arguments, and where to find how they should be.
func refuse(f *flag.FlagSet, err error) error {
	var path []string
	for word := range strings.FieldsSeq(f.Name()) {
		if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
			break
		}
		path = append(path, word)
	}
	return &usageError{err, strings.Join(path, " ")}
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

// unknownValue is a value that is not one of a few.
type unknownValue struct {
	value string
	known []string
}

func (u *unknownValue) Error() string {
	return fmt.Sprintf("%q is unknown; known are %s", u.value, strings.Join(u.known, ", "))
}

func oneOf(known ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(known, s) {
			return "", &unknownValue{s, known}
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
