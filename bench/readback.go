package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Readback reads a topic with franz-go, which shares no code with the server's
// librdkafka.
type Readback struct {
	// Client options: brokers, security.
	Options []kgo.Opt
	Topic   string
	// From are the offsets to begin at, by partition, as Marks returned them;
	// nil: the beginning.
	From map[int32]int64
	// Diagnose returns what is in the way to Kafka, nil if nothing is; nil: nobody finds out.
	Diagnose func(context.Context) error
	// Patience is how long the topic may stand still before what is missing
	// counts as missing; default 30 s.
	Patience time.Duration
}

// Marks returns the topic's end offsets: where records sent from now on begin. It fails
// soon where no broker answers.
func (r *Readback) Marks(ctx context.Context) (map[int32]int64, error) {
	client, err := kgo.NewClient(r.Options...)
	if err != nil {
		return nil, fmt.Errorf("--brokers: %w", err)
	}
	defer client.Close()
	answer, cancel := context.WithTimeout(ctx, unreachable)
	defer cancel()
	if err := client.Ping(answer); err != nil {
		return nil, fmt.Errorf("--brokers: none of them answers: %w", err)
	}
	return ends(ctx, client, r.Topic, r.Diagnose)
}

// unreachable is how long Marks tries to reach a broker.
const unreachable = 10 * time.Second

func unreached(cause error) error { return fmt.Errorf("--brokers: not reached: %w", cause) }

// leaderless is how long a partition may be without a leader while its end is
// asked for: brokers come and go under a load that is worth checking.
const leaderless = time.Minute

// ends returns a topic's end offsets. Where that takes long, diagnose, if it is not nil, finds out
// why.
func ends(ctx context.Context, client *kgo.Client, topic string, diagnose func(context.Context) error) (map[int32]int64, error) {
	var listed kadm.ListedOffsets
	for begun := time.Now(); ; {
		try, cancel := context.WithTimeout(ctx, unreachable)
		var err error
		if listed, err = kadm.NewClient(client).ListEndOffsets(try, topic); err == nil {
			err = listed.Error()
		}
		cancel()
		if err == nil {
			break
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("%w %s: %w", ErrTopic, topic, err)
		}
		if diagnose != nil && ctx.Err() == nil && time.Since(begun) >= unreachable {
			if cause := diagnose(ctx); cause != nil {
				return nil, unreached(cause)
			}
		}
		if ctx.Err() != nil || time.Since(begun) > leaderless {
			return nil, fmt.Errorf("--topic %s: %w", topic, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	offsets := make(map[int32]int64)
	listed.Each(func(o kadm.ListedOffset) { offsets[o.Partition] = o.Offset })
	return offsets, nil
}

// Check reads until everything sent is there, and then to the ends of all
// partitions, where a duplicate would be; or until nothing more comes for
// Patience.
func (r *Readback) Check(ctx context.Context, c *Checker, sent []Outcome) (Verdict, error) {
	patience := cmp.Or(r.Patience, 30*time.Second)
	at := map[int32]int64{} // next offset to read
	maps.Copy(at, r.From)
	moved := time.Now()
	for {
		before := c.Found()
		if err := r.Each(ctx, at, func(record *kgo.Record) { c.Add(int(record.Partition), record.Value) }); err != nil {
			return Verdict{}, err
		}
		if c.Found() > before {
			moved = time.Now()
		}
		if v := c.Verdict(sent); v.Missing == 0 || time.Since(moved) > patience {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return Verdict{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Each calls f with every record from the offsets `at` up to the topic's
// present ends, each partition's in order, and moves `at` there.
func (r *Readback) Each(ctx context.Context, at map[int32]int64, f func(*kgo.Record)) error {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.FetchMaxPartitionBytes(4 << 20), kgo.FetchMaxWait(100 * time.Millisecond)}, r.Options...)...)
	if err != nil {
		return fmt.Errorf("--brokers: %w", err)
	}
	defer client.Close()
	until, err := ends(ctx, client, r.Topic, nil)
	if err != nil {
		return err
	}
	offsets := make(map[int32]kgo.Offset)
	left := 0
	for partition, end := range until {
		if at[partition] < end {
			offsets[partition] = kgo.NewOffset().At(at[partition])
			left++
		}
	}
	if left == 0 {
		return nil
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: offsets})
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading %s back: %w", r.Topic, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			p := record.Partition
			if record.Offset < at[p] || record.Offset >= until[p] {
				return
			}
			f(record)
			if at[p] = record.Offset + 1; at[p] == until[p] {
				left--
			}
		})
	}
	return nil
}
