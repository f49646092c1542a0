package node

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/order"
	"simplecqrs/saga"
	"simplecqrs/stream"
	"simplecqrs/views"
)

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func TestAnOrderGoesThroughInOneProcess(t *testing.T) {
	for _, query := range []string{QueryMongo, QueryLocal} {
		t.Run(query, func(t *testing.T) {
			w := newWorld(t)
			n := w.start(func(c *Config) { c.Query = query }).ready()
			id := n.place()
			w.wantHappy(query, id, n.ended(id))

			want := strings.ReplaceAll(`{"id":"ID","type":"MAIL_COMPLETED","detail":{"body":"ID_ORDER_COMPLETED"},`+
				`"payment":{"body":"ID_PAYMENT_COMPLETED"},"mail":{"body":"ID_MAIL_COMPLETED"},`+
				`"events":["ORDER_REQUESTED","ORDER_COMPLETED","PAYMENT_REQUESTED","PAYMENT_COMPLETED","MAIL_REQUESTED","MAIL_COMPLETED"]}`+"\n", "ID", id)
			if status, body := n.get("/query/" + id); status != http.StatusOK || body != want {
				t.Errorf("GET /query: %d %s, want %s", status, body, want)
			}
			if status, body := n.get("/query/ORD-B384F"); status != http.StatusNotFound || !strings.Contains(body, `"error":"no order found for ORD-B384F"`) {
				t.Errorf("GET /query of an unknown order: %d %s", status, body)
			}
			var types []order.Type
			for _, r := range w.records(codecs.StoreOrder) {
				types = append(types, order.Type(header(r, "ce_type")))
				if r.Partition != stream.Partition(id, partitions) || string(r.Key) != id {
					t.Errorf("%s lies in partition %d under key %s", types[len(types)-1], r.Partition, r.Key)
				}
			}
			if diff := cmp.Diff(happy, types); diff != "" {
				t.Errorf("store.order differs (-want +got):\n%s", diff)
			}
			if letters := w.letters(); len(letters) > 0 {
				t.Errorf("dead letters: %+v", letters)
			}
		})
	}
}

func TestAClientMayWaitForTheEnd(t *testing.T) {
	w := newWorld(t)
	n := w.start(func(c *Config) { c.Query = QueryLocal }).ready()
	r, err := http.NewRequest(http.MethodPost, n.url("/command"), strings.NewReader(`{"payment": {"amount": 12.50}}`))
	check(t, err)
	r.Header.Set("Prefer", "wait=60")
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	body, err := io.ReadAll(answer.Body)
	check(t, err)
	check(t, answer.Body.Close())
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `"type":"MAIL_COMPLETED"`) {
		t.Fatalf("%s %s", answer.Status, body)
	}
	for _, r := range w.records(codecs.StoreOrder) {
		carries := strings.Contains(string(r.Value), `"inputs":{"payment":{"amount":12.50}}`)
		want := slices.Contains([]string{"ORDER_REQUESTED", "PAYMENT_REQUESTED"}, header(r, "ce_type"))
		if carries != want {
			t.Errorf("%s carries the payment's input: %t, want %t", header(r, "ce_type"), carries, want)
		}
	}
}

func TestEachRoleRunsInAProcessOfItsOwn(t *testing.T) {
	w := newWorld(t)
	nodes := map[string]*running{}
	for _, role := range AllRoles(saga.Default()) {
		nodes[role] = w.start(func(c *Config) { c.Roles = []string{role} })
	}
	for _, n := range nodes {
		n.ready()
	}
	edge := nodes[RoleEdge]
	for range 20 {
		id := edge.place()
		w.wantHappy("read store", id, edge.ended(id))
	}
	if status, body := nodes["payment"].get("/readyz"); status != http.StatusOK || !strings.Contains(body, `"name":"payment"`) {
		t.Errorf("a worker's /readyz: %d %s", status, body)
	}
	if status, _ := nodes["payment"].get("/query/ORD-B384F"); status != http.StatusNotFound {
		t.Errorf("a worker answers queries: %d", status)
	}
}

func TestBothReadSidesAnswerTheSame(t *testing.T) {
	w := newWorld(t)
	mongo := w.start()
	local := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal })
	mongo.ready()
	local.ready()
	for range 10 {
		id := mongo.place()
		mongo.ended(id)
		local.ended(id)
		for _, path := range []string{"/query/" + id, "/query/" + id + "/history"} {
			_, a := mongo.get(path)
			_, b := local.get(path)
			if a != b {
				t.Errorf("%s\nread store:  %s\nlocal table: %s", path, a, b)
			}
		}
	}
}

func TestTheMetricsTellOfTheOrders(t *testing.T) {
	w := newWorld(t)
	n := w.start().ready()
	const orders = 5
	for range orders {
		n.ended(n.place())
	}
	var body string
	for _, want := range []string{
		fmt.Sprintf("simplecqrs_orders_accepted_total %d", orders),
		fmt.Sprintf(`simplecqrs_events_total{type="MAIL_COMPLETED"} %d`, orders),
		fmt.Sprintf(`simplecqrs_order_seconds_count{view="store"} %d`, orders),
		`simplecqrs_consumer_lag_records{partition="0",role="saga",topic="store.order"} 0`,
		`simplecqrs_dead_letters_total{role="saga"} 0`,
		`simplecqrs_sink_pending_orders 0`,
		`simplecqrs_deadletters_open 0`,
		fmt.Sprintf("simplecqrs_command_folded_seconds_count %d", orders),
		fmt.Sprintf(`simplecqrs_command_stored_seconds_count{view="store"} %d`, orders),
		fmt.Sprintf(`simplecqrs_order_outcomes_total{outcome="completed"} %d`, orders),
		fmt.Sprintf(`simplecqrs_step_seconds_count{outcome="completed",step="PAYMENT"} %d`, orders),
		`simplecqrs_producer_errors_total{topic="store.order"} 0`,
		`simplecqrs_sink_write_errors_total 0`,
		`simplecqrs_read_store_up 1`,
		`simplecqrs_http_request_seconds_count{code="202",method="post",route="/command"} 5`,
	} {
		w.await(want, func() bool {
			_, body = n.get("/metrics")
			return strings.Contains(body, want+"\n")
		})
	}
}

func TestALocalTableTellsHowFarItIsBehind(t *testing.T) {
	w := newWorld(t)
	w.start(func(c *Config) {
		c.Roles = slices.DeleteFunc(c.Roles, func(r string) bool { return r == RoleEdge || r == views.RoleSink })
	}).ready()
	n := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal }).ready()
	n.ended(n.place())
	for _, want := range []string{`simplecqrs_order_seconds_count{view="table"} 1`, `simplecqrs_command_stored_seconds_count{view="table"} 1`} {
		w.await(want, func() bool {
			_, body := n.get("/metrics")
			return strings.Contains(body, want+"\n")
		})
	}
	later := w.start(func(c *Config) { c.Roles, c.Query = []string{RoleEdge}, QueryLocal }).ready()
	if _, body := later.get("/metrics"); !strings.Contains(body, `simplecqrs_order_seconds_count{view="table"} 0`+"\n") {
		t.Errorf("an order that ended before the process began is counted:\n%s", body)
	}
}

func TestANodeEndsWithItsHTTPServer(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	n, err := Start(t.Context(), Config{Brokers: w.brokers, Mongo: w.mongo, Listener: l})
	check(t, err)
	check(t, n.WaitReady(w.context()))
	check(t, l.Close())
	if err := n.Wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
}

func TestAnEdgeAloneIsReadyWhileItHasItsBrokers(t *testing.T) {
	w := newWorld(t)
	n := w.start(func(c *Config) { c.Roles = []string{RoleEdge} }).ready()
	if status, body := n.get("/readyz"); status != http.StatusOK || !strings.Contains(body, `"name":"edge"`) {
		t.Errorf("with brokers and store: %d %s", status, body)
	}
	if w.store != nil {
		check(t, w.store.Close())
		w.await("the store to be missed", func() bool {
			status, body := n.get("/readyz")
			return status == http.StatusOK && strings.Contains(body, "the read store is away")
		})
	}
	if w.broker != nil {
		w.broker.Close()
		w.await("the brokers to be missed", func() bool { status, _ := n.get("/readyz"); return status == http.StatusServiceUnavailable })
	}
}

func TestAStepThatWouldTakeAnotherRolesNameIsRefused(t *testing.T) {
	for _, step := range []order.Step{"SAGA", "VIEW", "SINK", "EDGE", "TABLE", "AGGREGATE"} {
		d := saga.Default()
		d.Steps = append(d.Steps, saga.Step{Name: step, Timeout: time.Minute, Retry: saga.Retry{Attempts: 1}})
		_, err := Start(t.Context(), Config{Definition: d})
		if err == nil || !strings.Contains(err.Error(), "another's name") {
			t.Errorf("%s: %v", step, err)
		}
	}
}
