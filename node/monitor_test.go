package node

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/stream"
)

// topologyAnswer is what of the answer is looked at.
type topologyAnswer struct {
	Partitions int
	Topics     []stream.TopicRecords
	Roles      []stream.Progress
	Local      []local
}

func (r *running) topologyNow() (t topologyAnswer) {
	r.w.t.Helper()
	status, body := r.get("/query/stats/topology")
	if status != http.StatusOK {
		r.w.t.Fatalf("the topology: %d %s", status, body)
	}
	check(r.w.t, json.Unmarshal([]byte(body), &t))
	return t
}

func TestTheWholeSystemIsSeenFromAnyEdge(t *testing.T) {
	w := newWorld(t)
	edge := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal })
	rest := w.start(func(c *Config) { c.Roles = []string{"order", "payment", "mail", "saga", "aggregate", "sink"} })
	edge.ready()
	rest.ready()
	id := edge.place()
	edge.ended(id)

	var seen topologyAnswer
	w.await("all to have caught up", func() bool {
		seen = edge.topologyNow()
		for _, r := range seen.Roles {
			if r.Lag != 0 || r.Committed != int64(len(happy)) {
				return false
			}
		}
		return true
	})
	var said []string
	for _, r := range seen.Roles {
		said = append(said, fmt.Sprint(r.Role, " ", r.Group, " ", r.State, " ", len(r.Members), " ", len(r.Partitions), " ", r.Loop != nil))
	}
	want := []string{
		"order order Stable 1 4 false", "payment payment Stable 1 4 false", "mail mail Stable 1 4 false",
		"saga saga Stable 1 4 true", "aggregate view Stable 1 4 false", "sink sink Empty 0 4 false",
	}
	if got := strings.Join(said, "\n"); got != strings.Join(want, "\n") || seen.Partitions != partitions {
		t.Errorf("of %d partitions each:\n%s", seen.Partitions, got)
	}
	if seen.Topics[0] != (stream.TopicRecords{Topic: codecs.StoreOrder, Records: int64(len(happy))}) {
		t.Errorf("topics: %+v", seen.Topics)
	}
	if len(seen.Local) != 3 || seen.Local[0].Role != "table" || !seen.Local[0].Ready || seen.Local[0].Reach == nil || *seen.Local[0].Reach != (stream.Reach{Committed: 6, End: 6}) ||
		seen.Local[1].Role != "letters" || seen.Local[2].Role != RoleEdge || seen.Local[2].Reach != nil {
		t.Errorf("local: %+v", seen.Local)
	}

	at := stream.Partition(id, partitions)
	for _, c := range []struct {
		n      *running
		role   string
		key    string
		status int
		says   string
	}{
		{rest, "saga", id, http.StatusOK, `"status":"completed"`},
		{rest, "aggregate", id, http.StatusOK, fmt.Sprintf(`"topic":"view.order","partition":%d`, at)},
		{edge, "table", id, http.StatusOK, `"type":"MAIL_COMPLETED"`},
		{edge, "table", "ORD-B384F", http.StatusNotFound, "has no value of ORD-B384F"},
		{edge, "saga", id, http.StatusNotFound, "saga keeps no table in this process; those that do are: table"},
		{rest, "mail", id, http.StatusNotFound, "those that do are: saga, aggregate"},
	} {
		status, body := c.n.get("/monitor/table/" + c.role + "/" + c.key)
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s of %s: %d %s, want %d %s", c.key, c.role, status, body, c.status, c.says)
		}
	}
	for n, want := range map[*running]string{edge: "true", rest: "false"} {
		if status, body := n.get("/monitor/stats"); status != http.StatusOK || !strings.Contains(body, `"edge":`+want) {
			t.Errorf("/monitor/stats: %d %s", status, body)
		}
		if status, body := n.get("/monitor"); status != http.StatusOK {
			t.Errorf("/monitor: %d %s", status, body)
		}
	}
}

func TestTheSinksLagIsSeenFromAnEdgeThatIsAnotherProcess(t *testing.T) {
	w := newWorld(t)
	edge := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal })
	rest := w.start(func(c *Config) { c.Roles = []string{"order", "payment", "mail", "saga", "aggregate"} })
	edge.ready()
	rest.ready()
	seen := func(state string, committed, end int64) {
		t.Helper()
		w.await(fmt.Sprintf("the sink to be seen at %d of %d", committed, end), func() bool {
			all := edge.topologyNow().Roles
			s := all[len(all)-1]
			return s.Role == "sink" && s.State == state && s.Reach == stream.Reach{Committed: committed, End: end, Lag: end - committed}
		})
	}
	rows := int64(len(happy))
	edge.ended(edge.place())
	seen("Dead", 0, rows) // there has never been one
	sink := w.start(func(c *Config) { c.Roles = []string{"sink"} })
	seen("Empty", rows, rows)
	sink.stop()
	edge.ended(edge.place())
	seen("Empty", rows, 2*rows)
}

func TestOfAStepThatIsAnothersNoGroupIsAskedAbout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	c, err := Config{Listener: l, Mongo: "m", Participants: map[order.Step]processors.Participant{
		order.Payment: processors.Echo{},
	}}.withDefaults()
	check(t, err)
	var names []string
	for _, g := range c.groups() {
		names = append(names, g.Name)
	}
	if got := strings.Join(names, " "); got != "payment saga view sink" {
		t.Errorf("groups: %s", got)
	}
}

func TestATopologyThatTheBrokersDoNotTellIsUnavailable(t *testing.T) {
	w := newWorld(t)
	if w.broker == nil {
		t.Skip("the broker is not ours to take away")
	}
	n := w.start(func(c *Config) { c.Query = QueryLocal }).ready()
	w.broker.Close()
	status, body := n.get("/query/stats/topology")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "the brokers have not told") {
		t.Errorf("%d %s", status, body)
	}
}
