package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheLogIsAsTheFlagsSayAndItsLevelCanBeSet(t *testing.T) {
	broker := startBroker(t, 2)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	log, ended := newTranscript(), make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{
			"serve", "-listen", "127.0.0.1:0", "-roles", "payment", "-brokers", broker, "-log-format", "json", "-log-level", "debug",
		}, output{answer: t.Output(), log: log})
	}()
	t.Cleanup(func() { stop(); <-ended })
	url := "http://" + log.said(t, `"msg":"serving".*"listen":"([^"]+)"`) + "/monitor/log"
	log.said(t, `{"time":"[^"]+","level":"DEBUG",`) // what goka does
	if status, body := get(t, url); status != http.StatusOK || body != `{"level":"DEBUG"}`+"\n" {
		t.Errorf("the level is answered with %d %s", status, body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(`{"level":"ERROR"}`))
	check(t, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	var now struct{ Level string }
	check(t, json.NewDecoder(answer.Body).Decode(&now))
	check(t, answer.Body.Close())
	if now.Level != "ERROR" {
		t.Errorf("it is set to %q", now.Level)
	}
	log.said(t, `"msg":"the log level was changed","from":"DEBUG","to":"ERROR"`)
}

func TestAMistakeInHowToLogIsTold(t *testing.T) {
	for flag, want := range map[string]string{
		"-log-format": `flag -log-format: "loud" is unknown; known are text, json`,
		"-log-level":  `flag -log-level: "loud" is no level: want debug, info, warn or error`,
	} {
		if code, _, log := simplecqrs(t, "serve", flag, "loud"); code != exitUsage || !strings.Contains(log, want) {
			t.Errorf("%s loud: exit code %d, %s", flag, code, log)
		}
	}
}

func TestSpansGoToWhereTheEnvironmentSays(t *testing.T) {
	sent := make(chan string, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			sent <- r.URL.Path
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	s := startServe(t, "-roles", "edge", "-query", "local", "-brokers", startBroker(t, 2))
	s.log.said(t, "msg=ready")
	if status, _ := get(t, s.url+"/query/ORD-B384F"); status != http.StatusNotFound {
		t.Errorf("an order that is not there: %d", status)
	}
	if code := s.stop(); code != 0 { // the last are sent at the end
		t.Errorf("exit code %d", code)
	}
	select {
	case path := <-sent:
		if path != "/v1/traces" {
			t.Errorf("spans were sent to %s", path)
		}
	default:
		t.Error("no span was sent")
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	if code, _, log := simplecqrs(t, "serve"); code != exitFailed || !strings.Contains(log, `OTEL_TRACES_EXPORTER is "zipkin"`) {
		t.Errorf("an exporter that we have not: exit code %d, %s", code, log)
	}
}
