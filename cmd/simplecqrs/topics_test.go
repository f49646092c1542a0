package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func admin(t *testing.T, broker string) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	check(t, err)
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

const asTheyMustBe = `store.order: 4 partitions, as it must be
view.order: 4 partitions, as it must be
saga.order: 4 partitions, as it must be
saga.timers: 4 partitions, as it must be
deadletter.order: 4 partitions, as it must be
`

func TestTopicsAreCreatedOnceAndCheckedEachTime(t *testing.T) {
	broker := startBroker(t, 0)
	code, answer, log := simplecqrs(t, "topics", "check", "-brokers", broker, "-partitions", "4")
	if code != 1 || answer != "" || !strings.Contains(log, "topic store.order: the topic is missing, wanted present") ||
		!strings.Contains(log, "run: simplecqrs topics create -brokers "+broker) {
		t.Errorf("check before: exit code %d, answer %q, log %s", code, answer, log)
	}
	for _, verb := range []string{"create", "create", "check"} {
		code, answer, log := simplecqrs(t, "topics", verb, "-brokers", broker, "-partitions", "4")
		if code != 0 || log != "" {
			t.Fatalf("%s: exit code %d, log %s", verb, code, log)
		}
		if diff := cmp.Diff(asTheyMustBe, answer); diff != "" {
			t.Errorf("%s answers (-want +got):\n%s", verb, diff)
		}
	}
}

func TestATopicThatDiffersIsNamedWithSettingFoundAndWanted(t *testing.T) {
	broker := startBroker(t, 4)
	_, err := admin(t, broker).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{
		{Name: "retention.ms", Value: kadm.StringPtr("3600000")},
	}, "store.order")
	check(t, err)
	for _, verb := range []string{"check", "create"} { // what exists is never changed
		code, answer, log := simplecqrs(t, "topics", verb, "-brokers", broker, "-partitions", "4")
		if code != 1 || answer != "" {
			t.Errorf("%s: exit code %d, answer %q", verb, code, answer)
		}
		first, rest, _ := strings.Cut(log, "\n")
		if want := "simplecqrs topics: topic store.order: retention.ms is 3600000, wanted -1"; first != want {
			t.Errorf("%s: %s, want %s", verb, first, want)
		}
		if !strings.Contains(rest, "kafka-configs.sh") || strings.Contains(rest, "topic ") && strings.Contains(rest, "wanted") {
			t.Errorf("%s goes on: %s", verb, rest)
		}
	}
}

func TestNoTopicIsMadeBesideOneThatDiffers(t *testing.T) {
	broker := startBroker(t, 0)
	_, err := admin(t, broker).CreateTopic(t.Context(), 2, 1, nil, "view.order")
	check(t, err)
	code, _, log := simplecqrs(t, "topics", "create", "-brokers", broker, "-partitions", "4")
	if code != 1 || !strings.Contains(log, "topic view.order: partitions is 2, wanted 4") {
		t.Errorf("exit code %d, log %s", code, log)
	}
	found, err := admin(t, broker).ListTopics(t.Context())
	check(t, err)
	if diff := cmp.Diff([]string{"view.order"}, found.Names()); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func TestTopicsAndRolesAreShownAsTheEdgeTellsOfThem(t *testing.T) {
	s := openShop(t)
	s.known = json.RawMessage(`{"time":"2026-01-02T03:04:05Z","partitions":12,` +
		`"topics":[{"topic":"store.order","records":1234},{"topic":"view.order","records":56}],` +
		`"roles":[{"role":"order","group":"order","members":[{"id":"a"},{"id":"b"}],"state":"Stable","committed":1230,"end":1234,"lag":4,"partitions":[]},` +
		`{"role":"saga","group":"saga","members":[],"state":"Empty","committed":1234,"end":1234,"lag":0,` +
		`"loop":{"topic":"saga.timers","committed":7,"end":9,"lag":2},"partitions":[]}],` +
		`"local":[{"role":"edge","state":"running","ready":true,"lag":0},{"role":"sink","state":"down","ready":false,"detail":"no\u001b store"}]}`)
	const want = `TOPIC        PARTITIONS  RECORDS
store.order  12          1234
view.order   12          56

ROLE   STATE   MEMBERS  LAG  LOOP LAG
order  Stable  2        4
saga   Empty   0        0    2

IN THE EDGE  STATE    READY  LAG  DETAIL
edge         running  yes    0
sink         down                 no  store
`
	code, answer, log := simplecqrs(t, "topics", "list", "-url", s.url)
	if diff := cmp.Diff(want, answer); diff != "" || code != 0 || log != "" {
		t.Errorf("exit code %d, log %s, answer (-want +got):\n%s", code, log, diff)
	}
	t.Setenv("SIMPLECQRS_URL", s.url)
	t.Setenv("SIMPLECQRS_O", "json")
	_, asked := get(t, s.url+"/query/stats/topology")
	if code, answer, log := simplecqrs(t, "topics", "list"); code != 0 || log != "" || answer != asked || !strings.Contains(answer, `"group":"saga"`) {
		t.Errorf("as JSON: exit code %d, log %s, answer %s, want %s", code, log, answer, asked)
	}
}

func TestABrokerThatIsAwayIsNamed(t *testing.T) {
	for _, args := range [][]string{
		{"topics", "create"},
		{"topics", "check"},
		{"serve", "-listen", "127.0.0.1:0"},
		{"bench"},
	} {
		code, answer, log := simplecqrs(t, append(args, "-brokers", "127.0.0.1:1")...)
		if code != 1 || answer != "" || !strings.Contains(log, "127.0.0.1:1") {
			t.Errorf("%q: exit code %d, answer %q, log %s", args, code, answer, log)
		}
	}
}
