package embedded

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// listen has the default logger, at its most talkative, write to the buffer for
// the length of the test.
func listen(t *testing.T) *bytes.Buffer {
	before, said := slog.Default(), new(bytes.Buffer)
	slog.SetDefault(slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return said
}

func TestServersThatFareWellAreSilent(t *testing.T) {
	said := listen(t)
	s, err := StartStore("")
	check(t, err)
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	check(t, err)
	check(t, put(t.Context(), client.Database("simplecqrs").Collection("orders"), "ORD-1", 1, "ORDER_REQUESTED"))
	check(t, client.Disconnect(t.Context()))
	check(t, s.Close())

	dir := t.TempDir()
	for range 2 {
		b, err := StartBroker(dir)
		check(t, err)
		check(t, connect(t, b).Ping(t.Context()))
		b.Close()
	}
	if said.Len() > 0 {
		t.Errorf("they said:\n%s", said)
	}
}

func TestErrorsArePassedOn(t *testing.T) {
	said := listen(t)
	store := errorLog("store").WithGroup("connection")
	store.Warn("a warning")
	store.Error("cut", slog.Int("id", 1))
	broker := brokerLog{errorLog("broker")}
	broker.Logf(kfake.LogLevelWarn, "a %s", "warning")
	broker.Logf(kfake.LogLevelError, "disk %s", "full")
	for _, e := range []string{"msg=cut server=store connection.id=1", `msg="disk full" server=broker`} {
		if !strings.Contains(said.String(), e) {
			t.Errorf("not passed on: %s", e)
		}
	}
	if strings.Contains(said.String(), "warning") {
		t.Errorf("they said:\n%s", said)
	}
}
