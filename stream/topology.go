package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Group is a consumer group that is to be asked about.
type Group struct {
	Role, Name string
	Topic      string // what it reads
	Loop       string // its loop topic; empty for none
	View       bool   // it has no members, and tells how far a view is; see [View]
}

// Topology is what the brokers know of topics and groups, wherever those run.
type Topology struct {
	Time       time.Time      `json:"time"`
	Partitions int            `json:"partitions"` // of each topic
	Topics     []TopicRecords `json:"topics"`
	Roles      []Progress     `json:"roles"`
}

// TopicRecords is how many records lie in a topic.
type TopicRecords struct {
	Topic   string `json:"topic"`
	Records int64  `json:"records"`
}

// Progress is how far a group is, all partitions of its topic together and one by one.
type Progress struct {
	Role    string   `json:"role"`
	Group   string   `json:"group"`
	View    bool     `json:"view"` // see Group
	Topic   string   `json:"topic"`
	Members []Member `json:"members"`
	State   string   `json:"state"` // Kafka's word; Dead for one that does not exist
	Reach
	Partitions []PartitionProgress `json:"partitions"`
	Loop       *LoopProgress       `json:"loop,omitempty"` // not in the sums
}

// Member is a process, as far as the brokers know it.
type Member struct {
	ID         string `json:"id"`
	Client     string `json:"client"`
	Host       string `json:"host"`
	Partitions int    `json:"partitions"` // how many it has
}

// Reach is where a group or a view is in what it reads. A group without a commit is at
// the beginning; what a view has committed is what it has stored.
type Reach struct {
	Committed int64 `json:"committed"`
	End       int64 `json:"end"`
	Lag       int64 `json:"lag"`
}

// PartitionProgress is that of a partition.
type PartitionProgress struct {
	Partition int32 `json:"partition"`
	Reach
	Member string `json:"member"` // its id; empty for none
}

// LoopProgress is how far a group is in its loop topic.
type LoopProgress struct {
	Topic string `json:"topic"`
	Reach
}

// Topology asks the brokers about the groups and the topics, which each group's are
// among.
func (c *Client) Topology(ctx context.Context, groups []Group, topics []string) (Topology, error) {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	now := c.now().UTC()
	starts, ends, err := c.bounds(ctx, topics)
	if err = errors.Join(err, starts.Error(), ends.Error()); err != nil {
		return Topology{}, fmt.Errorf("stream: asking where the topics begin and end: %w", err)
	}
	described, err := c.admin.DescribeGroups(ctx, names...)
	if err != nil {
		return Topology{}, fmt.Errorf("stream: asking about the groups: %w", err)
	}
	s := survey{starts: starts, ends: ends, described: described, committed: c.admin.FetchManyOffsets(ctx, names...)}
	t := Topology{Time: now, Topics: make([]TopicRecords, len(topics)), Roles: make([]Progress, len(groups))}
	for i, topic := range topics {
		t.Topics[i] = TopicRecords{Topic: topic}
		for partition, end := range ends[topic] {
			start, _ := starts.Lookup(topic, partition)
			t.Topics[i].Records += end.Offset - start.Offset
		}
		t.Partitions = max(t.Partitions, len(ends[topic]))
	}
	for i, g := range groups {
		if t.Roles[i], err = s.progress(g); err != nil {
			return Topology{}, err
		}
	}
	return t, nil
}

// survey is what the brokers answered.
type survey struct {
	starts, ends kadm.ListedOffsets
	described    kadm.DescribedGroups
	committed    kadm.FetchOffsetsResponses
}

func (s survey) progress(g Group) (Progress, error) {
	group, found := s.described[g.Name]
	committed := s.committed[g.Name]
	// A group that has never been is none that failed.
	absent := !found || errors.Is(group.Err, kerr.GroupIDNotFound)
	if err := errors.Join(group.Err, committed.Err); err != nil && !absent {
		return Progress{}, fmt.Errorf("stream: asking about the group %s: %w", g.Name, err)
	}
	p := Progress{
		Role: g.Role, Group: g.Name, View: g.View, Topic: g.Topic,
		State: group.State, Members: []Member{}, Partitions: []PartitionProgress{},
	}
	if absent || p.State == "" {
		p.State = "Dead"
	}
	owners := map[int32]string{}
	for _, m := range group.Members {
		one := Member{ID: m.MemberID, Client: m.ClientID, Host: m.ClientHost}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				if t.Topic == g.Topic {
					one.Partitions = len(t.Partitions)
					for _, partition := range t.Partitions {
						owners[partition] = m.MemberID
					}
				}
			}
		}
		p.Members = append(p.Members, one)
	}
	slices.SortFunc(p.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	for _, partition := range slices.Sorted(maps.Keys(s.ends[g.Topic])) {
		end := s.ends[g.Topic][partition]
		r := s.reach(committed, g.Topic, end)
		p.add(r)
		p.Partitions = append(p.Partitions, PartitionProgress{partition, r, owners[partition]})
	}
	if g.Loop != "" {
		p.Loop = &LoopProgress{Topic: g.Loop}
		for _, end := range s.ends[g.Loop] {
			p.Loop.add(s.reach(committed, g.Loop, end))
		}
	}
	return p, nil
}

func (s survey) reach(committed kadm.FetchOffsetsResponse, topic string, end kadm.ListedOffset) Reach {
	start, _ := s.starts.Lookup(topic, end.Partition)
	at := start.Offset
	if c, found := committed.Fetched.Lookup(topic, end.Partition); found {
		at = max(at, c.At)
	}
	// What was committed since the ends were asked for is not ahead of them.
	return Reach{Committed: at, End: max(end.Offset, at), Lag: max(end.Offset-at, 0)}
}

func (r *Reach) add(other Reach) {
	r.Committed += other.Committed
	r.End += other.End
	r.Lag += other.Lag
}
