package producer

import (
	"testing"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// TestRecordOverTheLimit: a Kafka batch that may have one goes record by record, without it; the
// next one goes whole.
func TestRecordOverTheLimit(t *testing.T) {
	h := runBatchHands(t)
	h.puts(10)
	put(t, h.rings[0], 1, h.topic.recordMax()+1, nil)
	h.puts(2)
	h.e.step()
	if h.wants("one is over the limit", 12); len(h.refused) != 1 {
		t.Errorf("%d refused, want 1", len(h.refused))
	}
	h.puts(3)
	h.e.step()
	h.wants("the next one", 0, handed{12, 3, 1, true})
}

// TestRecordsWithoutKey: of a compacted topic each record is looked at.
func TestRecordsWithoutKey(t *testing.T) {
	h := newBatchHands(t, func(h *batchHands) { h.config.Keyed, h.topic.Compacted = true, true })
	h.until(stateRunning)
	put(t, h.rings[0], 3, 100, []byte("key"))
	h.puts(2)
	h.e.step()
	if h.wants("two have no key", 3); len(h.refused) != 2 {
		t.Errorf("%d refused, want 2", len(h.refused))
	}
}

// TestDeadLettersAreNoBatch: they get headers on the way, so they go one by one.
func TestDeadLettersAreNoBatch(t *testing.T) {
	h := newBatchHands(t, func(h *batchHands) { h.shard = -1 })
	h.until(stateRunning)
	put(t, h.rings[0], 3, 100, shard.AppendDeadLetterMeta(nil, "reason", "remote", 0))
	h.e.step()
	if h.wants("dead letters", 3); h.w.deadLetter.Reason != "reason" {
		t.Errorf("the last is %+v", h.w.deadLetter)
	}
}

// TestClaimWithoutRecords: a hole in a ring file becomes one. It is no Kafka batch, nor part of
// one.
func TestClaimWithoutRecords(t *testing.T) {
	h := runBatchHands(t)
	h.puts(0)
	h.e.step()
	h.wants("nothing", 0)
	h.puts(3)
	h.e.step()
	h.wants("behind it", 0, handed{0, 3, 1, true})
	h.c.acks(0)
	if h.e.step(); h.rings[0].Used() != 0 {
		t.Errorf("%d bytes used", h.rings[0].Used())
	}
}

// TestWhatIsLeftOfABatch: of a Kafka batch that failed, what is left is one only where nothing of
// it is in Kafka.
func TestWhatIsLeftOfABatch(t *testing.T) {
	for acked, want := range map[uint64][]handed{0: {{0, 20, 2, true}}, 4: nil, 10: nil, 15: nil} {
		h := runBatchHands(t)
		h.puts(10, 10)
		h.e.step()
		h.wants("the first client", 0, handed{0, 20, 2, true})
		h.c.progress[0] = backend.Progress{
			Acked: acked, Failed: acked, Err: backend.ErrTransport, Reports: 20,
		}
		h.puts(2) // the next Kafka batch, which goes whole in any case
		h.renewed()
		records := 0
		if want == nil {
			records = 20 - int(acked)
		}
		h.wants("the second client", records, append(want, handed{20, 2, 1, true})...)
	}
}

// marked is an engine of two claims that are one Kafka batch, of which a broker marked record n
// twice.
func marked(t *testing.T, n uint64) *batchHands {
	t.Helper()
	h := runBatchHands(t)
	h.puts(10, 10)
	h.e.step()
	h.wants("the first client", 0, handed{0, 20, 2, true})
	for i := range 2 {
		report := backend.Progress{Invalids: 1, Invalid: []uint64{n}, Different: 19}
		h.c.fails(0, backend.ErrInvalidRecord, report)
		if h.renewed(); i == 0 {
			h.wants("marked once", 0, handed{0, 20, 2, true})
		}
	}
	return h
}

// TestMarkedRecordIsSetAside: then the others go one by one.
func TestMarkedRecordIsSetAside(t *testing.T) {
	for _, n := range []uint64{0, 3, 9, 10, 15, 19} {
		h := marked(t, n)
		if h.wants("marked twice", 19); len(h.refused) != 1 {
			t.Errorf("record %d: %d refused", n, len(h.refused))
		}
	}
}

// TestSetAsideStaysSo: a record that was set aside is not sent again, in whichever claim of its
// Kafka batch it is, though the client is made anew before anything is in Kafka.
func TestSetAsideStaysSo(t *testing.T) {
	for _, n := range []uint64{0, 3, 9, 10, 15, 19} {
		h := marked(t, n)
		h.wants("marked twice", 19)
		h.c.fails(0, backend.ErrTransport, backend.Progress{})
		h.renewed()
		if h.wants("another client", 19); len(h.refused) != 1 {
			t.Errorf("record %d: %d refused", n, len(h.refused))
		}
	}
}
