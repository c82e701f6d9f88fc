package producer

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/native"
	"github.com/ringtail/ringtail/shard"
)

const shards = 10

// rig is a Writer on rings of its own, without server or sockets.
type rig struct {
	t       *testing.T
	set     shard.Set
	w       *Writer
	next    [shards]int // next record of each shard
	refused atomic.Int64
	size    int
}

// writers are those that this build has.
func writers() []string {
	if HasLibrdkafka {
		return []string{WriterNative, WriterLibrdkafka}
	}
	return []string{WriterNative}
}

// eachWriter runs a test with all of them.
func eachWriter(t *testing.T, f func(t *testing.T, writes func(*Options))) {
	for _, w := range writers() {
		t.Run(w, func(t *testing.T) { f(t, func(o *Options) { o.Writer = w }) })
	}
}

func newRig(t *testing.T, brokers, topic, dead string, ringBytes int, change ...func(*Options)) *rig {
	r := &rig{t: t, size: 220}
	for i := range shards {
		ring, err := shard.New(shard.Options{Name: fmt.Sprint(i), Bytes: ringBytes})
		if err != nil {
			t.Fatal(err)
		}
		r.set.Rings = append(r.set.Rings, ring)
	}
	if dead != "" {
		r.set.Dead, _ = shard.New(shard.Options{Name: "dead-letter", Bytes: ringBytes})
	}
	o := Options{
		Brokers: brokers, Topic: topic, DeadLetterTopic: dead, Producers: 1, MaxRecordBytes: 100_000,
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		OnRefused: func(uint64, uint64) { r.refused.Add(1) },
		Die:       func(err error) { t.Error(err) },
	}
	for _, f := range change {
		f(&o)
	}
	w, err := Open(o, r.set)
	if err != nil {
		t.Fatal(err)
	}
	r.w = w
	if err := w.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.Start()
	return r
}

// push puts n records of size bytes into ring i; each tells its shard and number.
func (r *rig) push(i, n, size int) {
	for n > 0 {
		k := min(n, 50)
		c, err := r.set.Rings[i].Claim(k, k*size)
		if err == shard.ErrFull {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			r.t.Error(err)
			return
		}
		c.SetOrigin(uint64(i)+1, 1)
		for j := range k {
			v := fmt.Appendf(nil, `{"number":%d,"n":%d,"pad":"`, i, r.next[i])
			v = append(v, strings.Repeat("x", size-len(v)-2)...)
			c.Append(append(v, '"', '}'), nil, uint32(j))
			r.next[i]++
		}
		c.Publish()
		n -= k
	}
}

func (r *rig) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	r.w.Drain(ctx)
	if ctx.Err() != nil {
		r.t.Error("drain took over two minutes")
	}
	r.w.Close()
}

// readBack reads a topic to its end with another client and answers the record
// numbers by partition, in order.
func readBack(t *testing.T, c *kafkatest.Cluster, topic string) (numbers map[int32][]int) {
	t.Helper()
	total := c.Ends(topic)
	cl := c.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	numbers = map[int32][]int{}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for got := int64(0); got < total; {
		f := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("read %d of %d records", got, total)
		}
		f.EachRecord(func(rec *kgo.Record) {
			got++
			var digit, n int
			if _, err := fmt.Sscanf(string(rec.Value[:min(len(rec.Value), 60)]), `{"number":%d,"n":%d,`, &digit, &n); err != nil {
				t.Errorf("partition %d: %.60q: %v", rec.Partition, rec.Value, err)
			}
			if int32(digit) != rec.Partition && topic == "records" {
				t.Errorf("digit %d in partition %d", digit, rec.Partition)
			}
			numbers[rec.Partition] = append(numbers[rec.Partition], n)
		})
	}
	return numbers
}

// inOrder checks that numbers are want, each at least once, first copies in order,
// and answers how many were there twice.
func inOrder(t *testing.T, partition int, numbers []int, want func(n int) bool, total int) int {
	t.Helper()
	next, extra := 0, 0
	for _, n := range numbers {
		for next < total && !want(next) {
			next++
		}
		switch {
		case n == next:
			next++
		case n < next:
			extra++
		default:
			t.Errorf("partition %d: record %d comes where %d should", partition, n, next)
			return extra
		}
	}
	for next < total && !want(next) {
		next++
	}
	if next != total {
		t.Errorf("partition %d: %d records, %d missing at the end", partition, next, total-next)
	}
	return extra
}

func all(int) bool { return true }

// TestFatalErrorIsSurvived injects a fatal error three times under full
// load: nothing is missing or out of order, and what is
// there twice was counted.
func TestFatalErrorIsSurvived(t *testing.T) { eachWriter(t, fatalErrorIsSurvived) }

func fatalErrorIsSurvived(t *testing.T, writes func(*Options)) {
	c := kafkatest.Start(t, kafkatest.Options{})
	c.CreateTopic("records", shards, 1, nil)
	r := newRig(t, c.Bootstrap(), "records", "", 4<<20, writes)
	for round := range 4 {
		for range 10 {
			for i := range shards {
				r.push(i, 500, r.size)
			}
		}
		if round < 3 {
			c.Wait("an instance to inject into", func(context.Context) bool { return inject(r.w.engines[0]) })
			c.Wait("rebuild", func(context.Context) bool { return r.w.Stats().Rebuilds == uint64(round)+1 })
		}
	}
	r.drain()
	s := r.w.Stats()
	t.Logf("%+v", s)
	if s.Delivered != shards*20_000 || s.Rebuilds != 3 {
		t.Errorf("delivered %d, rebuilds %d", s.Delivered, s.Rebuilds)
	}
	extra := 0
	for p, numbers := range readBack(t, c, "records") {
		extra += inOrder(t, int(p), numbers, all, 20_000)
	}
	if uint64(extra) > s.PossibleDuplicates {
		t.Errorf("%d records are there twice, %d were counted", extra, s.PossibleDuplicates)
	}
}

// inject raises a fatal error in the engine's instance, if it has one now.
func inject(e *engine) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch c := e.waking.(type) {
	case *native.Client:
		c.InjectFatal(47)
	case interface{ InjectFatal(code int, text string) }: // librdkafka's
		c.InjectFatal(47, "test")
	default:
		return false
	}
	return true
}

// TestLimitFallsUnderLoad lowers the topic's max.message.bytes while records that
// are now too large lie in the rings among small ones: only they are set aside,
// each has its dead letter, and the small ones are all there, in order.
func TestLimitFallsUnderLoad(t *testing.T) { eachWriter(t, limitFallsUnderLoad) }

func limitFallsUnderLoad(t *testing.T, writes func(*Options)) {
	c := kafkatest.Start(t, kafkatest.Options{})
	c.CreateTopic("records", shards, 1, nil)
	c.CreateTopic("dead", 1, 1, nil)
	r := newRig(t, c.Bootstrap(), "records", "dead", 4<<20, writes)
	big := func(n int) bool { return n%1000 == 999 }
	for round := range 8 {
		if round == 2 {
			c.AlterTopic("records", "max.message.bytes", "2000")
		}
		for i := range shards {
			r.push(i, 999, r.size)
			if round >= 2 {
				r.push(i, 1, 5000)
			} else {
				r.push(i, 1, r.size)
			}
		}
	}
	r.drain()
	s := r.w.Stats()
	t.Logf("%+v", s)
	if s.Refused != 6*shards || s.DeadLetters != 6*shards || r.refused.Load() != 6*shards {
		t.Errorf("refused %d, told %d, dead letters %d, want %d each", s.Refused, r.refused.Load(), s.DeadLetters, 6*shards)
	}
	small := func(n int) bool { return n < 2000 || !big(n) }
	for p, numbers := range readBack(t, c, "records") {
		if extra := inOrder(t, int(p), numbers, small, 8000); extra > 0 {
			t.Errorf("partition %d: %d records twice", p, extra)
		}
	}
	if n := len(readBack(t, c, "dead")[0]); n != 6*shards {
		t.Errorf("%d dead letters in kafka, want %d", n, 6*shards)
	}
}
