package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"simplecqrs/order"
)

// watchedWorld is a process that is no edge and shows itself.
func watchedWorld(t *testing.T, m Monitor) *world {
	w := &world{t: t, guard: Guard{Hosts: []string{nameIn(site)}}, registry: prometheus.NewRegistry()}
	h := w.health()
	h.Monitor = m
	w.handler = NewHealth(h)
	w.handler.(*router).Use(described(t))
	return w
}

// seenStats tell of no role.
var seenStats = map[string]any{"time": began, "edge": false, "roles": []any{}}

func TestAProcessOfAnyRoleShowsWhatItIsDoing(t *testing.T) {
	w := watchedWorld(t, Monitor{Stats: func(ctx context.Context) any {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the question has no bound")
		}
		return seenStats
	}})
	w.do(http.MethodGet, "/monitor/stats").want(t, http.StatusOK, `{"edge":false,"roles":[],"time":"2026-01-02T03:04:05Z"}`+"\n")
	w.wantPage("/monitor", "Monitor")
}

func TestAProcessThatHasNothingToShowShowsNothing(t *testing.T) {
	for _, path := range []string{"/monitor", "/monitor/stats", "/monitor/table/saga/k"} {
		watchedWorld(t, Monitor{}).do(http.MethodGet, path).wantProblem(t, http.StatusNotFound, "nothing is served at "+path)
	}
}

// wantPage holds a page to what makes it safe, and to its title.
func (w *world) wantPage(path, title string) {
	w.t.Helper()
	got := w.do(http.MethodGet, path)
	if got.StatusCode != http.StatusOK || !strings.Contains(got.body, "<title>"+title) {
		w.t.Errorf("%s: %s %s", path, got.Status, got.body)
	}
	got.wantHeaders(w.t, "Content-Type", "text/html; charset=utf-8", "Content-Security-Policy", policy)
	for _, inline := range []string{"<style", " style=", "onclick", "<script>", "://"} {
		if strings.Contains(got.body, inline) {
			w.t.Errorf("%s has %s, which its policy forbids", path, inline)
		}
	}
}

func TestATablesValueIsShown(t *testing.T) {
	here := Entry{Topic: "saga.order", Partition: 3, Here: true, Recovered: true}
	with := func(value string) Entry {
		e := here
		e.Value = []byte(value)
		return e
	}
	for _, c := range []struct {
		name  string
		entry Entry
		body  string
	}{
		{"as JSON, if it is", with(`{"revision": 4}`), `"recovered":true,"value":{"revision":4}}`},
		{"as its bytes, if not", with("\xff\x00"), `"recovered":true,"valueBase64":"/wA="}`},
		{"and is empty", with(""), `"recovered":true,"valueBase64":""}`},
		{"with a hint that it may be old", Entry{Topic: "saga.order", Partition: 3, Here: true, Value: []byte("1")}, `"recovered":false,"value":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.entry = func(role, key string) (Entry, error) {
				if role != "saga" || key != seedID {
					t.Errorf("asked for %s of %s", key, role)
				}
				return c.entry, nil
			}
			w.do(http.MethodGet, "/monitor/table/saga/"+seedID).want(t, http.StatusOK,
				`{"role":"saga","topic":"saga.order","partition":3,"key":"`+seedID+`",`+c.body+"\n")
		})
	}
}

func TestAKeyMayHaveAnyCharacters(t *testing.T) {
	asked := ""
	w := watchedWorld(t, Monitor{
		Stats: func(context.Context) any { return seenStats },
		Entry: func(_, key string) (Entry, error) {
			asked = key
			return Entry{}, errors.New("enough")
		},
	})
	w.do(http.MethodGet, "/monitor/table/saga/a/b c?d")
	if asked != "a/b c?d" {
		t.Errorf("asked for %q", asked)
	}
}

func TestAValueThatIsNotHereIsToldOf(t *testing.T) {
	at := Entry{Topic: "saga.order", Partition: 3}
	here, recovered := at, at
	here.Here = true
	recovered.Here, recovered.Recovered = true, true
	for _, c := range []struct {
		name   string
		entry  Entry
		err    error
		status int
		detail string
	}{
		{
			"another process has its partition", at, nil, http.StatusNotFound,
			"k would be in partition 3 of saga.order, which is not this process's: ask the one that has it; /query/stats/topology tells which",
		},
		{
			"the copy is behind", here, nil, http.StatusServiceUnavailable,
			"partition 3 of saga.order is still catching up, and has no value of k yet",
		},
		{"there is none", recovered, nil, http.StatusNotFound, "partition 3 of saga.order has no value of k"},
		{
			"there is no table",
			Entry{},
			&order.Error{Kind: order.NotFound, Detail: "no table"}, http.StatusNotFound,
			"no table",
		},
		{"the table cannot be read", Entry{}, errors.New("the disk is broken"), http.StatusInternalServerError, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := watchedWorld(t, Monitor{
				Stats: func(context.Context) any { return seenStats },
				Entry: func(string, string) (Entry, error) { return c.entry, c.err },
			})
			w.do(http.MethodGet, "/monitor/table/saga/k").wantProblem(t, c.status, c.detail)
		})
	}
}
