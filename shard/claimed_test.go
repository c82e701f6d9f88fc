package shard

import (
	"errors"
	"slices"
	"testing"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// TestNumbersOfClaims: which number a claim's first record gets in its Kafka batch. Positions count
// on where the word's begin anew.
func TestNumbersOfClaims(t *testing.T) {
	type claim struct{ records, fill int }
	for _, c := range []struct {
		name   string
		most   kafkaBatch
		claims []claim
		want   []int
	}{
		{"no limit was set", kafkaBatch{}, []claim{{1, 1}, {2, 1}, {1, 1}}, []int{0, 0, 0}},
		{
			"as many records as may be", kafkaBatch{100, 10},
			[]claim{{4, 1}, {6, 1}, {1, 1}, {9, 1}}, []int{0, 4, 0, 1},
		},
		{"one record more", kafkaBatch{100, 10}, []claim{{4, 1}, {7, 1}, {3, 1}}, []int{0, 0, 7}},
		{
			"as many bytes as may be, in whole granules", kafkaBatch{4, 100},
			[]claim{{1, granule + 1}, {1, 2 * granule}, {1, 1}, {1, 3 * granule}}, []int{0, 1, 0, 1},
		},
		{
			"too many records by themselves", kafkaBatch{100, 10},
			[]claim{{1, 1}, {20, 1}, {1, 1}, {1, 1}}, []int{0, 0, 0, 1},
		},
		{
			"too many bytes by themselves", kafkaBatch{4, 100},
			[]claim{{1, 1}, {1, 9 * granule}, {1, 1}, {1, 1}}, []int{0, 0, 0, 1},
		},
		{
			"more records than the word counts", kafkaBatch{100, recordsMax},
			[]claim{{recordsMax + 2, 1}, {1, 1}, {1, 1}}, []int{0, 0, 1},
		},
		{
			"more bytes than the word counts", kafkaBatch{fillMax, 100},
			[]claim{{1, (fillMax + 2) * granule}, {1, 1}, {1, 1}}, []int{0, 0, 1},
		},
	} {
		const freed = (positionOf - 1) * granule
		w, position, numbers := claimWordAt(freed), uint64(freed), []int(nil)
		for _, cl := range c.claims {
			next, number := w.claim(2*granule, cl.records, cl.fill, c.most)
			w, position, numbers = next, position+2*granule, append(numbers, number)
			if got := w.position(freed); got != position {
				t.Errorf("%s: position %d, want %d", c.name, got, position)
			}
		}
		if !slices.Equal(numbers, c.want) {
			t.Errorf("%s: %v, want %v", c.name, numbers, c.want)
		}
	}
}

// TestKafkaBatchEnds: the next claim after that begins one, which has all of its room.
func TestKafkaBatchEnds(t *testing.T) {
	most := kafkaBatch{10, 100}
	w, _ := claimWordAt(0).claim(granule, 5, 3*granule, most)
	w, first := w.ended().claim(granule, 5, 3*granule, most)
	_, second := w.claim(granule, 5, 7*granule, most)
	if first != 0 || second != 5 {
		t.Errorf("numbers %d and %d, want 0 and 5", first, second)
	}
	r := newRing(t, 1<<16)
	r.SetKafkaBatch(1<<15, 100)
	for i, want := range []int{0, 4, 0, 4} {
		if i == 2 {
			if end := r.EndKafkaBatch(); end != r.Claimed() {
				t.Errorf("ended at %d, claimed %d", end, r.Claimed())
			}
		}
		if c := put(t, r, 4*i, 4, 100); c.number != want {
			t.Errorf("claim %d has number %d, want %d", i, c.number, want)
		}
	}
	r.Close()
	r.EndKafkaBatch()
	if _, err := r.Claim(1, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("a ring that was closed: %v", err)
	}
}

// TestSetKafkaBatch: limits are in whole granules, and no larger than the word counts.
func TestSetKafkaBatch(t *testing.T) {
	r := newRing(t, 1<<16)
	for _, c := range []struct {
		bytes, records int
		want           kafkaBatch
	}{
		{0, 0, kafkaBatch{}},
		{-100 * granule, -1, kafkaBatch{}},
		{2*granule - 1, 1, kafkaBatch{1, 1}},
		{2 * granule, 2, kafkaBatch{2, 2}},
		{fillMax * granule, recordsMax, kafkaBatch{fillMax, recordsMax}},
		{MaxBytes, recordsMax + 1, kafkaBatch{fillMax, recordsMax}},
	} {
		if r.SetKafkaBatch(c.bytes, c.records); r.kafkaBatch() != c.want {
			t.Errorf("%d bytes, %d records: %v, want %v", c.bytes, c.records, r.kafkaBatch(), c.want)
		}
	}
}

// TestRecordsFillAKafkaBatch: what they take beside their values counts.
func TestRecordsFillAKafkaBatch(t *testing.T) {
	r := newRing(t, 1<<16)
	const granules = 8 // of ten records, whose values alone take 5
	if n := KafkaBytes(10, 10*30); n <= (granules-1)*granule || n > granules*granule {
		t.Fatalf("ten records take %d bytes", n)
	}
	r.SetKafkaBatch(2*granules*granule, 1000)
	for i, want := range []int{0, 10, 0} {
		if c := put(t, r, 10*i, 10, 30); c.number != want {
			t.Errorf("claim %d has number %d, want %d", i, c.number, want)
		}
	}
}

// TestClaimsBehindTheWord: a ring's positions go on where the word's begin anew.
func TestClaimsBehindTheWord(t *testing.T) {
	r := newRing(t, bytesMin)
	const begin = (positionOf+1)*granule - 8*bytesMin
	r.pos.claimed.Store(uint64(claimWordAt(begin)))
	r.pos.done.Store(begin)
	r.pos.sent.Store(begin)
	r.pos.freed.Store(begin)
	r.read = begin
	for i, at := 0, uint64(begin); at < begin+16*bytesMin; i++ {
		c := put(t, r, i, 1, 1000)
		if c.start != at || r.Claimed() != c.End() || r.Used() != int(c.End()-at) {
			t.Fatalf("claimed [%d, %d), want %d; %d used", c.start, r.Claimed(), at, r.Used())
		}
		b, ok := r.Next()
		if !ok || b.Start != at {
			t.Fatalf("batch at %d: %v", b.Start, ok)
		}
		at = b.End
		r.Free(at)
	}
	if r.Close(); !r.Drained() {
		t.Error("not drained")
	}
}

// TestClaimsAreOneKafkaBatch: claims one behind the other are numbered through, and each batch
// tells its number and its checksum, in memory and in a file, whoever wants none there.
func TestClaimsAreOneKafkaBatch(t *testing.T) {
	for _, omit := range []bool{false, true} {
		d := openDir(t, dirOptions(ringDir(t)))
		for i, r := range []*Ring{newRing(t, 1<<16), d.set.Rings[0]} {
			if omit {
				r.OmitSums()
			}
			r.SetKafkaBatch(1<<15, 1000)
			next := 0
			for n := range 5 {
				putWith(t, r, next, 1+n, 100, someHeaders(2))
				b, _ := r.Next()
				sum, summed := crc32c.Sum(b.Encoded()), !omit || i == 1
				if b.Number != next || b.Count != 1+n || (b.Sum == sum) != summed {
					t.Errorf("number %d, want %d; checksum %x, want %x", b.Number, next, b.Sum, sum)
				}
				for rest := b.Encoded(); len(rest) > 0; next++ {
					_, _, _, length, ok := checkRecord(rest, next)
					if !ok {
						t.Fatalf("record %d of the Kafka batch is none", next)
					}
					rest = rest[length:]
				}
			}
		}
		if d = reopen(t, d); len(d.Damaged()) > 0 || d.set.Rings[0].Recovered().Records != 15 {
			t.Errorf("damaged %v, %+v", d.Damaged(), d.set.Rings[0].Recovered())
		}
		r := d.set.Rings[0]
		r.SetKafkaBatch(1<<15, 1000)
		if c := put(t, r, 0, 1, 100); c.number != 0 {
			t.Errorf("a claim goes on at %d in a former process's Kafka batch", c.number)
		}
		leave(d)
	}
}
