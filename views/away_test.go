package views

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
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
		var said transcript
		var away atomic.Bool
		reg := prometheus.NewRegistry()
		run := Watch(func(context.Context) error {
			if away.Load() {
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
			away.Store(step.away)
			<-time.After(10 * watchEvery)
			synctest.Wait()
			lines := said.lines()
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

// transcript is what is written, from several goroutines.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) lines() (all []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(t.text.String()) {
		all = append(all, strings.TrimSpace(line))
	}
	return all
}
