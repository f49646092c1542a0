package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/edge"
	"simplecqrs/embedded"
	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
	"simplecqrs/stream"
)

// How hard the faults are tried; the defaults suit a quick run.
var (
	kills  = flag.Int("kills", 3, "how often TestKill kills the process")
	orders = flag.Int("orders", 300, "how many orders TestKill, TestRebalance and TestAway place")
	rate   = flag.Float64("rate", 100, "orders a second of these tests")
	away   = flag.Duration("away", 8*time.Second, "for how long TestAway takes a part away")
)

// childEnv makes the test binary a node instead: a process of its own, that can
// be killed.
const childEnv = "SIMPLECQRS_TEST_CHILD"

type child struct {
	Brokers []string
	Mongo   string
	DataDir string
	Shop    string // the URL of a shop that does the work, by flakyPlan; empty: Echo does it
	Bug     bool   // the fold fails at ORDER_COMPLETED, the saga at PAYMENT_COMPLETED
}

func TestMain(m *testing.M) {
	if settings := os.Getenv(childEnv); settings != "" {
		if err := runChild(settings); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runChild(settings string) error {
	var c child
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config := Config{
		Brokers: c.Brokers, Mongo: c.Mongo, DataDir: c.DataDir, Query: QueryLocal, Listener: l,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if c.Shop != "" {
		config.Definition = flakyPlan()
		if config.Participants, err = c.participants(); err != nil {
			return err
		}
	}
	if c.Bug {
		(&bug{at: "ORDER_COMPLETED", all: true}).inFold(&config)
		(&bug{at: "PAYMENT_COMPLETED", all: true}).inDecision(&config)
	}
	n, err := Start(ctx, config)
	if err != nil {
		return err
	}
	fmt.Println(n.Addr()) // that it listens, and where
	if err := n.WaitReady(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	return n.Wait()
}

// process is a node in a process of its own.
type process struct {
	cmd  *exec.Cmd
	addr string
	// ready is closed once all roles run.
	ready chan struct{}
}

func (w *world) startProcess(dataDir string) *process {
	w.t.Helper()
	settings, err := json.Marshal(child{w.brokers, w.mongo, dataDir, w.shop, w.bug})
	check(w.t, err)
	exe, err := os.Executable()
	check(w.t, err)
	p := &process{cmd: exec.Command(exe), ready: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(settings))
	p.cmd.Stderr = w.t.Output()
	out, err := p.cmd.StdoutPipe()
	check(w.t, err)
	check(w.t, p.cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		w.t.Fatalf("the process did not come up: %v", lines.Err())
	}
	p.addr = lines.Text()
	go func() {
		if lines.Scan() && lines.Text() == "ready" {
			close(p.ready)
		}
	}()
	w.t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it is gone already if all went well
	return p
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	check(t, p.cmd.Process.Kill())
	if err := p.cmd.Wait(); p.cmd.ProcessState.Exited() {
		t.Fatalf("the process had ended by itself: %v", err)
	}
}

// customer places orders at a rate with whoever takes them, and remembers those
// that were accepted.
type customer struct {
	mu       sync.Mutex
	url      string
	accepted []string
	refused  int
}

func (c *customer) turnTo(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = "http://" + addr + "/command"
}

// order places n orders and returns once each is accepted or refused.
func (c *customer) order(n int, rate float64) {
	var wait sync.WaitGroup
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for range n {
		<-tick.C
		c.mu.Lock()
		url := c.url
		c.mu.Unlock()
		wait.Go(func() {
			id, err := placeAt(url)
			c.mu.Lock()
			defer c.mu.Unlock()
			if err != nil {
				c.refused++
				return
			}
			c.accepted = append(c.accepted, id)
		})
	}
	wait.Wait()
}

// verify holds everything that can be read to every order that was accepted.
func (w *world) verify(accepted []string, local *running) {
	w.t.Helper()
	store := w.reader()
	for _, id := range accepted {
		w.wantHappy("local table", id, local.ended(id))
		row, err := store.Await(w.context(), id, func(r order.Row) bool { return r.Meta.Status.Ended() })
		check(w.t, err)
		w.wantHappy("read store", id, row)
	}
	table := w.tableRows()
	for id, row := range table {
		w.wantHappy("view.order", id, row) // also what was accepted without the client's learning of it
	}
	for _, id := range accepted {
		if _, found := table[id]; !found {
			w.t.Errorf("view.order has no %s", id)
		}
	}
	if letters := w.letters(); len(letters) > 0 {
		w.t.Errorf("%d dead letters, the first: %+v", len(letters), letters[0])
	}
}

// repeats counts the records of store.order that repeat an event's id, and gives
// the most copies of any one.
func (w *world) repeats() (events, repeated, most int) {
	w.t.Helper()
	copies := map[string]int{}
	for _, r := range w.records(codecs.StoreOrder) {
		id := header(r, "ce_id")
		copies[id]++
		most = max(most, copies[id])
		if copies[id] > 1 {
			repeated++
		}
	}
	return len(copies), repeated, most
}

// killed has a process take orders, kills it as often as the flags say and starts it
// again, and ends it well once all orders are placed.
func (w *world) killed(dir string) *customer {
	w.t.Helper()
	var c customer
	p := w.startProcess(dir)
	c.turnTo(p.addr)
	<-p.ready
	var placing sync.WaitGroup
	placing.Go(func() { c.order(*orders, *rate) })
	span := time.Duration(float64(*orders) / *rate * float64(time.Second) / float64(*kills+1))
	for range *kills {
		<-time.After(span) // anywhere in the middle of the work
		p.kill(w.t)
		p = w.startProcess(dir)
		c.turnTo(p.addr)
	}
	placing.Wait()
	<-p.ready
	check(w.t, p.cmd.Process.Signal(syscall.SIGTERM))
	if err := p.cmd.Wait(); err != nil {
		w.t.Errorf("the process did not end well: %v", err)
	}
	return &c
}

func TestKill(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	c := w.killed(dir)
	heir := w.start(func(c *Config) { c.Query, c.DataDir = QueryLocal, dir }).ready()
	w.verify(c.accepted, heir)
	events, repeated, most := w.repeats()
	t.Logf("%d orders accepted, %d refused; %d events, %d records repeat one, at most %d copies",
		len(c.accepted), c.refused, events, repeated, most)
	// What may come again is what was handled since the last commit, once for each
	// kill and effect of it; a second is far more than the interval of the commits.
	if window := float64(*kills) * *rate * float64(len(happy)); float64(repeated) > window {
		t.Errorf("%d records repeat an event, more than the %.0f of a second's orders for each kill", repeated, window)
	}
}

// A process stands still for so long that another is given its partitions, and then
// goes on for a moment as if they were its own. Later it has them again.
func TestFreeze(t *testing.T) {
	w := newWorld(t)
	frozenDir := t.TempDir()
	var c customer
	frozen, other := w.startProcess(frozenDir), w.startProcess(t.TempDir())
	c.turnTo(other.addr)
	<-frozen.ready
	<-other.ready
	var shop sync.WaitGroup
	shop.Go(func() { c.order(*orders*3, *rate) })
	third := time.Duration(float64(*orders) / *rate * float64(time.Second))
	<-time.After(third / 3)
	check(t, frozen.cmd.Process.Signal(syscall.SIGSTOP))
	<-time.After(8 * time.Second) // more than the session timeout
	check(t, frozen.cmd.Process.Signal(syscall.SIGCONT))
	shop.Wait()
	other.kill(t)
	c.turnTo(frozen.addr)
	c.order(*orders/3, *rate)
	w.verify(c.accepted, w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal }).ready())
	check(t, frozen.cmd.Process.Signal(syscall.SIGTERM))
	if err := frozen.cmd.Wait(); err != nil {
		t.Errorf("the process did not end well: %v", err)
	}
	heir := w.start(func(c *Config) { c.Query, c.DataDir = QueryLocal, frozenDir }).ready()
	w.verify(c.accepted, heir)
	events, repeated, most := w.repeats()
	t.Logf("%d orders accepted, %d refused; %d events, %d records repeat one, at most %d copies",
		len(c.accepted), c.refused, events, repeated, most)
}

// gaps watches the log for the longest time in which a step of a partition made no
// progress, but for some orders.
type gaps struct {
	but []string

	mu      sync.Mutex
	last    map[string]time.Time
	longest map[string]time.Duration
}

func (g *gaps) watch(ctx context.Context, client *kgo.Client) {
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			kind := header(r, "ce_type")
			if !strings.HasSuffix(kind, "_COMPLETED") || slices.Contains(g.but, string(r.Key)) {
				return
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			now, at := time.Now(), fmt.Sprintf("%s of partition %d", kind, r.Partition)
			if last, seen := g.last[at]; seen {
				g.longest[at] = max(g.longest[at], now.Sub(last))
			}
			g.last[at] = now
		})
	}
}

// worst is the longest gap of all.
func (g *gaps) worst() (where string, gap time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for at, one := range g.longest {
		if one > gap {
			where, gap = at, one
		}
	}
	return where, gap
}

// A participant may take 2 s and more. Neither a rebalance nor another order of its
// partition is to wait for it. A quiet machine leaves a third of a second between two
// completions, one that has seven times as much to do as it can up to two; what waits for
// the participant waits for the ten that a rebalance gives it at most.
func TestRebalance(t *testing.T) {
	const most = 5 * time.Second
	for name, slow := range map[string]int{"all are quick": 0, "an order of each partition takes long": partitions} {
		t.Run(name, func(t *testing.T) {
			var where string
			var gap time.Duration
			for range 3 { // a machine that is busy may be late once, the code is each time
				if where, gap = rebalance(t, slow); gap < most || testing.Short() {
					return
				}
			}
			t.Errorf("each time there were %v and more between two completions, at the last %v at %s", most, gap, where)
		})
	}
}

// rebalance has one of two processes leave and another join, while an order in each of so
// many partitions is with a participant that does not answer before the end. It gives the
// longest gap between the completions of other orders.
func rebalance(t *testing.T, slow int) (where string, gap time.Duration) {
	w := newWorld(t)
	answer, asked := make(chan struct{}), make(chan string, 100)
	release := sync.OnceFunc(func() { close(answer) })
	defer release() // else the nodes would not end, if the test fails
	payment := newScripted()
	var held []string
	for i := 0; len(held) < slow; i++ {
		if id := fmt.Sprintf("ORD-%05X", i); int(stream.Partition(id, partitions)) == len(held) {
			held = append(held, id)
			payment.on(id, func(r processors.Request) (order.JSON, error) {
				asked <- r.OrderID
				<-answer
				return processors.Echo{}.Do(t.Context(), r)
			}, nil)
		}
	}
	config := func(c *Config) {
		if slow > 0 { // else Echo does it, which takes no time
			c.Participants = map[order.Step]processors.Participant{
				order.Detail: processors.Echo{}, order.Payment: payment, order.Mail: processors.Echo{},
			}
		}
	}
	first, second := w.start(config), w.start(config)
	first.ready()
	second.ready()
	for p, id := range held {
		w.produce(&kgo.Record{Key: []byte(id), Partition: int32(p), Value: fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id)})
	}
	for range held {
		<-asked
	}
	ctx, stop := context.WithCancel(t.Context())
	tail, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumeTopics(codecs.StoreOrder),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	check(t, err)
	defer tail.Close()
	g := &gaps{but: held, last: map[string]time.Time{}, longest: map[string]time.Duration{}}
	var watch sync.WaitGroup
	watch.Go(func() { g.watch(ctx, tail) })

	var c customer
	c.turnTo(first.Addr().String())
	var shop, leaves sync.WaitGroup
	shop.Go(func() { c.order(*orders, *rate) })
	third := time.Duration(float64(*orders) / *rate * float64(time.Second) / 3)
	<-time.After(third)
	leaves.Go(second.stop) // one leaves, when what it has in hand is done
	<-time.After(third)
	joined := w.start(config).ready() // one joins
	shop.Wait()
	local := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal }).ready()
	for _, id := range c.accepted {
		local.ended(id)
	}
	stop()
	watch.Wait()
	release()
	leaves.Wait()
	w.verify(append(c.accepted, held...), local)
	joined.stop()
	if c.refused > 0 {
		t.Errorf("%d orders were refused", c.refused)
	}
	for at, pause := range g.longest {
		t.Logf("%s: at most %v without one", at, pause.Round(time.Millisecond))
	}
	_, repeated, most := w.repeats()
	t.Logf("%d records repeat an event, at most %d copies", repeated, most)
	return g.worst()
}

func TestTheReadStoreMayBeAway(t *testing.T) {
	w := newWorld(t)
	if w.store == nil {
		t.Skip("the store is not ours to take away")
	}
	n := w.start(func(c *Config) { c.Query = QueryLocal }).ready()
	var c customer
	c.turnTo(n.Addr().String())
	c.order(*orders/3, *rate)
	addr := w.store.Addr()
	check(t, w.store.Close())
	gone := time.After(*away)
	c.order(*orders/3, *rate)
	for _, id := range c.accepted {
		w.wantHappy("local table", id, n.ended(id))
	}
	<-gone
	var err error
	w.store, err = embedded.StartStoreAt(w.storeDir, addr)
	check(t, err)
	c.order(*orders/3, *rate)
	w.verify(c.accepted, n)
	if c.refused > 0 {
		t.Errorf("%d orders were refused", c.refused)
	}
}

func TestTheBrokerMayBeAway(t *testing.T) {
	w := newWorld(t)
	if w.broker == nil {
		t.Skip("the broker is not ours to take away")
	}
	n := w.start(func(c *Config) { c.Query = QueryLocal }).ready()
	var c customer
	c.turnTo(n.Addr().String())
	c.order(*orders/3, *rate)
	port := w.broker.Port()
	w.broker.Close()
	w.await("the node to notice", func() bool { status, _ := n.get("/readyz"); return status == 503 })
	<-time.After(*away)
	var err error
	w.broker, err = embedded.StartBrokerAt(w.brokerDir, port)
	check(t, err)
	n.ready()
	c.order(*orders/3, *rate)
	w.verify(c.accepted, n)
	for _, s := range n.client.Status() {
		if s.State != stream.Running {
			t.Errorf("%s is %s", s.Role, s.State)
		}
	}
	if _, body := n.get("/metrics"); regexp.MustCompile(`simplecqrs_role_restarts_total\{.*\} [1-9]`).MatchString(body) {
		t.Error("a role ended and had to be built anew")
	}
}

func TestANodeEndsThoughItsBrokerIsAway(t *testing.T) {
	w := newWorld(t)
	if w.broker == nil {
		t.Skip("the broker is not ours to take away")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	n, err := Start(ctx, Config{Brokers: w.brokers, Mongo: w.mongo, Listener: l})
	check(t, err)
	check(t, n.WaitReady(w.context()))
	w.broker.Close()
	nobodyWaits, cancel := context.WithCancel(t.Context())
	cancel()
	e := saga.Begin(saga.Default(), edge.NewID(), nil, time.Time{}, time.Now(), "test")
	if err := n.Emit(nobodyWaits, e); !errors.Is(err, context.Canceled) {
		t.Fatalf("emitting gives %v", err)
	}
	stop()
	ended := make(chan error, 1)
	go func() { ended <- n.Wait() }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "gave up 1 unacknowledged") {
			t.Errorf("it ended with %v, want to be told of the order", err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

func TestForeignRecords(t *testing.T) {
	w := newWorld(t)
	n := w.start(func(c *Config) { c.Query = QueryLocal }).ready()
	bare, misplaced := "ORD-B384F", "ORD-00001"
	request := func(id string) []byte { return fmt.Appendf(nil, `{"id":%q,"type":"ORDER_REQUESTED"}`, id) }
	home := func(id string) int32 { return stream.Partition(id, partitions) }

	garbage := &kgo.Record{
		Key: []byte("ORD-00002"), Value: []byte("\x00garbage"), Partition: home("ORD-00002"),
		Headers: []kgo.RecordHeader{{Key: "who", Value: []byte("a stranger")}},
	}
	keyless := &kgo.Record{Value: request("ORD-00003"), Partition: 1}
	large := &kgo.Record{
		Key: []byte("ORD-00004"), Partition: home("ORD-00004"),
		Value: fmt.Appendf(nil, `{"id":"ORD-00004","type":"ORDER_COMPLETED","detail":%q}`, strings.Repeat("x", codecs.MaxEvent)),
	}
	tombstone := &kgo.Record{Key: []byte("ORD-00005"), Partition: home("ORD-00005")}
	for _, r := range []*kgo.Record{
		garbage, keyless, large, tombstone,
		{Key: []byte(bare), Value: request(bare), Partition: home(bare)},
		{Key: []byte(misplaced), Value: request(misplaced), Partition: (home(misplaced) + 1) % partitions},
	} {
		w.produce(r)
	}
	w.wantHappy("a request without headers", bare, n.ended(bare))
	w.wantHappy("a request in the wrong partition", misplaced, n.ended(misplaced))

	var letters []codecs.Letter
	w.await("the dead letters", func() bool { letters = w.letters(); return len(letters) >= 4 })
	byKey := map[string]codecs.Letter{}
	for _, l := range letters {
		byKey[l.Key] = l
	}
	for _, want := range []struct {
		record *kgo.Record
		reason string
	}{
		{garbage, "not a JSON object"},
		{keyless, `the key "" is not the id "ORD-00003"`},
		{large, "bytes; 262144 are allowed"},
		{tombstone, "the value is empty"},
	} {
		l, found := byKey[string(want.record.Key)]
		if !found || !strings.Contains(l.Reason, want.reason) || string(l.Value) != string(want.record.Value) ||
			l.Topic != codecs.StoreOrder || l.Partition != want.record.Partition || l.Offset != want.record.Offset {
			t.Errorf("want a letter with %q for the record %q at %d/%d, have %d bytes with %q at %s/%d/%d", want.reason,
				want.record.Key, want.record.Partition, want.record.Offset, len(l.Value), l.Reason, l.Topic, l.Partition, l.Offset)
		}
	}
	if who := string(byKey["ORD-00002"].Headers["who"]); who != "a stranger" {
		t.Errorf("the letter's header who is %q", who)
	}
	if len(letters) != 4 {
		t.Errorf("%d letters, want 4: %+v", len(letters), letters)
	}
}
