package shard_test

import (
	"fmt"
	"log"

	"github.com/ringtail/ringtail/shard"
)

// A producer claims room for a batch, copies its records into it, and publishes it. The consumer
// reads batches in the order of their claims, and frees them once they are in Kafka.
func ExampleRing() {
	ring, err := shard.New(shard.Options{Name: "7", Bytes: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = ring.Release() }()

	records := []string{`{"number":17}`, `{"number":27}`}
	claim, err := ring.Claim(len(records), len(records[0])+len(records[1])) // ErrFull where there is no room
	if err != nil {
		log.Fatal(err)
	}
	for i, r := range records {
		claim.Append([]byte(r), nil, uint32(i))
	}
	end := claim.End()
	claim.Publish()

	batch, ok := ring.Next()
	batch.Records(func(i int, r shard.Record) bool {
		fmt.Printf("%d: %s\n", i, r.Value)
		return true
	})
	fmt.Println(ok, ring.Used() > 0, ring.Acked() >= end)
	ring.Free(batch.End) // the records are in Kafka
	fmt.Println(ring.Used() > 0, ring.Acked() >= end)
	// Output:
	// 0: {"number":17}
	// 1: {"number":27}
	// true true false
	// false true
}
