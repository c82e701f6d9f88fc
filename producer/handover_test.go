package producer

import (
	"slices"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// withDead gives the engine a ring for dead letters.
func (h *hands) withDead(bytes, limit int) *shard.Ring {
	ring := anyRing(h.t, bytes)
	h.e.cfg.DeadRing, h.e.cfg.DeadLetterMax = ring, func() int { return limit }
	return ring
}

// TestNothingBehindARefusal: where the client takes a shard's records no more, the next shard's are
// not handed over either.
func TestNothingBehindARefusal(t *testing.T) {
	h := newHands(t, 2)
	c := h.c
	c.most, c.code = 0, backend.ErrFatal
	put(t, h.rings[0], 3, 100, nil)
	put(t, h.rings[1], 3, 100, nil)
	seen := 0
	h.e.seams.refreshTopic = func() { seen, c.most = c.sends, 100 } // it would take the next ones
	h.e.step()
	if len(c.values) > 0 || c.sends > seen || h.e.state == stateRunning {
		t.Errorf("%d records handed over behind a refusal, %v", len(c.values), h.e.state)
	}
}

// TestWhatIsHandedOverIsSent: and where nothing is said for long, an engine does not spin.
func TestWhatIsHandedOverIsSent(t *testing.T) {
	h := newHands(t, 1)
	sends := h.c.sends
	if h.push(0, 1); h.c.sends == sends {
		t.Error("the client is not told to send")
	}
	h.e.sleep(time.Microsecond)
	if len(h.c.polls) != 1 || h.c.polls[0] != 1 {
		t.Errorf("polls for %v ms, want 1", h.c.polls)
	}
}

// TestKeysCount: for the topic's limit a record has the size of its value and its key, wherever in
// a batch it lies.
func TestKeysCount(t *testing.T) {
	for _, lead := range []int{0, 1, 2} { // records before it in its batch
		h := newHands(t, 1)
		h.topic.Limit = 200_000
		most := h.topic.recordMax()
		key := make([]byte, 50)
		c, err := h.rings[0].Claim(lead+2, lead*10+most+most+1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range lead {
			c.Append(make([]byte, 10), nil, uint32(i))
		}
		c.Append(make([]byte, most-len(key)), key, 7)
		c.Append(make([]byte, most+1-len(key)), key, 8)
		c.Publish()
		if steps(h.e, 3); !slices.Equal(h.refused, []uint64{8}) || len(h.c.values) != lead+1 {
			t.Errorf("behind %d others: refused %v, want the one that is too large; %d handed over", lead, h.refused, len(h.c.values))
		}
	}
}

// TestCompactedTopic: it takes no record without key, and any with one, be it empty.
func TestCompactedTopic(t *testing.T) {
	h := newHands(t, 1)
	h.topic.Compacted, h.e.cfg.Keyed = true, true
	keys := [][]byte{[]byte("k"), nil, {}, nil, []byte("k")}
	c, err := h.rings[0].Claim(len(keys), 2+10*len(keys))
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		c.Append(make([]byte, 10), k, uint32(i))
	}
	c.Publish()
	if steps(h.e, 3); !slices.Equal(h.refused, []uint64{1, 3}) || len(h.c.values) != 3 {
		t.Errorf("refused %v, want those without key; %d handed over", h.refused, len(h.c.values))
	}
}

// TestWindowOfBytes: a shard's batches under way are no more than the window, but for one that is
// larger than that.
func TestWindowOfBytes(t *testing.T) {
	h := newHands(t, 1)
	h.e.cfg.WindowBytes = 1000
	for range 3 {
		put(t, h.rings[0], 4, 100, nil) // 448 bytes with their headers
	}
	put(t, h.rings[0], 20, 100, nil)
	put(t, h.rings[0], 1, 100, nil)
	for _, want := range []uint64{8, 12, 32, 33} {
		for range 3 {
			if h.e.step(); h.c.next[0] != want {
				t.Errorf("%d records handed over, want %d", h.c.next[0], want)
			}
		}
		h.c.acks(0)
	}
}

// TestQueueFull: what a client does not take for want of room is handed over again as soon as there
// is some, and does not wait for linger.ms.
func TestQueueFull(t *testing.T) {
	h := newHands(t, 1)
	h.e.cfg.Linger, h.e.cfg.BatchSize = time.Hour, 1<<20
	h.c.most, h.c.code = 2, backend.ErrQueueFull
	put(t, h.rings[0], 5, 100, nil)
	for _, want := range []uint64{2, 4, 5} {
		if h.e.step(); h.c.next[0] != want {
			t.Errorf("%d records handed over, want %d", h.c.next[0], want)
		}
	}
}

// TestRoom: what the client has no room for is not gathered, in the middle of a ring's batch and at
// its borders, with keys and headers and without. It goes as soon as there is room, and does not wait
// for linger.ms.
func TestRoom(t *testing.T) {
	const size = 100
	for _, key := range [][]byte{nil, []byte("key")} {
		each := size + len(key) + backend.RecordExtra
		h := newHands(t, 1)
		h.e.cfg.Linger, h.e.cfg.BatchSize = time.Hour, 1<<20
		for _, n := range []int{1, 5, 7, 1} {
			put(t, h.rings[0], n, size, key)
		}
		handed := 0
		for _, step := range []struct {
			room  backend.Room
			taken int
		}{
			{backend.Room{Records: 0, Bytes: 1 << 20, Empty: true}, 0},
			{backend.Room{Records: 10, Bytes: each - 1}, 0},
			{backend.Room{Records: 10, Bytes: 0, Empty: true}, 1},
			{backend.Room{Records: 2, Bytes: 1 << 20}, 2},
			{backend.Room{Records: 10, Bytes: 2*each + each/2}, 2},
			{backend.Room{Records: 10, Bytes: -each, Empty: true}, 1},
			{backend.Room{Records: 8, Bytes: 8 * each}, 8},
		} {
			h.c.room = &step.room
			handed += step.taken
			if h.e.step(); int(h.c.next[0]) != handed || h.c.asked != handed {
				t.Errorf("%+v: %d records handed over, %d offered, want %d", step.room, h.c.next[0], h.c.asked, handed)
			}
			step.room = backend.Room{} // what it took has filled it
			if h.e.step(); h.c.asked != handed {
				t.Errorf("no room, and %d records offered, %d had room", h.c.asked, handed)
			}
		}
	}
}

// TestDeadLetterThatFindsNoRoom: is handed over again, and a dead letter that is cut a second time
// says how long its record was at first.
func TestDeadLetterThatFindsNoRoom(t *testing.T) {
	h := newHands(t, 0)
	h.topic.Limit = 1000 + recordSlack
	h.renewed()
	h.c.most, h.c.code = 0, backend.ErrQueueFull
	put(t, h.rings[0], 1, 5000, shard.AppendDeadLetterMeta(nil, "too_large", "remote", 70_000))
	if steps(h.e, 3); len(h.c.values) != 0 || h.e.state != stateRunning {
		t.Fatalf("%d handed over, %v", len(h.c.values), h.e.state)
	}
	h.c.most = 1
	steps(h.e, 3)
	if want := (backend.DeadLetter{Reason: "too_large", Remote: "remote", Truncated: 70_000}); h.c.deadLetter != want || len(h.c.values) != 1 || len(h.c.values[0]) != 1000 {
		t.Errorf("%d dead letters: %+v, want %+v", len(h.c.values), h.c.deadLetter, want)
	}
	h.c.acks(0)
	h.e.step()
	if s := h.stats(); s.DeadLetters != 1 || s.Delivered != 0 || h.rings[0].Used() != 0 {
		t.Errorf("%+v, %d bytes used", s, h.rings[0].Used())
	}
	for i := range h.e.stats.buckets {
		if h.e.stats.buckets[i].Load() > 0 {
			t.Error("a dead letter is in delivery_seconds")
		}
	}
}

// TestDeadLetterOfARefusedRecord: says whose record it was, why it was refused, and how long it
// was; it is cut to what its topic takes and its ring has room for.
func TestDeadLetterOfARefusedRecord(t *testing.T) {
	for _, c := range []struct{ bytes, limit, cut int }{
		{64 << 10, 1 << 20, 64<<10/2 - 1024}, // the ring is what is small
		{1 << 20, 700, 700},
		{1 << 20, 1 << 20, 0},
	} {
		h := newHands(t, 1)
		h.topic.Limit = 100_000
		dead := h.withDead(c.bytes, c.limit)
		h.e.cfg.RemoteOf = func(conn uint64) string {
			if conn == 77 {
				return "remote"
			}
			return ""
		}
		claim, err := h.rings[0].Claim(1, 110_000)
		if err != nil {
			t.Fatal(err)
		}
		claim.SetOrigin(77, 500)
		claim.Append(make([]byte, 110_000), nil, 3)
		claim.Publish()
		steps(h.e, 3)
		batch, ok := dead.Next()
		if !ok {
			t.Errorf("limit %d, a ring of %d: no dead letter", c.limit, c.bytes)
			continue
		}
		batch.Records(func(_ int, r shard.Record) bool {
			m := shard.ParseDeadLetterMeta(r.Meta)
			truncated := 110_000
			if c.cut == 0 {
				truncated = 0
			}
			if batch.Conn != 77 || r.Ordinal != 503 || m.Reason != reasonRefused || m.Remote != "remote" || m.Truncated != truncated {
				t.Errorf("limit %d: of connection %d, record %d: %+v", c.limit, batch.Conn, r.Ordinal, m)
			}
			if n := len(r.Value); c.cut > 0 && (n > c.cut || n < c.cut/2) || c.cut == 0 && n != 110_000 {
				t.Errorf("limit %d: cut to %d bytes, want about %d", c.limit, n, c.cut)
			}
			return true
		})
	}
}

// TestDeadLettersWaitForRoom: a record whose dead letter finds none stays, and with it its shard;
// other shards go on, and the engine looks again soon.
func TestDeadLettersWaitForRoom(t *testing.T) {
	h := newHands(t, 2)
	h.e.cfg.Linger, h.e.cfg.BatchSize = time.Hour, 1<<20
	dead := h.withDead(64<<10, 1<<20)
	for range 2 {
		put(t, dead, 1, dead.MaxBatchBytes(), nil)
	}
	put(t, h.rings[0], 1, 110_000, nil)
	put(t, h.rings[1], 1, 100, nil)
	h.topic.Limit = 100_000
	rest := h.e.step()
	if rest > gatherFor || len(h.c.values) != 1 || len(h.refused) != 0 {
		t.Errorf("rests %v, %d handed over, %d refused", rest, len(h.c.values), len(h.refused))
	}
	put(t, h.rings[1], 1, 100, nil)
	if h.e.step(); len(h.c.values) != 2 {
		t.Error("other shards wait for linger.ms meanwhile")
	}
	batch, _ := dead.Next()
	dead.Free(batch.End)
	if steps(h.e, 3); len(h.refused) != 1 {
		t.Error("it is not set aside when there is room")
	}
}

// TestAsideInARow: an ok report between them begins the count anew. Where there were too many, and
// the broker's word is all there is against the next one, it is asked again.
func TestAsideInARow(t *testing.T) {
	h := newHands(t, 1)
	h.topic.Limit = 100_000
	for range 3 {
		for range asideStreakMax / 2 {
			put(t, h.rings[0], 1, 100_000, nil)
			h.e.step()
			h.e.step()
		}
		h.push(0, 1)
		h.c.acks(0)
		h.e.step()
	}
	if n := len(h.refused); n != 3*(asideStreakMax/2) {
		t.Fatalf("%d set aside, want all of %d", n, 3*(asideStreakMax/2))
	}
	s := h.e.streams[0]
	s.asideStreak, s.toSetAside = asideStreakMax, []uint64{s.sent}
	put(t, h.rings[0], 1, 100, nil)
	before := len(h.c.values)
	if steps(h.e, 3); len(h.c.values) != before+1 || !s.tooManyAside {
		t.Errorf("%d handed over, want the one the broker had marked; stopped: %v", len(h.c.values)-before, s.tooManyAside)
	}
}
