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
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic says what a topic must be like.
type Topic struct {
	Name        string
	Partitions  int32
	Replication int16             // 0: any
	Config      map[string]string // what must be set, by Kafka's names
}

// Mismatch is a topic that is not as it must be.
type Mismatch struct {
	Topic, Setting, Found, Wanted string
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("topic %s: %s is %s, wanted %s", m.Topic, m.Setting, m.Found, m.Wanted)
}

func missing(topic string) *Mismatch { return &Mismatch{topic, "the topic", "missing", "present"} }

// CreateTopics makes the topics that are missing and checks them all.
func (c *Client) CreateTopics(ctx context.Context, topics []Topic) error {
	known := make(map[string]kadm.TopicID, len(topics))
	for _, t := range topics {
		config := make(map[string]*string, len(t.Config))
		for name, value := range t.Config {
			config[name] = kadm.StringPtr(value)
		}
		replication := t.Replication
		if replication == 0 {
			replication = -1 // the broker's default
		}
		made, err := c.admin.CreateTopic(ctx, t.Partitions, replication, config, t.Name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("stream: creating topic %s: %w", t.Name, err)
		}
		known[t.Name] = made.ID
	}
	if err := c.awaitTopics(ctx, known); err != nil {
		return err
	}
	return c.CheckTopics(ctx, topics)
}

// awaitTopics returns once all brokers know of the topics, by their ids where one is
// given. Each hears in its own time that one was made (or another of its name deleted),
// and whoever starts next may ask any of them.
func (c *Client) awaitTopics(ctx context.Context, wanted map[string]kadm.TopicID) error {
	var last error
	for {
		err := c.knownToAll(ctx, wanted)
		if refused, ok := errors.AsType[*kerr.Error](err); err == nil || ok && !refused.Retriable {
			return err
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("stream: the topics are made, but not known to all brokers: %w", cmp.Or(last, ctx.Err()))
		}
	}
}

func (c *Client) knownToAll(ctx context.Context, wanted map[string]kadm.TopicID) error {
	names := slices.Collect(maps.Keys(wanted))
	theirs, err := c.metadata(ctx, names)
	if err != nil {
		return err
	}
	for _, b := range theirs.Brokers {
		answer, err := metadataOf(names).RequestWith(ctx, c.kafka.Broker(int(b.NodeID)))
		if err != nil {
			return fmt.Errorf("broker %d at %s: %w", b.NodeID, b.Host, err)
		}
		known, err := descriptions(answer)
		if err != nil {
			return fmt.Errorf("broker %d at %s: %w", b.NodeID, b.Host, err)
		}
		for name, id := range wanted {
			if found, exists := known[name]; !exists || id != (kadm.TopicID{}) && id != found.id {
				return fmt.Errorf("broker %d at %s does not know topic %s yet", b.NodeID, b.Host, name)
			}
		}
	}
	return nil
}

func namesOf(topics []Topic) []string {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	return names
}

// CheckTopics compares the topics with what they must be. The error joins one
// Mismatch for each difference.
func (c *Client) CheckTopics(ctx context.Context, topics []Topic) error {
	details, err := c.describe(ctx, namesOf(topics))
	if err != nil {
		return err
	}
	configs, err := c.admin.DescribeTopicConfigs(ctx, slices.Sorted(maps.Keys(details))...)
	if err != nil {
		return fmt.Errorf("stream: reading the topics' settings: %w", err)
	}
	var found []error
	for _, t := range topics {
		d, exists := details[t.Name]
		if !exists {
			found = append(found, missing(t.Name))
			continue
		}
		set, err := configs.On(t.Name, nil)
		switch err = errors.Join(err, set.Err); {
		case errors.Is(err, kerr.UnknownTopicOrPartition): // another broker answered
			found = append(found, missing(t.Name))
		case err != nil:
			found = append(found, fmt.Errorf("stream: reading the settings of topic %s: %w", t.Name, err))
		default:
			found = append(found, t.differences(d, set.Configs)...)
		}
	}
	return errors.Join(found...)
}

func (t Topic) differences(d description, configs []kadm.Config) []error {
	var found []error
	differ := func(setting string, is, want any) {
		if is, want := fmt.Sprint(is), fmt.Sprint(want); is != want {
			found = append(found, &Mismatch{t.Name, setting, is, want})
		}
	}
	differ("partitions", d.partitions, t.Partitions)
	if t.Replication != 0 {
		differ("replication", d.replicas, t.Replication)
	}
	values := make(map[string]string, len(configs))
	for _, one := range configs {
		values[one.Key] = one.MaybeValue()
	}
	for _, name := range slices.Sorted(maps.Keys(t.Config)) {
		value, known := values[name]
		if !known {
			value = "unknown"
		}
		differ(name, value, t.Config[name])
	}
	return found
}

// Shape gives the number of partitions of a topic and of the replicas of each; a
// Mismatch if it is missing.
func (c *Client) Shape(ctx context.Context, topic string) (partitions int32, replication int16, err error) {
	details, err := c.describe(ctx, []string{topic})
	if err != nil {
		return 0, 0, err
	}
	d, exists := details[topic]
	if !exists {
		return 0, 0, missing(topic)
	}
	return int32(d.partitions), int16(d.replicas), nil
}

// description is what brokers know of a topic.
type description struct {
	id                   kadm.TopicID
	partitions, replicas int // replicas: of each partition
}

// describe gives what is known of the topics that exist.
func (c *Client) describe(ctx context.Context, names []string) (map[string]description, error) {
	answer, err := c.metadata(ctx, names)
	if err != nil {
		return nil, err
	}
	return descriptions(answer)
}

// metadata asks any broker, and not the client's own list: what that has is of some time ago.
func (c *Client) metadata(ctx context.Context, names []string) (*kmsg.MetadataResponse, error) {
	answer, err := c.kafka.RequestCachedMetadata(ctx, metadataOf(names), time.Nanosecond)
	if err != nil {
		return nil, fmt.Errorf("stream: listing the topics: %w", c.config.Security.explained(err))
	}
	return answer, nil
}

func metadataOf(names []string) *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // nil is for all
	for _, name := range names {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, one)
	}
	return request
}

func descriptions(answer *kmsg.MetadataResponse) (map[string]description, error) {
	found := make(map[string]description, len(answer.Topics))
	for _, t := range answer.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		switch {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
		case err != nil:
			return nil, fmt.Errorf("stream: topic %s: %w", *t.Topic, err)
		default:
			d := description{id: t.TopicID, partitions: len(t.Partitions)}
			if d.partitions > 0 {
				d.replicas = len(t.Partitions[0].Replicas)
			}
			found[*t.Topic] = d
		}
	}
	return found, nil
}
