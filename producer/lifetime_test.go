package producer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/embedded"
	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/shard"
)

var starts = flag.Int("starts", 0, "how often TestLifetimes starts a writer (0: a hundred times, fewer with -short)")

// TestLifetimes starts writers and stops them at random moments: before they have looked at the
// topic, in the middle of a refresh, in the middle of another one while they write; with a broker
// that is well, none, one that never answers, one that hangs up; while every processor is busy.
// Nothing of a writer runs once Close has returned: a call into C that outlives its client ends
// the process, so that this test has no more to do than to survive, and to count what is left.
func TestLifetimes(t *testing.T) {
	n := *starts
	if n == 0 {
		n = 100
		if testing.Short() {
			n = 30
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	well, err := embedded.Start(0, map[string]int{"records": 2, "letters": 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(well.Close)
	others := []string{kafkatest.Deaf(t), kafkatest.Rude(t), kafkatest.Nobody(t)}
	kafkatest.Busy(t)
	var tally tally
	var all sync.WaitGroup
	lives := make(chan int)
	for range livesAtOnce {
		all.Go(func() {
			for i := range lives {
				live(t, well.Address(), others, rand.New(rand.NewPCG(seed, uint64(i))), &tally)
			}
		})
	}
	for i := range n {
		lives <- i
	}
	close(lives)
	all.Wait()
	t.Logf("%d starts: %d refreshes were broken off, %d failed; %d writers wrote, %d were closed in the middle of a refresh",
		n, tally.brokenOff.Load(), tally.failed.Load(), tally.wrote.Load(), tally.inLook.Load())
	if n >= 100 && (tally.brokenOff.Load() == 0 || tally.failed.Load() == 0 || tally.wrote.Load() == 0 || tally.inLook.Load() == 0) {
		t.Error("something of that never happened: this proves little")
	}
}

const (
	livesAtOnce = 24
	lookAtMost  = 300 * time.Millisecond // in place of requestTimeout
)

// tally is what the lives were like.
type tally struct{ brokenOff, failed, wrote, inLook atomic.Int64 }

// live is one life of a Writer.
func live(t *testing.T, well string, others []string, rng *rand.Rand, seen *tally) {
	isWell := rng.IntN(3) == 0
	broker, limit := well, requestTimeout
	if !isWell {
		broker, limit = others[rng.IntN(len(others))], lookAtMost
	}
	w := born(t, broker, rng)
	w.admin.limit = limit
	defer w.set.Release()
	var closed atomic.Bool
	changed := w.topic.changed
	w.topic.changed = func() {
		if closed.Load() {
			t.Error("a refresh ended after Close had returned")
		}
		changed()
	}
	wait := moment(rng, 4*lookAtMost)
	patient := rng.IntN(3) == 0
	if patient {
		wait = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	var asking sync.WaitGroup
	if rng.IntN(2) == 0 { // as where there are ring files
		asking.Go(func() { _, _ = w.ClusterID(ctx) })
	}
	err := w.Check(ctx)
	for patient && isWell && err != nil && ctx.Err() == nil { // it only takes its time
		err = w.Check(ctx)
	}
	switch {
	case err == nil:
		write(t, w, rng, patient)
		seen.wrote.Add(int64(min(w.Stats().Delivered, 1)))
	case errors.Is(err, context.DeadlineExceeded):
		seen.brokenOff.Add(1)
	default:
		seen.failed.Add(1)
	}
	if !w.topic.refreshing.TryLock() {
		seen.inLook.Add(1)
	} else {
		w.topic.refreshing.Unlock()
	}
	w.Close()
	closed.Store(true)
	if w.topic.refreshing.TryLock() {
		w.topic.refreshing.Unlock()
	} else {
		t.Error("a refresh goes on after Close has returned")
	}
	asking.Wait()
	if err := w.Check(context.Background()); !errors.Is(err, errClosed) {
		t.Errorf("a refresh after Close: %v", err)
	}
	if _, err := w.ClusterID(context.Background()); !errors.Is(err, errClosed) {
		t.Errorf("a question after Close: %v", err)
	}
}

// born opens a Writer, one or the other, with dead letters or without.
func born(t *testing.T, broker string, rng *rand.Rand) *Writer {
	var rings [2]*shard.Ring
	for i := range rings {
		var err error
		if rings[i], err = shard.New(shard.Options{Name: fmt.Sprint(i), Bytes: 1 << 20}); err != nil {
			panic(err)
		}
	}
	set, deadLetters := shard.Set{Rings: rings[:]}, ""
	if rng.IntN(2) == 0 {
		set, deadLetters = shard.Set{Rings: rings[:1], Dead: rings[1]}, "letters"
	}
	w, err := Open(Options{
		Brokers: broker, Topic: "records", DeadLetterTopic: deadLetters, Producers: 1, MaxRecordBytes: 1000,
		Writer: writers()[rng.IntN(len(writers()))], Logger: slog.New(slog.DiscardHandler),
		Die: func(err error) { t.Error(err) },
	}, set)
	if err != nil {
		panic(err)
	}
	return w
}

// write starts a Writer, has it write a little, and perhaps drains it.
func write(t *testing.T, w *Writer, rng *rand.Rand, patient bool) {
	w.Start()
	for i := range w.set.Rings {
		claim, err := w.set.Rings[i].Claim(1, 2)
		if err != nil {
			t.Error(err)
			return
		}
		claim.Append([]byte("{}"), nil, 0)
		claim.Publish()
	}
	ctx, cancel := context.WithTimeout(context.Background(), moment(rng, time.Second))
	defer cancel()
	w.Await(ctx)
	for deadline := time.Now().Add(time.Minute); patient && w.Stats().Delivered == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing is written")
			return
		}
	}
	w.topic.refresh()
	if rng.IntN(2) == 0 {
		w.Drain(ctx)
	}
}

// TestStoppedRefreshSaysNothing: what could not be asked any more is no news of the topic.
func TestStoppedRefreshSaysNothing(t *testing.T) {
	w := born(t, kafkatest.Nobody(t), rand.New(rand.NewPCG(1, 1)))
	defer w.set.Release()
	defer w.Close()
	w.topic.changed = func() { t.Error("it is told") }
	before := w.topic.topic()
	w.admin.stop()
	if s := w.topic.refreshNow(); !errors.Is(s.Err, errClosed) {
		t.Errorf("the refresh says %v", s.Err)
	}
	if w.topic.topic() != before {
		t.Errorf("it is %+v now", w.topic.topic())
	}
}

// moment is a time of up to most, often a short one.
func moment(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most)) >> rng.IntN(5))
}
