// Command poison writes a record to the log that nobody can read, so that there is a
// dead letter: poison BROKER KEY VALUE.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	record := &kgo.Record{Topic: "store.order", Key: []byte(os.Args[2]), Value: []byte(os.Args[3])}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		log.Fatal(err)
	}
}
