package shard

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// TestLargestBatch: what MaxBatchBytes says is taken, and a ring as small as MinBytes says takes
// the largest record together with a read's others, four times.
func TestLargestBatch(t *testing.T) {
	for _, bytes := range []int{bytesMin, 1 << 16, 5<<16 + 1} {
		r := newRing(t, bytes)
		if r.Capacity() < bytes || r.Capacity() >= bytes+pageSize() {
			t.Errorf("%d bytes are asked for, and the ring has %d", bytes, r.Capacity())
		}
		c, err := r.Claim(1, r.MaxBatchBytes())
		if err != nil {
			t.Errorf("a ring of %d bytes: %v", bytes, err)
			continue
		}
		c.Append(make([]byte, r.MaxBatchBytes()), nil, 0)
		c.Publish()
		if b, ok := r.Next(); !ok || b.Count != 1 {
			t.Errorf("a ring of %d bytes: it does not come out", bytes)
		}
		if _, err := r.Claim(1, r.MaxBatchBytes()+2*granule); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a ring of %d bytes: more than the most: %v", bytes, err)
		}
	}
	const record = 1000
	r := newRing(t, MinBytes(record))
	for i := range 3 { // the fourth has no room for its headers
		if _, err := r.Claim(1, record+64<<10); err != nil {
			t.Errorf("batch %d: %v", i, err)
		}
	}
}

// TestBatchBytes: what is promised for a batch's records is enough for the batch, which takes no
// granule that it does not need.
func TestBatchBytes(t *testing.T) {
	for records := range 9 {
		for bytes := range 300 {
			n := BatchBytes(records, bytes)
			least := batchHeader + records*recordRoom + bytes
			if n%granule != 0 || n < least || n >= least+granule {
				t.Fatalf("%d records with %d bytes take %d", records, bytes, n)
			}
		}
	}
}

// TestRecordsAreApart: who appends to what was read changes no other record.
func TestRecordsAreApart(t *testing.T) {
	r := newRing(t, 1<<16)
	c, err := r.Claim(3, 12)
	if err != nil {
		t.Fatal(err)
	}
	c.Append([]byte("abc"), []byte("k"), 0)
	c.Append([]byte("def"), nil, 1)
	c.Append([]byte("ghi"), []byte("kl"), 2)
	c.Publish()
	b, _ := r.Next()
	for range 2 {
		var got []string
		b.Records(func(_ int, rec Record) bool {
			got = append(got, string(rec.Value)+"/"+string(rec.Meta))
			_ = append(rec.Value, "########"...) // over its headers, and more
			_ = append(rec.Meta, '#')
			return true
		})
		if want := []string{"abc/k", "def/", "ghi/kl"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// TestStateIsNoPosition: that a ring is closed changes no position.
func TestStateIsNoPosition(t *testing.T) {
	r := newRing(t, 1<<16)
	put(t, r, 0, 1, 30) // two granules, the fewest
	claimed, used := r.Claimed(), r.Used()
	r.Close()
	if r.Claimed() != claimed || r.Used() != used {
		t.Errorf("claimed %d, used %d; before %d, %d", r.Claimed(), r.Used(), claimed, used)
	}
	if r.Drained() {
		t.Error("drained, and a batch is unread")
	}
	if r.Next(); !r.Drained() {
		t.Error("not drained")
	}
}

// TestWakes: who parks is woken by the first that comes, once; who does not, never.
func TestWakes(t *testing.T) {
	r := newRing(t, 1<<16)
	wakes := 0
	p := NewParker(func() { wakes++ })
	r.Attach(p)
	for _, want := range []int{1, 1, 2} { // in the second round it has unparked
		if p.Park(); want == 1 && wakes == 1 {
			p.Unpark()
		}
		put(t, r, 0, 1, 100)
		put(t, r, 1, 1, 100)
		if wakes != want {
			t.Errorf("woken %d times, want %d", wakes, want)
		}
	}
	p.Park()
	if r.Close(); wakes != 3 {
		t.Errorf("woken %d times, want once more for the end", wakes)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, n := range []int{0, 100, 1 << 31} {
		if _, err := New(Options{Name: "0", Bytes: n}); err == nil || !bytes.Contains([]byte(err.Error()), []byte("must be between 16384 and 1073741824")) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
