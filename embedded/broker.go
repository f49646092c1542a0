package embedded

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Broker is a broker that speaks Kafka's protocol. It makes no topic that it was
// not told to make.
type Broker struct {
	cluster *kfake.Cluster
	ghosts  *ghosts
	addr    netip.AddrPort // kept here, as a closed cluster never answers
}

// minSessionTimeout is far below Kafka's 6 s, so that a test need not wait long
// for a group to notice that a member died.
const minSessionTimeout = 100 * time.Millisecond

// StartBroker starts a broker on a free port. Topics, records and committed
// offsets are kept in dir and found there by the next start; with dir empty they
// go with the broker.
func StartBroker(dir string) (*Broker, error) { return StartBrokerAt(dir, 0) }

// StartBrokerAt is StartBroker on a given port, 0 for a free one. A broker comes
// back to its clients with its directory and its [Broker.Port].
func StartBrokerAt(dir string, port int) (*Broker, error) {
	options := []kfake.Opt{
		kfake.Ports(port),
		kfake.GroupMinSessionTimeout(minSessionTimeout),
		kfake.WithLogger(brokerLog{errorLog("embedded broker")}),
	}
	if dir != "" {
		options = append(options, kfake.DataDir(dir))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, fmt.Errorf("embedded: starting the broker: %w", err)
	}
	addr, err := netip.ParseAddrPort(cluster.ListenAddrs()[0])
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("embedded: starting the broker: %w", err)
	}
	g, err := watchGhosts(cluster, addr.String())
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("embedded: starting the broker: %w", err)
	}
	return &Broker{cluster, g, addr}, nil
}

// Addrs gives what clients connect to, as host:port.
func (b *Broker) Addrs() []string { return []string{b.addr.String()} }

// Port is the port that the broker listens on, also once it is closed.
func (b *Broker) Port() int { return int(b.addr.Port()) }

// Cluster gives the server itself, for tests that have it misbehave. Its methods
// hang once the broker is closed.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close cuts all connections, ends the broker and writes out what it keeps.
// Closing again does nothing.
func (b *Broker) Close() {
	b.ghosts.close()
	b.cluster.Close()
}
