package embedded

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicSettings are those that our topics are made with.
var topicSettings = map[string]*string{
	"cleanup.policy":      kadm.StringPtr("compact"),
	"retention.ms":        kadm.StringPtr("-1"),
	"max.message.bytes":   kadm.StringPtr("2097152"),
	"min.insync.replicas": kadm.StringPtr("1"),
}

func startBroker(t *testing.T, dir string, port int) *Broker {
	t.Helper()
	b, err := StartBrokerAt(dir, port)
	check(t, err)
	t.Cleanup(b.Close)
	return b
}

func connect(t *testing.T, b *Broker, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(b.Addrs()...))...)
	check(t, err)
	t.Cleanup(client.Close)
	return client
}

// makeTopic makes a topic of one partition, so that its records have one order.
func makeTopic(ctx context.Context, t *testing.T, client *kgo.Client, name string) {
	t.Helper()
	_, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, topicSettings, name)
	check(t, err)
}

func write(ctx context.Context, t *testing.T, client *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Key: []byte(v), Value: []byte(v)}
		check(t, client.ProduceSync(ctx, r).FirstErr())
	}
}

// read gives the next n values.
func read(ctx context.Context, t *testing.T, client *kgo.Client, n int) []string {
	t.Helper()
	var values []string
	for len(values) < n {
		fetches := client.PollRecords(ctx, n-len(values))
		check(t, fetches.Err())
		for _, r := range fetches.Records() {
			values = append(values, string(r.Value))
		}
	}
	return values
}

func TestTopicsHaveTheSettingsTheyWereMadeWith(t *testing.T) {
	ctx := t.Context()
	client := connect(t, startBroker(t, "", 0))
	makeTopic(ctx, t, client, "table")

	admin := kadm.NewClient(client)
	configs, err := admin.DescribeTopicConfigs(ctx, "table")
	check(t, err)
	set, err := configs.On("table", nil)
	check(t, err)
	found := map[string]*string{}
	for _, c := range set.Configs {
		if topicSettings[c.Key] != nil {
			found[c.Key] = c.Value
		}
	}
	if diff := cmp.Diff(topicSettings, found); diff != "" {
		t.Errorf("settings (-made with +found):\n%s", diff)
	}
	topics, err := admin.ListTopics(ctx, "table")
	check(t, err)
	if id := topics["table"].ID; id == (kadm.TopicID{}) {
		t.Error("the topic has no id, by which it is known from another of its name")
	}
}

func TestATopicIsNotMadeByWritingToIt(t *testing.T) {
	client := connect(t, startBroker(t, "", 0), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	err := client.ProduceSync(t.Context(), kgo.StringRecord("x"), &kgo.Record{Topic: "mispelt"}).FirstErr()
	if err == nil {
		t.Error("written")
	}
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	check(t, err)
	if names := topics.Names(); len(names) > 0 {
		t.Errorf("topics were made: %v", names)
	}
}

func TestABrokerThatComesBackHasWhatItHad(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	first := startBroker(t, dir, 0)
	writer := connect(t, first)
	makeTopic(ctx, t, writer, "log")
	write(ctx, t, writer, "log", "a", "b", "c")

	group := []kgo.Opt{kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("log"), kgo.DisableAutoCommit()}
	member := connect(t, first, group...)
	if diff := cmp.Diff([]string{"a", "b"}, read(ctx, t, member, 2)); diff != "" {
		t.Fatalf("read (-want +got):\n%s", diff)
	}
	check(t, member.CommitUncommittedOffsets(ctx))
	member.Close()
	before, err := kadm.NewClient(writer).ListTopics(ctx)
	check(t, err)
	first.Close()

	second := startBroker(t, dir, first.Port())
	if diff := cmp.Diff(first.Addrs(), second.Addrs()); diff != "" {
		t.Fatalf("addresses (-before +after):\n%s", diff)
	}
	write(ctx, t, writer, "log", "d") // by a client from before
	after, err := kadm.NewClient(writer).ListTopics(ctx)
	check(t, err)
	if before["log"].ID != after["log"].ID {
		t.Error("the topic is another one")
	}
	if diff := cmp.Diff([]string{"c", "d"}, read(ctx, t, connect(t, second, group...), 2)); diff != "" {
		t.Errorf("read from the committed offset on (-want +got):\n%s", diff)
	}
	everything := connect(t, second, kgo.ConsumeTopics("log"))
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, read(ctx, t, everything, 4)); diff != "" {
		t.Errorf("read from the start (-want +got):\n%s", diff)
	}
}

func TestABrokerWithoutADirectoryForgets(t *testing.T) {
	first := startBroker(t, "", 0)
	client := connect(t, first)
	makeTopic(t.Context(), t, client, "log")
	first.Close()
	startBroker(t, "", first.Port())
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), "log")
	check(t, err)
	if err := topics["log"].Err; !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("the topic's error is %v", err)
	}
}

func TestADeadMemberIsSoonNoticed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // below Kafka's least session timeout
	defer cancel()
	b := startBroker(t, "", 0)
	writer := connect(t, b)
	makeTopic(ctx, t, writer, "log")
	write(ctx, t, writer, "log", "a")

	member := func(name string) *kgo.Client {
		return connect(t, b, kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("log"), kgo.DisableAutoCommit(),
			kgo.InstanceID(name), // who has one does not say that it leaves
			kgo.SessionTimeout(2*minSessionTimeout), kgo.HeartbeatInterval(minSessionTimeout/4))
	}
	dead := member("dead")
	read(ctx, t, dead, 1)
	dead.Close()
	if diff := cmp.Diff([]string{"a"}, read(ctx, t, member("heir"), 1)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestAClosedBrokerStillTellsItsAddress(t *testing.T) {
	b := startBroker(t, "", 0)
	b.Close()
	b.Close()
	want := []string{fmt.Sprintf("127.0.0.1:%d", b.Port())}
	if diff := cmp.Diff(want, b.Addrs()); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestABrokerOnATakenPortSaysSo(t *testing.T) {
	b := startBroker(t, "", 0)
	if second, err := StartBrokerAt("", b.Port()); err == nil {
		second.Close()
		t.Error("started")
	}
}
