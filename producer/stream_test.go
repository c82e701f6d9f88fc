package producer

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ringtail/ringtail/shard"
)

// TestRenumberMarks: a record that is set aside leaves its number to the next, so those behind it
// that are set aside or marked once move up, and those before it do not.
func TestRenumberMarks(t *testing.T) {
	for _, c := range []struct {
		n                                uint64
		aside, once, wantAside, wantOnce []uint64
	}{
		{2, []uint64{2, 5, 9}, []uint64{1, 2, 3, 9}, []uint64{4, 8}, []uint64{1, 2, 2, 8}},
		{1, []uint64{3}, []uint64{0, 5}, []uint64{2}, []uint64{0, 4}},
		{7, nil, []uint64{6, 8}, nil, []uint64{6, 7}},
	} {
		s := &stream{toSetAside: slices.Clone(c.aside), markedOnce: slices.Clone(c.once)}
		s.renumberMarks(c.n)
		if !slices.Equal(s.toSetAside, c.wantAside) || !slices.Equal(s.markedOnce, c.wantOnce) {
			t.Errorf("without %d: %v and %v become %v and %v, want %v and %v", c.n, c.aside, c.once, s.toSetAside, s.markedOnce, c.wantAside, c.wantOnce)
		}
	}
	s := &stream{toSetAside: []uint64{1}, markedOnce: []uint64{1, 2}}
	s.clearMarks()
	if s.mustSetAside(1) || len(s.markedOnce) > 0 {
		t.Error("the topic is at fault, and its records are not cleared")
	}
}

// TestApplyMarks: marked by two instances in a row is set aside, in the order of numbers.
func TestApplyMarks(t *testing.T) {
	s := &stream{}
	for _, c := range []struct{ marked, aside []uint64 }{
		{[]uint64{7, 3, 5}, nil},
		{[]uint64{5, 8, 3}, []uint64{3, 5}},
		{[]uint64{9, 8}, []uint64{8}},
		{nil, nil},
		{[]uint64{9}, nil},
	} {
		s.applyMarks(c.marked)
		if !slices.Equal(s.toSetAside, c.aside) || !slices.IsSorted(s.markedOnce) || len(s.markedOnce) != len(c.marked) {
			t.Errorf("marked %v: set aside %v, want %v; marked once %v", c.marked, s.toSetAside, c.aside, s.markedOnce)
		}
	}
}

// TestStallIsForgotten: the room that a long list of batches took is given back, and an ordinary
// one's is not.
func TestStallIsForgotten(t *testing.T) {
	for batches, kept := range map[int]bool{3000: false, 100: true} {
		s := &stream{ring: anyRing(t, 1<<20)}
		for range batches {
			put(t, s.ring, 1, 10, nil)
			b := s.current()
			s.enter(b, s.sent)
			s.sent++
			s.leave(b, s.sent)
		}
		s.acked = s.sent
		freed := 0
		if !s.free(0, func(*stream, *inflightBatch) { freed++ }) || freed != batches || s.bytes != 0 || !s.idle() {
			t.Errorf("%d batches: %d freed, %d bytes under way", batches, freed, s.bytes)
		}
		if room := cap(s.inflightBuf); (room > 0) != kept || room > 8*inflightRetainMax {
			t.Errorf("%d batches: room for %d is kept", batches, room)
		}
	}
}

// TestSeekCountsBytesAnew: what is under way after the cursor went back is what lies behind it.
func TestSeekCountsBytesAnew(t *testing.T) {
	s := &stream{ring: anyRing(t, 1<<20)}
	for range 3 {
		put(t, s.ring, 2, 100, nil)
		b := s.current()
		s.enter(b, s.sent)
		s.sent += 2
		s.leave(b, s.sent)
	}
	one := s.inflight[0].batch.Bytes()
	for range 3 {
		if s.seek(3); s.cur != 1 || s.at.Index != 1 || s.bytes != 2*one {
			t.Errorf("stands at record %d of batch %d, %d bytes under way; want record 1 of batch 1, %d", s.at.Index, s.cur, s.bytes, 2*one)
		}
	}
	if s.inflight[2].entered || s.inflight[2].walked {
		t.Error("a batch behind the cursor counts as handed over")
	}
}

// TestFoundInFiles: records, possible duplicates and the largest record are those of all rings in
// files; dead letters count apart where records are counted.
func TestFoundInFiles(t *testing.T) {
	o := shard.DirOptions{Path: filepath.Join(t.TempDir(), "rings"), Topic: "t", DeadTopic: "dead", Shards: 2, Bytes: 1 << 16}
	open := func() (*shard.Dir, shard.Set) {
		d, err := shard.OpenDir(o)
		if err != nil {
			t.Fatal(err)
		}
		return d, d.Set()
	}
	closeAll := func(d *shard.Dir, set shard.Set) {
		for _, r := range set.All() {
			_ = r.Release()
		}
		_ = d.Close()
	}
	d, set := open()
	for i, r := range set.All() {
		put(t, r, 2+i, []int{300, 200, 500}[i], nil)
		batch, _ := r.Next()
		r.Sending(batch.End)
		put(t, r, 1, 100, nil)
	}
	closeAll(d, set)
	d, set = open()
	defer func() { closeAll(d, set) }()
	if n := recoveredDuplicates(set); n != 2+3+4 {
		t.Errorf("%d possible duplicates, want 9", n)
	}
	if n := recoveredLargest(set); n != 500 {
		t.Errorf("the largest has %d bytes, want 500", n)
	}
	if n := recoveredLargest(shard.Set{Rings: set.Rings}); n != 300 {
		t.Errorf("the largest record has %d bytes, want 300", n)
	}
	w := &Writer{set: set}
	if k, want := w.MarkStop(), (Kept{Records: 3 + 4, DeadLetters: 5}); k != want {
		t.Errorf("never started: %+v, want %+v", k, want)
	}
	engines := []*engine{{streams: []*stream{{ring: set.Rings[0]}, {shard: 1, ring: set.Rings[1]}}}, {streams: []*stream{{shard: -1, ring: set.Dead}}}}
	if k, want := markStops(engines), (Kept{Records: 3 + 4, DeadLetters: 5}); k != want {
		t.Errorf("%+v, want %+v", k, want)
	}
}

// TestDeadLettersGivenUp: in memory, they count apart too.
func TestDeadLettersGivenUp(t *testing.T) {
	record, deadLetter := anyRing(t, 1<<16), anyRing(t, 1<<16)
	put(t, record, 2, 10, nil)
	put(t, record, 1, 10, nil)
	put(t, deadLetter, 4, 10, nil)
	put(t, deadLetter, 1, 10, nil)
	if k, want := markStops([]*engine{{streams: []*stream{{ring: record}, {shard: -1, ring: deadLetter}}}}), (Kept{GivenUp: 3, DeadLettersGivenUp: 5}); k != want {
		t.Errorf("%+v, want %+v", k, want)
	}
}
