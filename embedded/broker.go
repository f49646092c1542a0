package embedded

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Broker is a broker that speaks Kafka's protocol.
type Broker struct{ cluster *kfake.Cluster }

// StartBroker starts a broker on a free port. Topics, records and committed
// offsets are kept in dir and found there by the next start; with dir empty they
// go with the broker.
func StartBroker(dir string) (*Broker, error) { return StartBrokerAt(dir, 0) }

// StartBrokerAt is StartBroker on a given port, 0 for a free one.
func StartBrokerAt(dir string, port int) (*Broker, error) {
	options := []kfake.Opt{kfake.Ports(port)}
	if dir != "" {
		options = append(options, kfake.DataDir(dir))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, fmt.Errorf("embedded: starting the broker: %w", err)
	}
	return &Broker{cluster}, nil
}

// Addrs gives what clients connect to, as host:port.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Cluster gives the server itself, for tests that have it misbehave.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close ends the broker, and writes out what it keeps.
func (b *Broker) Close() { b.cluster.Close() }
