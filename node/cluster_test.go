package node

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// cluster are three brokers that .ci/kafka has started in a folder, and can kill.
type cluster struct {
	*world
	dir string
}

func (c cluster) tell(what string, broker int) {
	c.t.Helper()
	out, err := exec.Command("../.ci/kafka", what, filepath.Join(c.dir, fmt.Sprint(broker))).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s broker %d: %v\n%s", what, broker, err, out)
	}
}

// inSync waits until each partition is on all brokers.
func (c cluster) inSync() {
	c.t.Helper()
	admin := kadm.NewClient(c.kafka)
	c.await("all replicas to be in sync", func() bool {
		topics, err := admin.ListTopicsWithInternal(c.context())
		synced := err == nil
		topics.EachPartition(func(p kadm.PartitionDetail) {
			synced = synced && p.Err == nil && len(p.Replicas) == len(c.brokers) && len(p.ISR) == len(c.brokers)
		})
		return synced
	})
}

// Each broker of three dies in turn, while orders come in. Without it the orders go on;
// and in the end each that was accepted is complete, once.
func TestABrokerDies(t *testing.T) {
	dir := os.Getenv("KAFKA_CLUSTER")
	if dir == "" {
		t.Skip("KAFKA_CLUSTER names no brokers of which one may be killed: .ci/kafka start DIR cluster")
	}
	w := cluster{newWorld(t), dir}
	w.inSync()
	data := t.TempDir()
	n := w.start(func(c *Config) { c.Query, c.DataDir = QueryLocal, data }).ready()
	var shop customer
	shop.turnTo(n.Addr().String())
	closed := make(chan struct{})
	closing := sync.OnceFunc(func() { close(closed) })
	t.Cleanup(closing)
	var placing sync.WaitGroup
	placing.Go(func() {
		for {
			select {
			case <-closed:
				return
			default:
				shop.order(int(*rate), *rate) // what a second has
			}
		}
	})
	for broker := range len(w.brokers) {
		t.Cleanup(func() { w.tell("start", broker+1) }) // whatever becomes of the test
		w.tell("kill", broker+1)
		died := time.Now()
		var first string
		w.await("an order to be accepted", func() bool {
			var err error
			first, err = placeAt(n.url("/command"))
			return err == nil
		})
		n.ended(first)
		stood := time.Since(died)
		t.Logf("an order that was placed after broker %d had died is complete after %v", broker+1, stood)
		if stood > time.Minute {
			t.Errorf("without broker %d the orders stood still for %v", broker+1, stood)
		}
		w.tell("start", broker+1)
		w.inSync()
	}
	closing()
	placing.Wait()
	// Who places an order waits for the log for 10 s, and the brokers take 3 s to see that
	// one of them is dead.
	if shop.refused > len(shop.accepted)/20 {
		t.Errorf("%d orders were refused, and %d accepted", shop.refused, len(shop.accepted))
	}
	w.verify(shop.accepted, n)
	events, repeated, most := w.repeats()
	t.Logf("%d orders accepted, %d refused; %d events, %d records repeat one, at most %d copies",
		len(shop.accepted), shop.refused, events, repeated, most)
}
