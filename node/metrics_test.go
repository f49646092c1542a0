package node

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/order"
	"simplecqrs/processors"
	"simplecqrs/saga"
)

// rowOf is a row of the table in docs/metrics.md.
var rowOf = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| ([\\w ]+) \\|([^|]*)\\| ([^|]+) \\| ([^|]+) \\|$")

// clerk is a participant that may take its time, so that its worker has lanes.
type clerk struct{}

func (clerk) Do(context.Context, processors.Request) (order.JSON, error) {
	return order.JSON(`{"done":true}`), nil
}
func (clerk) Undo(context.Context, processors.Request) error { return nil }

func clerks(c *Config) {
	c.Participants = map[order.Step]processors.Participant{}
	for _, s := range saga.Default().Names() {
		c.Participants[s] = clerk{}
	}
}

func TestTheTableOfMetricsIsWhatAProcessTells(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	check(t, err)
	type metric struct {
		Type   string
		Labels []string
	}
	documented := map[string]metric{}
	for _, row := range rowOf.FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = metric{row[2], slices.Sorted(slices.Values(strings.Fields(strings.ReplaceAll(row[4], "`", ""))))}
	}
	if rows := strings.Count(string(text), "\n| `"); rows != len(documented) {
		t.Errorf("%d of the table's %d rows can be read, or are there twice", len(documented), rows)
	}

	w := newWorld(t)
	registry := prometheus.NewRegistry()
	n := w.start(clerks, func(c *Config) { c.Registry, c.Query = registry, QueryLocal }).ready()
	n.ended(n.place())
	told := map[string]metric{}
	w.await("requests and the lag to be told of", func() bool { // a moment after an order
		families, err := registry.Gather()
		check(t, err)
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "simplecqrs_") {
				continue
			}
			m := metric{Type: strings.ToLower(f.GetType().String())}
			for _, l := range f.GetMetric()[0].GetLabel() {
				m.Labels = append(m.Labels, l.GetName())
			}
			told[f.GetName()] = m
		}
		return told["simplecqrs_http_request_seconds"].Type != "" && told["simplecqrs_consumer_lag_records"].Type != ""
	})
	if diff := cmp.Diff(documented, told); diff != "" {
		t.Errorf("what is told differs from docs/metrics.md (-documented +told):\n%s", diff)
	}
}
