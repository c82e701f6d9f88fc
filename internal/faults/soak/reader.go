package soak

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Reader reads a topic along with its writing and feeds a checker. It must not
// miss an offset: a topic that forgets records before they were read, or one
// whose offsets go back, is an error (Err), not a gap.
type Reader struct {
	topic  string
	client *kgo.Client // for questions

	mu sync.Mutex
	at []int64 // by partition: the next offset
	firstError
}

// Read reads the topic from its beginning, which is offset 0, until the
// context ends. Options are the brokers and, where needed, a login.
func Read(ctx context.Context, options []kgo.Opt, topic string, partitions int, checker *Checker) (*Reader, error) {
	from := make(map[int32]kgo.Offset, partitions)
	for p := range partitions {
		from[int32(p)] = kgo.NewOffset().At(0)
	}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(1 << 20), kgo.FetchMaxBytes(8 << 20), kgo.FetchMaxWait(500 * time.Millisecond),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("soak: %w", err)
	}
	admin, err := kgo.NewClient(options...)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("soak: %w", err)
	}
	r := &Reader{topic: topic, client: admin, at: make([]int64, partitions)}
	go func() {
		defer admin.Close()
		defer client.Close()
		r.run(ctx, client, checker)
	}()
	return r, nil
}

func (r *Reader) run(ctx context.Context, client *kgo.Client, checker *Checker) {
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		if err := fetches.Err(); err != nil {
			r.fail(fmt.Errorf("soak: reading %s: %w", r.topic, err))
			return
		}
		fetches.EachRecord(func(record *kgo.Record) { r.take(record, checker) })
		if r.Err() != nil {
			return
		}
	}
}

func (r *Reader) take(record *kgo.Record, checker *Checker) {
	p := record.Partition
	r.mu.Lock()
	want := r.at[p]
	r.mu.Unlock()
	if record.Offset != want {
		r.fail(fmt.Errorf("soak: reading %s: partition %d goes on at offset %d, not %d", r.topic, p, record.Offset, want))
		return
	}
	checker.Add(int(p), record.Value)
	// Only now: whoever sees that it has been passed may ask the checker for it.
	r.mu.Lock()
	r.at[p]++
	r.mu.Unlock()
}

// Behind is how many records lie between the reader and these ends.
func (r *Reader) Behind(ends map[int32]int64) (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, end := range ends {
		n += max(0, end-r.at[p])
	}
	return n
}
