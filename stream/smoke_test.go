package stream

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestSmoke(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	c, err := Open(Config{Brokers: k.ListenAddrs(), Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	topic := func(n, cl string) Topic {
		return Topic{Name: n, Partitions: 4, Replication: 1, Config: map[string]string{"cleanup.policy": cl}}
	}
	if err := c.CreateTopics(ctx, []Topic{topic("in", "delete"), topic("smoke-table", "compact")}); err != nil {
		t.Fatal(err)
	}
	fmt.Println(c.CheckTopics(ctx, []Topic{{Name: "in", Partitions: 5, Config: map[string]string{"retention.ms": "-1"}}, {Name: "no"}}))
	var mu sync.Mutex
	seen := map[string]int{}
	all := make(chan struct{})
	run := c.Prepare(Processor{Role: "smoke", Graph: goka.DefineGroup("smoke", goka.Input("in", new(codec.String), func(ctx goka.Context, msg any) {
		n, _ := ctx.Value().(string)
		ctx.SetValue(n + msg.(string))
		mu.Lock()
		defer mu.Unlock()
		seen[ctx.Key()]++
		if len(seen) == 100 {
			close(all)
		}
	}), goka.Persist(new(codec.String)))})
	var wg sync.WaitGroup
	rctx, stop := context.WithCancel(ctx)
	wg.Go(func() { run(rctx) })
	if err := c.WaitRunning(ctx); err != nil {
		t.Fatal(err)
	}
	e, err := c.Emitter("in", new(codec.String))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := e.EmitSync(fmt.Sprint("k", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-all:
	case <-ctx.Done():
		t.Fatal("timeout")
	}
	start := time.Now()
	stop()
	wg.Wait()
	fmt.Println("stop took", time.Since(start), c.Status())
	e.Finish()
	c.Close()
}
