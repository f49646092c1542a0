package stream

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
)

// Stats tell what a processor or view is doing in this process. Records and bytes are
// counted by goka, from when the partition was taken on: they begin again at each
// rebalance.
type Stats struct {
	Role       string           `json:"role"`
	Kind       string           `json:"kind"` // processor, view or replay
	State      State            `json:"state"`
	Detail     string           `json:"detail,omitempty"`
	Table      string           `json:"table,omitempty"` // whose values can be looked up here
	Partitions []PartitionStats `json:"partitions"`
	Hot        []HotKey         `json:"hot"`
}

// PartitionStats are those of a partition that the process has.
type PartitionStats struct {
	Partition int32         `json:"partition"`
	Inputs    []InputStats  `json:"inputs"`
	Outputs   []OutputStats `json:"outputs"`
	Tables    []TableStats  `json:"tables"`
}

// InputStats are those of a topic that is consumed.
type InputStats struct {
	Topic   string `json:"topic"`
	Handled int64  `json:"handled"` // all records before this offset are finished, or stored by a view
	End     int64  `json:"end"`     // the offset that the next record will have
	Lag     int64  `json:"lag"`
	Records uint   `json:"records"` // those that goka was given, which the filter let by
	Bytes   int    `json:"bytes"`
	Last    int64  `json:"last"` // offset of the latest of them
	// DelayMillis is how old the latest was when it was handled.
	DelayMillis int64 `json:"delayMillis"`
}

// OutputStats are those of a topic that a processor writes to.
type OutputStats struct {
	Topic   string `json:"topic"`
	Records uint   `json:"records"`
	Bytes   int    `json:"bytes"`
}

// TableStats are those of the local copy of a table.
type TableStats struct {
	Topic    string    `json:"topic"`
	State    string    `json:"state"`
	Stalled  bool      `json:"stalled"`
	Recovery *Recovery `json:"recovery,omitempty"` // nil: it has not begun
}

// Recovery is how far a table has come with what it missed.
type Recovery struct {
	Began  time.Time  `json:"began"`
	Ended  *time.Time `json:"ended,omitempty"` // nil: it has not
	Offset int64      `json:"offset"`          // of the latest record that was read
	End    int64      `json:"end"`             // the offset at which it will have caught up
}

// Stats tells what each processor and view is doing, in the order in which they
// were started.
func (c *Client) Stats(ctx context.Context) []Stats {
	c.mu.Lock()
	roles := slices.Clone(c.roles)
	c.mu.Unlock()
	all := make([]Stats, len(roles))
	for i, r := range roles {
		status, _ := r.status()
		partitions, err := r.partitionStats(ctx, c.tables)
		all[i] = Stats{
			Role: r.name, Kind: r.activity.kind, State: status.State,
			Partitions: partitions, Hot: r.activity.keys.top(), Table: r.activity.table(),
		}
		if err := errors.Join(status.Err, err); err != nil {
			all[i].Detail = err.Error()
		}
	}
	return all
}

// Reach is where all partitions together are; false while that is unknown.
func (s Stats) Reach() (r Reach, known bool) {
	for _, p := range s.Partitions {
		for _, i := range p.Inputs {
			r.add(Reach{i.Handled, i.End, i.Lag})
			known = true
		}
	}
	return r, known
}

// activity is what may be asked of a role beside its state.
type activity struct {
	kind string // processor, view or replay
	keys *hotKeys
	kept bool // it keeps a table whose values may be looked up

	mu         sync.RWMutex // held for reading while goka is asked, for what it has goes away
	topic      string       // the table's
	partitions int          // of the topic; 0 until known
	running    running
}

// running is what of goka's the present life of a role has.
type running struct {
	processor *goka.Processor
	session   *session // its present generation; nil between two
	view      *goka.View
	consumer  sarama.Consumer // the view's
}

// bind notes the table.
func (a *activity) bind(topic string, partitions int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.topic, a.partitions = topic, partitions
}

// table gives the table whose values can be looked up; empty while there is none.
func (a *activity) table() string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if !a.kept {
		return ""
	}
	return a.topic
}

// run has a life be asked. What it gives ends that, once nobody asks any more.
func (a *activity) run(life running) (leave func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = life
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.running = running{}
	}
}

// generation notes the present one; nil for none.
func (a *activity) generation(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running.session = s
}

func (r *role) partitionStats(ctx context.Context, t *tables) ([]PartitionStats, error) {
	a := &r.activity
	a.mu.RLock()
	defer a.mu.RUnlock()
	switch {
	case a.running.processor != nil:
		return a.processed(ctx), nil
	case a.running.view != nil:
		return a.viewed(ctx, func(partition int32) (int64, error) {
			return t.next(tableOf{r.name, place{a.topic, partition}})
		})
	}
	return []PartitionStats{}, nil
}

func (a *activity) processed(ctx context.Context) []PartitionStats {
	all := map[int32]*PartitionStats{}
	at := func(partition int32) *PartitionStats {
		if all[partition] == nil {
			all[partition] = &PartitionStats{
				Partition: partition,
				Inputs:    []InputStats{}, Outputs: []OutputStats{}, Tables: []TableStats{},
			}
		}
		return all[partition]
	}
	inputs := a.running.session.stands()
	for partition, s := range a.running.processor.StatsWithContext(ctx).Group {
		p := at(partition)
		for topic, in := range s.Input {
			where := place{topic, partition}
			inputs[where] = inputs[where].counted(topic, in)
		}
		for topic, out := range s.Output {
			p.Outputs = append(p.Outputs, OutputStats{topic, out.Count, out.Bytes})
		}
		if s.TableStats != nil {
			p.Tables = append(p.Tables, tableStats(a.topic, s.TableStats))
		}
		for topic, joined := range s.Joined {
			p.Tables = append(p.Tables, tableStats(topic, joined))
		}
	}
	for where, in := range inputs {
		at(where.partition).Inputs = append(at(where.partition).Inputs, in)
	}
	sorted := make([]PartitionStats, 0, len(all))
	for _, partition := range slices.Sorted(maps.Keys(all)) {
		p := *all[partition]
		slices.SortFunc(p.Inputs, func(a, b InputStats) int { return cmp.Compare(b.Topic, a.Topic) })
		slices.SortFunc(p.Outputs, func(a, b OutputStats) int { return cmp.Compare(b.Topic, a.Topic) })
		sorted = append(sorted, p)
	}
	return sorted
}

// counted adds what goka has counted.
func (i InputStats) counted(topic string, in *goka.InputStats) InputStats {
	i.Topic, i.Records, i.Bytes = topic, in.Count, in.Bytes
	i.Last, i.DelayMillis = in.LastOffset, in.Delay.Milliseconds()
	return i
}

// stands tells how far each partition of a generation is. The receiver may be nil.
func (s *session) stands() map[place]InputStats {
	all := map[place]InputStats{}
	if s == nil {
		return all
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.claims {
		next := max(p.finished(), p.claim.InitialOffset(), 0)
		end := max(p.claim.HighWaterMarkOffset(), next)
		all[at] = InputStats{Topic: at.topic, Handled: next, End: end, Lag: end - next}
	}
	return all
}

// viewed asks a view; next gives the offset up to which a partition is stored.
func (a *activity) viewed(ctx context.Context, next func(partition int32) (int64, error)) ([]PartitionStats, error) {
	ends := map[int32]int64{}
	if a.running.consumer != nil {
		ends = a.running.consumer.HighWaterMarks()[a.topic]
	}
	stats := a.running.view.Stats(ctx).Partitions
	all := make([]PartitionStats, 0, len(stats))
	var failed error
	for _, partition := range slices.Sorted(maps.Keys(stats)) {
		s := stats[partition]
		stored, err := next(partition)
		failed = errors.Join(failed, err)
		end := max(ends[partition], s.Recovery.Hwm, stored)
		in := InputStats{Handled: stored, End: end, Lag: end - stored}
		all = append(all, PartitionStats{
			Partition: partition, Inputs: []InputStats{in.counted(a.topic, s.Input)},
			Outputs: []OutputStats{}, Tables: []TableStats{tableStats(a.topic, s)},
		})
	}
	return all, failed
}

func tableStats(topic string, s *goka.TableStats) TableStats {
	t := TableStats{Topic: topic, State: tableStates[s.Status], Stalled: s.Stalled}
	if r := s.Recovery; !r.StartTime.IsZero() {
		t.Recovery = &Recovery{Began: r.StartTime, Offset: max(r.Offset, 0), End: r.Hwm}
		if !r.RecoveryTime.IsZero() {
			t.Recovery.Ended = &r.RecoveryTime
		}
	}
	return t
}

var tableStates = map[goka.PartitionStatus]string{
	goka.PartitionStopped:      "stopped",
	goka.PartitionInitializing: "initializing",
	goka.PartitionConnecting:   "connecting",
	goka.PartitionRecovering:   "recovering",
	goka.PartitionPreparing:    "preparing",
	goka.PartitionRunning:      "running",
}

// ErrNoTable says of a role that it keeps no table in this process.
var ErrNoTable = errors.New("stream: the role keeps no table here")

// ErrStarting says that a role does not know its table yet.
var ErrStarting = errors.New("stream: the role has not begun")

// Entry is what this process's copy of a table has under a key.
type Entry struct {
	Topic     string
	Partition int32 // the one that the key belongs to
	// Here says that this process has the partition. Of a processor's table it has
	// some, and other processes the others.
	Here      bool
	Recovered bool   // else the value may be one of before
	Value     []byte // nil: there is none
}

// Entry looks a key up in this process's copy of a role's table.
func (c *Client) Entry(role, key string) (Entry, error) {
	a := c.keeper(role)
	if a == nil {
		return Entry{}, ErrNoTable
	}
	a.mu.RLock()
	topic, partitions := a.topic, a.partitions
	a.mu.RUnlock()
	if partitions == 0 {
		return Entry{}, ErrStarting
	}
	e := Entry{Topic: topic, Partition: Partition(key, partitions)}
	err := c.tables.look(tableOf{role, place{topic, e.Partition}}, func(t *table) (err error) {
		e.Here, e.Recovered = true, t.isRecovered()
		e.Value, err = t.Get(key)
		return err
	})
	return e, err
}

// keeper gives the role of that name; nil if it keeps no table.
func (c *Client) keeper(role string) *activity {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.roles {
		if r.name == role && r.activity.kept {
			return &r.activity
		}
	}
	return nil
}

// look has a table read that is open, and not closed meanwhile.
func (t *tables) look(id tableOf, read func(*table) error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if found := t.open[id]; found != nil {
		return read(found)
	}
	return nil
}

// next gives the offset up to which a table that is open is stored.
func (t *tables) next(id tableOf) (offset int64, err error) {
	err = t.look(id, func(t *table) error {
		stored, err := t.GetOffset(-1)
		offset = stored + 1
		return err
	})
	return max(offset, 0), err
}

// leave takes a table away from those who look things up.
func (t *table) leave() {
	t.tables.mu.Lock()
	defer t.tables.mu.Unlock()
	if t.open[t.id] == t { // and not its successor's
		delete(t.open, t.id)
	}
}

func (t *table) isRecovered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recovered
}
