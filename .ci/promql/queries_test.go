package promql

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

// plan has a step that is done by a service, which fails at first: so there are lanes,
// a retry, and a timer that fires.
const plan = `
version: 2
steps:
  - {name: ORDER, participant: echo}
  - {name: PAYMENT, participant: {http: {url: "%s"}}, compensation: none, retry: {attempts: 3, first: 50ms, factor: 1, cap: 50ms}}
  - {name: MAIL, participant: echo}
`

// scrape is what a process tells at one time.
type scrape map[string]*dto.MetricFamily

// scrapes gives what a process with all roles tells before and after orders.
func scrapes(t *testing.T) (before, after scrape) {
	t.Helper()
	var asked atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"paid":true}`)
	}))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	program, planFile := filepath.Join(dir, "dev"), filepath.Join(dir, "plan.yaml")
	check(t, os.WriteFile(planFile, fmt.Appendf(nil, plan, service.URL), 0o600))
	build := exec.Command("go", "build", "-o", program, "./cmd/dev")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	dev := exec.CommandContext(ctx, program, "-listen", "127.0.0.1:0", "-plan", planFile)
	dev.Cancel = func() error { return dev.Process.Signal(os.Interrupt) }
	out, err := dev.StdoutPipe()
	check(t, err)
	dev.Stderr = t.Output()
	check(t, dev.Start())
	t.Cleanup(func() {
		stop()
		_ = dev.Wait() // it was interrupted
	})
	address := regexp.MustCompile(`(http://\S+)/command`)
	base := ""
	lines := bufio.NewScanner(out)
	for base == "" && lines.Scan() {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			base = found[1]
		}
	}
	if base == "" {
		t.Fatal("it ended before it served")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	place := func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/command", nil)
		check(t, err)
		r.Header.Set("Prefer", "wait=60")
		answer, err := http.DefaultClient.Do(r)
		check(t, err)
		check(t, answer.Body.Close())
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("an order was answered with %s", answer.Status)
		}
	}
	place()
	before = scraped(t, base)
	for range 5 {
		place()
	}
	return before, scraped(t, base)
}

func scraped(t *testing.T, base string) scrape {
	t.Helper()
	answer, err := http.Get(base + "/metrics")
	check(t, err)
	defer func() { check(t, answer.Body.Close()) }()
	text := expfmt.NewTextParser(model.UTF8Validation)
	families, err := text.TextToMetricFamilies(answer.Body)
	check(t, err)
	return families
}

// store has the series of scrapes as Prometheus would keep them.
type store map[string]*series

type series struct {
	labels labels.Labels
	times  []int64
	values []float64
}

// stored is the series in Prometheus' own form.
func (s *series) stored() storage.Series {
	chunk := chunkenc.NewXORChunk()
	into, err := chunk.Appender()
	if err != nil {
		panic(err) // the chunk is new
	}
	for i, at := range s.times {
		into.Append(0, at, s.values[i])
	}
	return &storage.SeriesEntry{Lset: s.labels, SampleIteratorFn: chunk.Iterator}
}

func (s store) add(at int64, name string, of []*dto.LabelPair, value float64, more ...string) {
	b := labels.NewBuilder(labels.FromStrings(append(more, labels.MetricName, name, "job", "simplecqrs", "instance", "edge:8080")...))
	for _, l := range of {
		b.Set(l.GetName(), l.GetValue())
	}
	all := b.Labels()
	one := s[all.String()]
	if one == nil {
		one = &series{labels: all}
		s[all.String()] = one
	}
	one.times, one.values = append(one.times, at), append(one.values, value)
}

func (s store) scrape(at time.Time, families scrape) {
	ms := at.UnixMilli()
	s.add(ms, "up", nil, 1)
	for name, f := range families {
		for _, m := range f.GetMetric() {
			switch {
			case m.Counter != nil:
				s.add(ms, name, m.Label, m.Counter.GetValue())
			case m.Gauge != nil:
				s.add(ms, name, m.Label, m.Gauge.GetValue())
			case m.Histogram != nil:
				s.add(ms, name+"_sum", m.Label, m.Histogram.GetSampleSum())
				s.add(ms, name+"_count", m.Label, float64(m.Histogram.GetSampleCount()))
				for _, b := range m.Histogram.GetBucket() {
					le := fmt.Sprint(b.GetUpperBound())
					s.add(ms, name+"_bucket", m.Label, float64(b.GetCumulativeCount()), "le", le)
				}
			case m.Summary != nil:
				s.add(ms, name+"_count", m.Label, float64(m.Summary.GetSampleCount()))
			}
		}
	}
}

// Querier implements storage.Queryable.
func (s store) Querier(_, _ int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		var found []storage.Series
		for _, one := range s {
			if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }) {
				found = append(found, one.stored())
			}
		}
		slices.SortFunc(found, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
		return &set{found, -1}
	}}, nil
}

// set is a storage.SeriesSet.
type set struct {
	all []storage.Series
	at  int
}

func (s *set) Next() bool                        { s.at++; return s.at < len(s.all) }
func (s *set) At() storage.Series                { return s.all[s.at] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

var engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})

// ask gives what a query comes to at a time.
func (s store) ask(t *testing.T, query string, at time.Time) promql.Vector {
	t.Helper()
	q, err := engine.NewInstantQuery(t.Context(), s, nil, query, at)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return slices.Clone(vector)
}

// panel is one of a dashboard.
type panel struct {
	Title   string
	Targets []struct{ Expr string }
	Panels  []panel
}

type alert struct{ Alert, Expr string }

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	text, err := os.ReadFile(root + "/deploy/prometheus/alerts.yml")
	check(t, err)
	var file struct {
		Groups []struct{ Rules []alert }
	}
	check(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// times are those of the two scrapes.
var first, second = time.Unix(1_800_000_000, 0), time.Unix(1_800_000_060, 0)

func TestEachQueryOfDashboardAndAlertsFindsWhatAProcessTells(t *testing.T) {
	before, after := scrapes(t)
	told := func() store {
		s := store{}
		s.scrape(first, before)
		s.scrape(second, after)
		return s
	}

	t.Run("dashboard", func(t *testing.T) {
		text, err := os.ReadFile(root + "/deploy/grafana/simplecqrs.json")
		check(t, err)
		var dashboard panel
		check(t, json.Unmarshal(text, &dashboard))
		queries := 0
		for _, p := range dashboard.Panels {
			for _, target := range p.Targets {
				queries++
				query := strings.ReplaceAll(target.Expr, "$__rate_interval", "2m")
				found := told().ask(t, query, second)
				if !slices.ContainsFunc(found, func(s promql.Sample) bool { return !math.IsNaN(s.F) }) {
					t.Errorf("%s: %s finds %v", p.Title, target.Expr, found)
				}
				selectors(t, told(), query)
			}
		}
		if queries < 30 {
			t.Errorf("only %d queries were found in the dashboard", queries)
		}
	})

	t.Run("no alert when all is well", func(t *testing.T) {
		all := alerts(t)
		if len(all) < 10 {
			t.Errorf("only %d alerts were found", len(all))
		}
		for _, a := range all {
			if found := told().ask(t, a.Expr, second); len(found) > 0 {
				t.Errorf("%s: %v", a.Alert, found)
			}
			if a.Alert != "NoProcess" { // it looks for what is not there
				selectors(t, told(), a.Expr)
			}
		}
	})

	// trouble is what each alert is there for, as series that have another value.
	trouble := map[string]map[string]float64{
		"ProcessDown":       {`up`: 0},
		"NoOrderEnds":       {`simplecqrs_orders_accepted_total`: 1000, `simplecqrs_order_outcomes_total`: 0},
		"RoleLags":          {`simplecqrs_consumer_lag_records{role="saga"}`: 5000},
		"RoleIsBuiltAnew":   {`simplecqrs_role_restarts_total{role="sink"}`: 20},
		"OrdersStuck":       {`simplecqrs_order_outcomes_total{outcome="stuck"}`: 1},
		"DeadLetters":       {`simplecqrs_dead_letters_total{role="aggregate"}`: 1},
		"LettersWait":       {`simplecqrs_deadletters_open`: 1},
		"ReadStoreAway":     {`simplecqrs_read_store_up`: 0},
		"ReadStoreRefuses":  {`simplecqrs_sink_write_errors_total`: 10},
		"QueriesAreBehind":  {`simplecqrs_command_stored_seconds_bucket{le="+Inf"}`: 1000},
		"TimersAreLate":     {`simplecqrs_timer_lateness_seconds_bucket{le="+Inf"}`: 1000},
		"RecordsAreRefused": {`simplecqrs_producer_errors_total{topic="store.order"}`: 10},
		"RequestsFail":      {`simplecqrs_http_request_seconds_count{route="/command",code="503"}`: 100},
		"NoProcess":         nil,
	}
	t.Run("an alert in trouble", func(t *testing.T) {
		for _, a := range alerts(t) {
			changes, known := trouble[a.Alert]
			if !known {
				t.Errorf("%s: no test says what it is there for", a.Alert)
				continue
			}
			s := told()
			for name, value := range changes {
				s.change(t, name, value)
			}
			if a.Alert == "NoProcess" {
				s = store{}
			}
			if found := s.ask(t, a.Expr, second); len(found) == 0 {
				t.Errorf("%s is silent with %v", a.Alert, changes)
			}
		}
	})
}

// change gives the series that a selector means another value in the second scrape;
// one that is not there begins with zero.
func (s store) change(t *testing.T, selector string, value float64) {
	t.Helper()
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	check(t, err)
	changed := false
	for _, one := range s {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.labels.Get(m.Name)) }) {
			one.values[len(one.values)-1] = value
			changed = true
		}
	}
	if changed {
		return
	}
	var more []string
	for _, m := range matchers {
		if m.Name != labels.MetricName {
			more = append(more, m.Name, m.Value)
		}
	}
	name := matchers[slices.IndexFunc(matchers, func(m *labels.Matcher) bool { return m.Name == labels.MetricName })].Value
	s.add(first.UnixMilli(), name, nil, 0, more...)
	s.add(second.UnixMilli(), name, nil, value, more...)
}

// selectors holds each that is in a query to metrics and labels that there are. A value
// that stands alone must be there, too; one of several, such as a status, need not.
func selectors(t *testing.T, s store, query string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			there := slices.ContainsFunc(slices.Collect(values(s)), func(one *series) bool {
				return !slices.ContainsFunc(n.LabelMatchers, func(m *labels.Matcher) bool {
					if m.Type == labels.MatchRegexp {
						return !one.labels.Has(m.Name)
					}
					return !m.Matches(one.labels.Get(m.Name))
				})
			})
			if !there {
				t.Errorf("%s: nothing is %s", query, n)
			}
		case *parser.AggregateExpr:
			for _, name := range n.Grouping {
				if !slices.ContainsFunc(slices.Collect(values(s)), func(one *series) bool { return one.labels.Has(name) }) {
					t.Errorf("%s: nothing has a label %s", query, name)
				}
			}
		}
		return nil
	})
}

func values(s store) func(func(*series) bool) {
	return func(yield func(*series) bool) {
		for _, one := range s {
			if !yield(one) {
				return
			}
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
