package producer

import (
	"testing"
	"time"

	"github.com/ringtail/ringtail/shard"
)

// TestSleepLooksAgain: what comes between the last look at a ring and the announcement of sleep
// wakes nobody, so the engine looks again after it.
func TestSleepLooksAgain(t *testing.T) {
	for name, comes := range map[string]func(h *hands){
		"a record": func(h *hands) { put(t, h.rings[1], 1, 100, nil) },
		"the end": func(h *hands) {
			h.rings[0].Close()
			h.rings[1].Close()
		},
		"nothing": func(*hands) {},
	} {
		h := newHands(t, 2)
		for range 3 {
			h.e.step()
		}
		comes(h)
		h.e.sleep(pollIdle)
		want := 0
		if name == "nothing" {
			want = int(pollIdle / time.Millisecond)
		}
		if len(h.c.polls) != 1 || h.c.polls[0] != want {
			t.Errorf("%s: sleeps for %v ms, want %d", name, h.c.polls, want)
		}
	}
}

// TestSleepWithoutClient: whoever wakes an engine that has none is heard, before and after.
func TestSleepWithoutClient(t *testing.T) {
	h := newHands(t, 1)
	h.e.client = nil
	h.e.wake()
	h.e.sleep(time.Hour)
	go h.e.wake()
	h.e.sleep(time.Hour) // or this never ends
}

// TestProgress: whoever waits for room learns of it, and of nothing else.
func TestProgress(t *testing.T) {
	h := newHands(t, 1)
	freed := 0
	h.e.cfg.OnProgress = func() { freed++ }
	h.push(0, 3)
	if h.e.step(); freed != 0 {
		t.Error("told that room was freed, and none was")
	}
	h.c.acks(0)
	if h.e.step(); freed != 1 || h.rings[0].Used() != 0 {
		t.Errorf("told %d times that room was freed; %d bytes used", freed, h.rings[0].Used())
	}
}

// came puts a record into a shard that came then.
func (h *hands) came(i int, at time.Duration) {
	h.t.Helper()
	c, err := h.rings[i].Claim(1, 1)
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetTaken(int64(at))
	c.Append([]byte("x"), nil, 1)
	c.Publish()
	h.e.step()
}

// TestOldest: the oldest record that Kafka does not have is known, whichever shard it is of.
func TestOldest(t *testing.T) {
	for _, first := range []int{0, 1} {
		h := newHands(t, 2)
		at := time.Duration(shard.Now())
		h.came(first, at+1)
		h.came(1-first, at+2)
		if h.e.step(); h.e.oldest.Load() != int64(at+1) {
			t.Errorf("oldest %d, want %d", h.e.oldest.Load(), at+1)
		}
		h.c.acks(first)
		if h.e.step(); h.e.oldest.Load() != int64(at+2) {
			t.Errorf("oldest %d once the first is there, want %d", h.e.oldest.Load(), at+2)
		}
		h.c.acks(1 - first)
		if h.e.step(); h.e.oldest.Load() != 0 {
			t.Errorf("oldest %d, and there is none", h.e.oldest.Load())
		}
	}
}

// TestReliefIsYoung: a stall is not over as long as the oldest record is still seconds old.
func TestReliefIsYoung(t *testing.T) {
	h := newHands(t, 2)
	reliefs := 0
	h.e.cfg.OnRelief = func() { reliefs++ }
	h.clock = time.Hour
	h.came(0, h.clock)
	h.clock += stalledAfter
	h.came(1, h.clock)
	h.clock += 2 * time.Second
	h.e.step()
	h.c.acks(0)
	if h.e.step(); reliefs != 0 {
		t.Error("over, and a record has waited for two seconds")
	}
	h.c.acks(1)
	for range 3 {
		h.e.step()
	}
	if reliefs != 1 {
		t.Errorf("told %d times that it is over", reliefs)
	}
}
