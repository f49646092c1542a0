package stream

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
)

// Record is what a [Filter] sees of a record: its headers by name.
type Record struct{ m *sarama.ConsumerMessage }

// Header gives the value of the record's last header with that name; nil without one.
func (r Record) Header(name string) []byte {
	for i := len(r.m.Headers) - 1; i >= 0; i-- {
		if h := r.m.Headers[i]; string(h.Key) == name {
			return h.Value
		}
	}
	return nil
}

// Filter reports whether a role wants a record. The others count as finished
// without goka ever seeing them.
type Filter func(Record) bool

// rejoinDelay is the wait before a consumer joins again after trouble with the
// brokers; after an ordinary rebalance there is none.
const rejoinDelay = time.Second

// claimDelay is the wait before a consumer joins again that could not read a
// partition, as while its leader is being elected. All members join with it.
const claimDelay = 250 * time.Millisecond

// group is a consumer group for goka in which generations follow each other at
// once and only finished prefixes are committed. It returns from Consume only
// when told to, or with an error of the handler.
type group struct {
	sarama.ConsumerGroup
	role   *role
	filter Filter
	timers *timers // nil: there are none
	lanes  *lanes  // nil: there are none
	ends   listing
}

// Consume implements sarama.ConsumerGroup.
func (g *group) Consume(ctx context.Context, topics []string, h sarama.ConsumerGroupHandler) error {
	for ctx.Err() == nil {
		w := &handler{ConsumerGroupHandler: h, group: g}
		err := g.ConsumerGroup.Consume(ctx, topics, w)
		if w.err != nil {
			return w.err
		}
		if errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return err
		}
		wait := rejoinDelay
		if err == nil {
			err, wait = w.trouble(), claimDelay
		}
		g.role.disturbed(err)
		if err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// handler watches over goka's handler for one generation.
type handler struct {
	sarama.ConsumerGroupHandler
	group   *group
	session *session
	err     error // of the handler itself, which ends the processor
}

func (h *handler) Setup(s sarama.ConsumerGroupSession) error {
	h.session = newSession(s, h.group.role)
	go h.session.look(h.group.ends) // the brokers may hang, which must hold up no generation's end
	h.session.lanes = h.group.lanes
	h.group.timers.assigned(h.session)
	h.group.role.activity.generation(h.session)
	h.err = h.ConsumerGroupHandler.Setup(h.session)
	if h.err == nil && s.Context().Err() == nil { // goka gives none when it was cut short
		h.group.role.joined()
	}
	return h.err
}

// trouble gives what ended the generation; nil for the ordinary, and for none.
func (h *handler) trouble() error {
	if h.session == nil {
		return nil
	}
	return trouble(h.session.Context())
}

func (h *handler) Cleanup(sarama.ConsumerGroupSession) error {
	err := h.ConsumerGroupHandler.Cleanup(h.session)
	h.session.close()
	h.group.role.activity.generation(nil)
	h.err = errors.Join(h.err, err)
	return err
}

func (h *handler) ConsumeClaim(_ sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	messages, left := make(chan *sarama.ConsumerMessage, cap(c.Messages())), make(chan struct{})
	defer close(left)
	p := h.session.claimed(c)
	go func() { // ends with the claim, which sarama closes once this method returns
		defer close(messages)
		for m := range c.Messages() {
			select {
			case <-left: // from here on sarama takes messages off the channel, too
				return
			default:
			}
			p.begin(m.Offset)
			if h.group.filter != nil && !h.group.filter(Record{m}) {
				p.finish(m.Offset)
				continue
			}
			h.group.role.activity.keys.note(m.Key)
			select {
			case messages <- m:
			case <-left:
				return
			}
		}
	}()
	return h.ConsumerGroupHandler.ConsumeClaim(h.session, claim{c, messages})
}

// claim hands on the messages that the role wants.
type claim struct {
	sarama.ConsumerGroupClaim
	messages <-chan *sarama.ConsumerMessage
}

func (c claim) Messages() <-chan *sarama.ConsumerMessage { return c.messages }

// session is a generation. goka marks each record as it finishes; what goes on to
// the broker, a few times a second, is the finished prefix.
type session struct {
	sarama.ConsumerGroupSession
	role  *role
	lanes *lanes

	mu     sync.Mutex
	claims map[place]*claimed
	stop   chan struct{}
	ticker sync.WaitGroup
}

type place struct {
	topic     string
	partition int32
}

type claimed struct {
	prefix
	claim  sarama.ConsumerGroupClaim
	end    int64 // as its leader last told
	hidden bool  // its leader does not tell, or there is none
}

func newSession(s sarama.ConsumerGroupSession, r *role) *session {
	w := &session{ConsumerGroupSession: s, role: r, claims: map[place]*claimed{}, stop: make(chan struct{})}
	w.ticker.Go(func() {
		tick := time.NewTicker(commitInterval / 2)
		defer tick.Stop()
		ended := s.Context().Done()
		for {
			select {
			case <-tick.C:
				w.hand()
			case <-ended: // what is under way may hold it open for long yet
				ended = nil
				r.disturbed(trouble(s.Context()))
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// trouble gives what ended the generation, if that was none of the things that end
// one as a matter of course.
func trouble(generation context.Context) error {
	cause := context.Cause(generation)
	for _, ordinary := range []error{
		context.Canceled, sarama.ErrRebalanceInProgress, sarama.ErrSessionPartitionCountChanged,
	} {
		if errors.Is(cause, ordinary) {
			return nil
		}
	}
	return cause
}

func (s *session) claimed(c sarama.ConsumerGroupClaim) *claimed {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &claimed{claim: c}
	s.claims[place{c.Topic(), c.Partition()}] = p
	return p
}

// MarkOffset implements sarama.ConsumerGroupSession; next is the offset after the
// record that finished.
func (s *session) MarkOffset(topic string, partition int32, next int64, _ string) {
	s.mu.Lock()
	p := s.claims[place{topic, partition}]
	s.mu.Unlock()
	if s.lanes.letGo(offset{place{topic, partition}, next - 1}) {
		return
	}
	if p != nil {
		p.finish(next - 1)
	}
}

// MarkMessage implements sarama.ConsumerGroupSession.
func (s *session) MarkMessage(m *sarama.ConsumerMessage, meta string) {
	s.MarkOffset(m.Topic, m.Partition, m.Offset+1, meta)
}

// handled gives the offset up to which all records of a partition are handled; 0
// while that is unknown.
func (s *session) handled(at place) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.claims[at]
	if p == nil {
		return 0
	}
	return max(p.finished(), p.claim.InitialOffset(), 0)
}

// hand passes the finished prefixes on to be committed and tells the lag.
func (s *session) hand() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.claims {
		next := p.finished()
		if next > 0 {
			s.ConsumerGroupSession.MarkOffset(at.topic, at.partition, next, "")
		} else {
			next = max(p.claim.InitialOffset(), 0)
		}
		s.role.lag(at, max(p.claim.HighWaterMarkOffset()-next, p.end-next, 0))
	}
}

// lookInterval is the time between looks at where the partitions end.
const lookInterval = 5 * time.Second

// look asks the brokers where the partitions end, until the generation does. Of one that
// cannot be read sarama tells the end that it has read last, as if nothing were behind.
func (s *session) look(ends listing) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.Context().Done():
			return
		case <-tick.C:
		}
		topics := slices.Collect(maps.Keys(s.Claims()))
		if len(topics) == 0 { // kadm takes that for all
			continue
		}
		listed, err := ends.each(s.Context(), topics)
		if err != nil || s.Context().Err() != nil {
			continue // that the brokers are away, or that it ends, the generation tells
		}
		s.seen(listed)
	}
}

func (s *session) seen(listed kadm.ListedOffsets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, p := range s.claims {
		switch o, found := listed.Lookup(at.topic, at.partition); {
		case found && o.Err == nil:
			p.end, p.hidden = o.Offset, false
		case found && !p.hidden:
			p.hidden = true
			s.role.log.Warn("a partition cannot be read; it is tried again", slog.String("role", s.role.name),
				slog.String("topic", at.topic), slog.Int("partition", int(at.partition)), slog.Any("error", o.Err))
		}
	}
}

// close hands on what finished last; sarama commits it before the generation ends.
func (s *session) close() {
	close(s.stop)
	s.ticker.Wait()
	s.hand()
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.claims {
		s.role.lost(at)
	}
}
