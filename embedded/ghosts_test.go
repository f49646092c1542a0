package embedded

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// join asks to join the group under an id, as a first step without one to be given it.
func join(ctx context.Context, client *kgo.Client, id string) (*kmsg.JoinGroupResponse, error) {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.ProtocolType = "readers", id, "consumer"
	r.SessionTimeoutMillis = int32(10 * minSessionTimeout / time.Millisecond)
	r.RebalanceTimeoutMillis = 1000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	r.Protocols = []kmsg.JoinGroupRequestProtocol{protocol}
	answer, err := r.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	return answer, err
}

// newID is what a member that has yet to be known is told.
func newID(ctx context.Context, t *testing.T, client *kgo.Client) string {
	t.Helper()
	answer, err := join(ctx, client, "")
	if !errors.Is(err, kerr.MemberIDRequired) {
		t.Fatalf("joining without an id: %v", err)
	}
	return answer.MemberID
}

// Whether kfake forgets the session timeout of a dead member is a matter of chance,
// so a dozen of them die.
func TestMembersThatDiedWhileTheyJoinedAreRemovedFromTheirGroup(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b := startBroker(t, "", 0)
	living, observer := connect(t, b), kadm.NewClient(connect(t, b))
	members := func() (ids []string) {
		groups, err := observer.DescribeGroups(ctx, "readers")
		check(t, err)
		for _, m := range groups["readers"].Members {
			ids = append(ids, m.MemberID)
		}
		return ids
	}

	first := newID(ctx, t, living)
	_, err := join(ctx, living, first)
	check(t, err)
	var dead sync.WaitGroup
	for range 12 { // each waits for the first to join, and dies meanwhile
		dying := connect(t, b)
		id := newID(ctx, t, dying)
		dead.Go(func() {
			if _, err := join(ctx, dying, id); err == nil {
				t.Error("it has joined")
			}
		})
		for !slices.Contains(members(), id) {
			check(t, ctx.Err())
		}
		dying.Close()
	}
	dead.Wait()

	for { // the living one goes on as members do, until it is alone
		answer, err := join(ctx, living, first)
		check(t, err)
		share := kmsg.NewPtrSyncGroupRequest()
		share.Group, share.MemberID, share.Generation = "readers", first, answer.Generation
		_, err = share.RequestWith(ctx, living)
		check(t, err)
		if slices.Equal(members(), []string{first}) {
			return
		}
		heartbeat := kmsg.NewPtrHeartbeatRequest()
		heartbeat.Group, heartbeat.MemberID, heartbeat.Generation = "readers", first, answer.Generation
		for code := int16(0); code == 0; {
			answer, err := heartbeat.RequestWith(ctx, living)
			check(t, err)
			code = answer.ErrorCode
		}
	}
}
