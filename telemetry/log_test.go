package telemetry

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestALineHasTheIDsOfItsContextsTrace(t *testing.T) {
	var said strings.Builder
	log := Logger(slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})))
	ctx := From(t.Context(), map[string][]byte{Traceparent: []byte(clients)})
	log.With(slog.String("role", "saga")).InfoContext(ctx, "within", slog.String("order", "ORD-B384F"))
	log.InfoContext(context.WithoutCancel(t.Context()), "without")
	log.DebugContext(ctx, "not at this level")
	var got []map[string]string
	for line := range strings.Lines(said.String()) {
		m := map[string]string{}
		check(t, json.Unmarshal([]byte(line), &m))
		got = append(got, m)
	}
	if diff := cmp.Diff([]map[string]string{
		{
			"msg": "within", "role": "saga", "order": "ORD-B384F",
			"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7",
		},
		{"msg": "without"},
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
