package embedded

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ghosts has dead members of groups removed that kfake keeps for ever: it starts a
// member's session timeout with the answer to its JoinGroup, and so not at all if
// the connection is gone by then, as when a process is killed while it joins.
type ghosts struct {
	cluster *kfake.Cluster
	client  *kgo.Client
	stop    context.CancelFunc
	stopped sync.WaitGroup

	mu     sync.Mutex
	silent map[member]silence
}

type member struct{ group, id string }

// silence is how long a member may be silent, and since when it is.
type silence struct {
	since time.Time
	limit time.Duration
}

// ghostTick is how often it is looked for ghosts.
const ghostTick = minSessionTimeout

func watchGhosts(cluster *kfake.Cluster, addr string) (*ghosts, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	g := &ghosts{cluster: cluster, client: client, stop: stop, silent: map[member]silence{}}
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.LeaveGroup} {
		cluster.ControlKey(key.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			g.hear(r)
			return nil, nil, false
		})
	}
	g.stopped.Go(func() { g.watch(ctx) })
	return g, nil
}

// close must be called before the cluster is closed.
func (g *ghosts) close() {
	g.stop()
	g.stopped.Wait()
	g.client.Close()
}

// hear notes a sign of life.
func (g *ghosts) hear(r kmsg.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r := r.(type) {
	case *kmsg.JoinGroupRequest:
		if r.MemberID == "" {
			return // it has yet to be given its id, and to join with that
		}
		// Its answer may take as long as the others take to join, and the answer to
		// the SyncGroup that follows as long again; a live member is never silent for
		// longer without a heartbeat.
		limit := time.Duration(max(r.SessionTimeoutMillis, r.RebalanceTimeoutMillis)) * time.Millisecond
		g.silent[member{r.Group, r.MemberID}] = silence{time.Now(), limit + 2*ghostTick}
	case *kmsg.SyncGroupRequest:
		g.refresh(member{r.Group, r.MemberID})
	case *kmsg.HeartbeatRequest:
		g.refresh(member{r.Group, r.MemberID})
	case *kmsg.LeaveGroupRequest:
		delete(g.silent, member{r.Group, r.MemberID})
		for _, m := range r.Members {
			delete(g.silent, member{r.Group, m.MemberID})
		}
	}
}

func (g *ghosts) refresh(m member) {
	if s, found := g.silent[m]; found {
		g.silent[m] = silence{time.Now(), s.limit}
	}
}

func (g *ghosts) watch(ctx context.Context) {
	tick := time.NewTicker(ghostTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, m := range g.overdue() {
			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.Group, leave.MemberID = m.group, m.id
			one := kmsg.NewLeaveGroupRequestMember()
			one.MemberID = m.id
			leave.Members = []kmsg.LeaveGroupRequestMember{one}
			if _, err := leave.RequestWith(ctx, g.client); err != nil && ctx.Err() == nil {
				errorLog("embedded broker").Error("a dead member could not be removed from its group",
					slog.String("group", m.group), slog.Any("error", err))
			}
		}
	}
}

// overdue gives the members that have been silent for too long, once each.
func (g *ghosts) overdue() (found []member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for m, s := range g.silent {
		if time.Since(s.since) > s.limit {
			found = append(found, m)
			delete(g.silent, m)
		}
	}
	return found
}
