package main

import (
	"flag"
	"strings"
)

// list is a flag of values separated by commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	*l = nil
	for one := range strings.SplitSeq(s, ",") {
		if one = strings.TrimSpace(one); one != "" {
			*l = append(*l, one)
		}
	}
	return nil
}

func brokersFlag(f *flag.FlagSet) *list {
	brokers := &list{"127.0.0.1:9092"}
	f.Var(brokers, "brokers", "addresses of Kafka brokers, `host:port,…`")
	return brokers
}
