package views

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestThatTheStoreIsAwayIsSaidOnceAndThatItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer stop()
		var said strings.Builder
		reg, away := prometheus.NewRegistry(), false
		run := Watch(func(context.Context) error {
			if away {
				return errors.New("nobody answers")
			}
			return nil
		}, reg, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn})))
		up := func() float64 {
			found, err := reg.Gather()
			check(t, err)
			return found[0].GetMetric()[0].GetGauge().GetValue()
		}
		if up() != 0 {
			t.Error("it is up before it was asked")
		}
		go run(ctx)
		for _, step := range []struct {
			away bool
			up   float64
			said []string
		}{
			{false, 1, nil},
			{true, 0, []string{"the read store is away"}},
			{false, 1, []string{"the read store is away", "the read store is back"}},
			{true, 0, []string{"the read store is away", "the read store is back", "the read store is away"}},
		} {
			away = step.away
			<-time.After(10 * watchEvery)
			synctest.Wait()
			lines := strings.Split(strings.TrimSpace(said.String()), "\n")
			if said.Len() == 0 {
				lines = nil
			}
			if len(lines) != len(step.said) {
				t.Fatalf("said %q, want %q", lines, step.said)
			}
			for i, want := range step.said {
				if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "level=WARN") {
					t.Errorf("said %q, want %q", lines[i], want)
				}
			}
			if up() != step.up {
				t.Errorf("up is %v, want %v", up(), step.up)
			}
		}
	})
}
