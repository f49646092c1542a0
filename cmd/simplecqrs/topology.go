package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
)

// topicsOfEdge are the verbs of topics that ask an edge, and not the brokers.
func topicsOfEdge() group {
	return group{"topics", topicsSynopsis, map[string]verb{"list": {
		"", "Shows the topics, how far each role is wherever it runs, and how the parts of the edge's\n" +
			"own process are, as the edge tells of them: topics and roles from the brokers. A role's\n" +
			"lag is how many records of the log it has to read still, its loop lag how many of its\n" +
			"topic of timers.", defineTopology,
	}}, func(arg string) error { return fmt.Errorf("unexpected argument %q", arg) }}
}

// topology is how far all roles are, as the edge tells it.
type topology struct {
	Partitions int
	Topics     []struct {
		Topic   string
		Records int64
	}
	Roles []struct {
		Role, State string
		Members     []struct{}
		Lag         int64
		Loop        *struct{ Lag int64 }
	}
	Local []struct {
		Role, State, Detail string
		Ready               bool
		Lag                 *int64
	}
}

func defineTopology(*flag.FlagSet) doing {
	return func(ctx context.Context, c edgeClient, _ []string) error {
		var now topology
		return c.get(ctx, "/query/stats/topology", &now, func() error {
			topics := table{{"TOPIC", "PARTITIONS", "RECORDS"}}
			for _, t := range now.Topics {
				topics = append(topics, []string{t.Topic, strconv.Itoa(now.Partitions), whole(&t.Records)})
			}
			roles := table{{"ROLE", "STATE", "MEMBERS", "LAG", "LOOP LAG"}}
			for _, r := range now.Roles {
				loop := ""
				if r.Loop != nil {
					loop = whole(&r.Loop.Lag)
				}
				roles = append(roles, []string{r.Role, r.State, strconv.Itoa(len(r.Members)), whole(&r.Lag), loop})
			}
			local := table{{"IN THE EDGE", "STATE", "READY", "LAG", "DETAIL"}}
			for _, l := range now.Local {
				local = append(local, []string{l.Role, l.State, yes(l.Ready), whole(l.Lag), l.Detail})
			}
			return errors.Join(c.out.show(topics), c.out.print("\n"), c.out.show(roles), c.out.print("\n"), c.out.show(local))
		})
	}
}

// whole is a number, or nothing where there is none.
func whole(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}
