package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"

	"simplecqrs/node"
)

const about = `usage: dev [flags]

Runs the order system in one process, with a broker and a read store of its own:
nothing has to be installed. It places a first order, shows what happens to it,
and serves until interrupted.

`

const (
	defaultListen     = "127.0.0.1:8080"
	defaultPartitions = 12
	mostPartitions    = 1000
)

type settings struct {
	listen, data, query string
	plan                string
	partitions          int32 // 0: those that are there, or else the default
	once                bool
}

// parse reads the flags, and has told of a mistake, or given help, by the time it
// returns an error.
func parse(args []string, answer, log io.Writer) (settings, error) {
	s := settings{listen: defaultListen, query: node.QueryMongo}
	f := flag.NewFlagSet("dev", flag.ContinueOnError)
	f.Usage = func() {
		_, _ = fmt.Fprint(f.Output(), about) // as PrintDefaults does
		f.PrintDefaults()
	}
	f.Func("listen", "`address` of the HTTP server; port 0 takes a free one (default "+defaultListen+")", s.setListen)
	f.StringVar(&s.data, "data", "", "`directory` in which orders and offsets are kept across restarts; without one they go with the process")
	f.Func("query", "`where` queries are answered from: mongo for the read store, or local for a copy of the table in the process (default mongo)", s.setQuery)
	f.StringVar(&s.plan, "plan", "", "`file` with the steps of an order and who does them; docs/shipping.yaml is one with a fourth step")
	f.Func("partitions", fmt.Sprintf("`number` of partitions of the topics (default %d, or what -data has)", defaultPartitions), s.setPartitions)
	f.BoolVar(&s.once, "once", false, "place one order, print its finished row as JSON on the last line, and end")
	f.SetOutput(io.Discard)
	err := f.Parse(args)
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(answer)
		f.Usage()
	case err != nil:
		tell(log, "%v\n", err)
		f.SetOutput(log)
		f.Usage()
	}
	return s, err
}

func (s *settings) setListen(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("want host:port")
	}
	s.listen = value
	return nil
}

func (s *settings) setQuery(value string) error {
	if value != node.QueryMongo && value != node.QueryLocal {
		return fmt.Errorf("want %s or %s", node.QueryMongo, node.QueryLocal)
	}
	s.query = value
	return nil
}

func (s *settings) setPartitions(value string) error {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 1 || n > mostPartitions {
		return fmt.Errorf("want a whole number from 1 to %d", mostPartitions)
	}
	s.partitions = int32(n)
	return nil
}
