package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/embedded"
)

// served is a run of serve in this process.
type served struct {
	log  *transcript
	url  string
	stop func() (code int)
}

func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &served{log: newTranscript()}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"serve", "-listen", "127.0.0.1:0"}, args...), output{answer: t.Output(), log: s.log})
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() { s.stop() })
	s.url = "http://" + s.log.said(t, `msg=serving .*listen=(\S+)`)
	return s
}

func TestAProcessPlaysTheRolesItIsGivenAndNoOther(t *testing.T) {
	broker := startBroker(t, 2)
	s := startServe(t, "-roles", "payment, saga", "-brokers", broker, "-mongo", "mongodb://127.0.0.1:1")
	s.log.said(t, "msg=ready")
	status, body := get(t, s.url+"/readyz")
	var health struct {
		Components []struct{ Name string }
	}
	check(t, json.Unmarshal([]byte(body), &health))
	var names []string
	for _, c := range health.Components {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"payment", "saga"}, names); diff != "" || status != http.StatusOK {
		t.Errorf("readyz answers %d, components (-want +got):\n%s", status, diff)
	}
	if status, _ := get(t, s.url+"/query/ORD-B384F"); status != http.StatusNotFound {
		t.Errorf("answers queries without being the edge: %d", status)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.log.said(t, "msg=stopped")
}

func TestServeRefusesTopicsThatAreNotAsTheyMustBe(t *testing.T) {
	for _, c := range []struct {
		name   string
		broker func() string
		want   []string
	}{
		{"missing", func() string { return startBroker(t, 0) }, []string{
			"topic store.order: the topic is missing, wanted present", "run: simplecqrs topics create -brokers 127.0.0.1:",
		}},
		{"different", func() string {
			broker := startBroker(t, 2)
			_, err := admin(t, broker).DeleteTopics(t.Context(), "view.order")
			check(t, err)
			_, err = admin(t, broker).CreateTopic(t.Context(), 3, 1, nil, "view.order")
			check(t, err)
			return broker
		}, []string{
			"topic view.order: partitions is 3, wanted 2", "cleanup.policy is delete, wanted compact",
			"run: simplecqrs topics check -brokers 127.0.0.1:",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, answer, log := simplecqrs(t, "serve", "-listen", "127.0.0.1:0", "-brokers", c.broker())
			if code != 1 || answer != "" {
				t.Errorf("exit code %d, answer %q", code, answer)
			}
			for _, want := range c.want {
				if !strings.Contains(log, want) {
					t.Errorf("log %s, want %s", log, want)
				}
			}
		})
	}
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { check(t, l.Close()) }()
	code, answer, log := simplecqrs(t, "serve", "-listen", l.Addr().String(), "-brokers", "127.0.0.1:1")
	if code != 1 || answer != "" || !strings.Contains(log, l.Addr().String()) || !strings.Contains(log, "-listen") {
		t.Errorf("exit code %d, answer %q, log %s", code, answer, log)
	}
}

func TestAnInterruptBeforeItServesIsNoFailure(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var log strings.Builder
	code := run(ctx, []string{"serve", "-listen", "127.0.0.1:0", "-brokers", startBroker(t, 2)}, output{answer: t.Output(), log: &log})
	if code != 0 || !strings.Contains(log.String(), "interrupted before it served") {
		t.Errorf("exit code %d, log %s", code, log.String())
	}
}

// process is a run of serve in a process of its own.
type process struct {
	*exec.Cmd
	log *transcript
	url string
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	p := &process{exec.Command(exe, append([]string{"serve", "-listen", "127.0.0.1:0"}, args...)...), newTranscript(), ""}
	p.Env = append(os.Environ(), childEnv+"=1")
	p.Stderr = p.log
	check(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() }) // it is gone already if all went well
	p.url = "http://" + p.log.said(t, `msg=serving .*listen=(\S+)`)
	p.log.said(t, "msg=ready")
	return p
}

// Without the drain the orders would still come to their end, but by doing again
// what had been done and not committed.
func TestAnInterruptFinishesAndCommitsWhatWasBegun(t *testing.T) {
	broker := startBroker(t, 2)
	store, err := embedded.StartStore("")
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	args := []string{"-brokers", broker, "-mongo", store.URI(), "-query", "local", "-data", t.TempDir()}
	const orders = 40
	p := startProcess(t, args...)
	var (
		ids  [orders]string
		wait sync.WaitGroup
	)
	for i := range ids {
		wait.Go(func() { ids[i] = place(p.url) })
	}
	wait.Wait()
	awaitEnd(t, p.url, ids[0]) // so the roles are at work; commits come later
	check(t, p.Process.Signal(syscall.SIGINT))
	if err := p.Wait(); err != nil {
		text, _ := p.log.now()
		t.Fatalf("interrupted, it ended with %v:\n%s", err, text)
	}
	if text, _ := p.log.now(); !strings.Contains(text, "msg=stopped") || strings.Contains(text, "level=ERROR") {
		t.Errorf("log: %s", text)
	}
	s := startServe(t, args...)
	s.log.said(t, "msg=ready")
	for _, id := range ids {
		if id == "" {
			t.Fatal("an order was refused before the interrupt")
		}
		awaitEnd(t, s.url, id)
	}
	copies := map[string]int{}
	for _, id := range logged(t, broker, orders*6) {
		copies[id]++
	}
	for id, n := range copies {
		if n > 1 {
			t.Errorf("%s was done %d times", id, n)
		}
	}
	if len(copies) != orders*6 {
		t.Errorf("%d events, want %d", len(copies), orders*6)
	}
}

// place gives the id of an order that was accepted; empty if it was not.
func place(url string) string {
	answer, err := http.Post(url+"/command", "", nil)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }() // it was read to its end
	var accepted struct{ ID string }
	if answer.StatusCode != http.StatusAccepted || json.NewDecoder(answer.Body).Decode(&accepted) != nil {
		return ""
	}
	return accepted.ID
}

func awaitEnd(t *testing.T, url, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for body := ""; !strings.Contains(body, `"type":"MAIL_COMPLETED"`); _, body = get(t, url+"/query/"+id) {
		if ctx.Err() != nil {
			t.Fatalf("%s does not end: %s", id, body)
		}
	}
}

// logged gives the ids of the first events of the log, each partition in its order.
func logged(t *testing.T, broker string, atLeast int) (ids []string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("store.order"))
	check(t, err)
	defer client.Close()
	ends, err := admin(t, broker).ListEndOffsets(t.Context(), "store.order")
	check(t, err)
	n := 0
	for p := range int32(2) {
		end, found := ends.Lookup("store.order", p)
		if !found {
			t.Fatalf("no partition %d", p)
		}
		n += int(end.Offset)
	}
	if n < atLeast {
		t.Fatalf("the log has %d events, want %d", n, atLeast)
	}
	for len(ids) < n {
		fetches := client.PollFetches(t.Context())
		check(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				if h.Key == "ce_id" {
					ids = append(ids, string(h.Value))
				}
			}
		})
	}
	return ids
}

func TestDataThatCannotBeUsedIsNamed(t *testing.T) {
	broker := startBroker(t, 2)
	code, _, log := simplecqrs(t, "serve", "-listen", "127.0.0.1:0", "-brokers", broker, "-data", fmt.Sprint(os.Args[0], "/no directory"))
	if code != 1 || !strings.Contains(log, "/no directory") {
		t.Errorf("exit code %d, log %s", code, log)
	}
}
