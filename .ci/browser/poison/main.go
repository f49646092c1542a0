// Command poison writes a record to the log that becomes a dead letter: poison BROKER
// KEY VALUE. With a word more the record does not lie in its key's partition, although
// it was moved before, so that a value that can be read becomes a letter, too: one that
// can be redriven.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"simplecqrs/codecs"
	"simplecqrs/stream"
)

func main() {
	record := &kgo.Record{Topic: codecs.StoreOrder, Key: []byte(os.Args[2]), Value: []byte(os.Args[3])}
	options := []kgo.Opt{kgo.SeedBrokers(os.Args[1])}
	if len(os.Args) > 4 {
		options = append(options, kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(beside)))
		record.Headers = []kgo.RecordHeader{{Key: codecs.HeaderMoved, Value: []byte("elsewhere")}}
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		log.Fatal(err)
	}
}

// beside is the partition after a key's own.
func beside(string) func(*kgo.Record, int) int {
	return func(r *kgo.Record, n int) int { return (int(stream.Partition(string(r.Key), n)) + 1) % n }
}
