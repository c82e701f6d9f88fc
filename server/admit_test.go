package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// admitting is an intake, one connection, and nothing that runs beside them.
func admitting(t *testing.T) (*intake, *conn) {
	t.Helper()
	s, c := bareServer(t, codec.Newline, false)
	in, err := newIntake(s)
	if err != nil {
		t.Fatal(err)
	}
	return in, c
}

// lines is about so many bytes of records for ring 1, and how many records.
func lines(bytes int) (string, int) {
	line := `{"number":1,"pad":"` + strings.Repeat("x", 80) + "\"}\n"
	return strings.Repeat(line, bytes/len(line)), bytes / len(line)
}

// TestPromisesAreGivenBack: once a chunk is in its rings, all the rest of them is room.
func TestPromisesAreGivenBack(t *testing.T) {
	in, c := admitting(t)
	ring := in.srv.rings[1]
	for range 3 {
		chunk, _ := lines(60_000) // several promises
		if o := in.take(c, []byte(chunk)); o.blocked.on != waitNothing {
			t.Fatalf("%+v", o)
		}
	}
	half := ring.Capacity() / 2
	for i, n := range []int{half, half - ring.Used()} {
		if err := ring.Promise(n); err != nil {
			t.Errorf("half %d of the room is promised to nobody, and cannot be had: %v", i, err)
		}
	}
}

// TestBatchesAreNoMoreThanHalfARing: a ring file with a larger one would not open.
func TestBatchesAreNoMoreThanHalfARing(t *testing.T) {
	in, c := admitting(t)
	ring := in.srv.rings[1]
	chunk, n := lines(700_000)
	if o := in.take(c, []byte(chunk)); o.blocked.on != waitNothing {
		t.Fatalf("%+v", o)
	}
	for b, ok := ring.Next(); ok; b, ok = ring.Next() {
		if size := int(b.End - b.Start); size > ring.Capacity()/2 {
			t.Errorf("a batch of %d bytes in a ring of %d", size, ring.Capacity())
		}
		n -= b.Count
	}
	if n != 0 {
		t.Errorf("%d records missing", n)
	}
}

// TestLastRoom: where a ring has no room to set aside for more, a record that fits is taken.
func TestLastRoom(t *testing.T) {
	in, c := admitting(t)
	ring := in.srv.rings[1]
	for ring.Capacity()-ring.Used() > promiseBytes/2 {
		n := min(promiseBytes/2, ring.Capacity()-ring.Used()-promiseBytes/4)
		claim, err := ring.Claim(1, n-100)
		if err != nil {
			t.Fatal(err)
		}
		claim.Append(make([]byte, n-100), nil, 0)
		claim.Publish()
	}
	if o := in.take(c, []byte(record(1)+"\n")); o.blocked.on != waitNothing || c.framed != 1 {
		t.Errorf("%+v, and %d bytes are free", o, ring.Capacity()-ring.Used())
	}
}

// TestSecretsAreNotKept: a record without a valid token may hold one. It is counted, and neither
// logged nor kept; any other reject is both.
func TestSecretsAreNotKept(t *testing.T) {
	for reason, kept := range map[codec.Reason]bool{codec.Unauthorized: false, codec.BadJSON: true} {
		in, c := admitting(t)
		var log bytes.Buffer
		in.srv.samples.log = slog.New(slog.NewTextHandler(&log, nil))
		in.begin(c)
		in.rec = codec.Record{Data: []byte("s3cret"), Size: 6, Reason: reason}
		if b := in.reject(c); b.on != waitNothing {
			t.Fatalf("%v: %+v", reason, b)
		}
		in.push(c)
		if _, letter := in.srv.rings[in.srv.deadLane].Next(); letter != kept || strings.Contains(log.String(), "s3cret") != kept {
			t.Errorf("%v: a letter: %v; logged: %s", reason, letter, log.String())
		}
		if c.framed != 1 || in.counts.rejected[reason].load() != 1 {
			t.Errorf("%v: %d records, %d rejected", reason, c.framed, in.counts.rejected[reason].load())
		}
	}
}

// TestLettersOfAChunk: each says how long its own record was, whichever came before it for the same
// reason, and none is longer than its topic takes.
func TestLettersOfAChunk(t *testing.T) {
	in, c := admitting(t)
	in.srv.letterLimit.Store(50)
	var chunk strings.Builder
	sizes := []int{10, 100, 20, 60, 50, 51, 30}
	for _, n := range sizes {
		chunk.WriteString(strings.Repeat("x", n) + "\n")
	}
	if o := in.take(c, []byte(chunk.String())); o.blocked.on != waitNothing {
		t.Fatalf("%+v", o)
	}
	b, _ := in.srv.rings[in.srv.deadLane].Next()
	if b.Count != len(sizes) {
		t.Fatalf("%d letters of %d records", b.Count, len(sizes))
	}
	b.Records(func(i int, r shard.Record) bool {
		m, cut := shard.ParseDeadLetterMeta(r.Meta), 0
		if sizes[i] > 50 {
			cut = sizes[i]
		}
		if len(r.Value) != min(sizes[i], 50) || m.Truncated != cut || m.Reason != codec.BadJSON.String() || r.Ordinal != uint64(i+1) {
			t.Errorf("letter %d of %d bytes: record %d, %d bytes, %+v", i, sizes[i], r.Ordinal, len(r.Value), m)
		}
		return true
	})
}

// TestCutOff: what was unfinished when we ended a connection is counted as truncated, whatever it is,
// and has no number: no ack covers it, and its client sends it again. Where the client ended it, it
// is a record that is judged.
func TestCutOff(t *testing.T) {
	for _, byUs := range []bool{true, false} {
		in, c := admitting(t)
		in.take(c, []byte(record(1)+"\n{\"numb"))
		if o := in.end(c, byUs); o.blocked.on != waitNothing {
			t.Fatalf("%+v", o)
		}
		framed, reason := uint64(1), codec.Truncated
		if !byUs {
			framed, reason = 2, codec.BadJSON
		}
		if c.framed != framed || in.counts.rejected[reason].load() != 1 {
			t.Errorf("by us %v: %d records, %d rejected as %v", byUs, c.framed, in.counts.rejected[reason].load(), reason)
		}
	}
}

// TestNoMoreThanTheRoom: a record is not taken where its batch would have a granule more than there is.
func TestNoMoreThanTheRoom(t *testing.T) {
	in, c := admitting(t)
	ring := in.srv.rings[1]
	rec := `{"number":1,"pad":"` + strings.Repeat("x", 583) + `"}`
	room := shard.BatchBytes(1, len(rec))
	if short := shard.BatchBytes(0, len(rec)); short != room-shard.BatchBytes(0, 0) {
		t.Fatalf("a batch of %d bytes has %d without its record's header: this proves nothing", room, short)
	}
	for _, left := range []int{room - shard.BatchBytes(0, 0), room} {
		for free := ring.Capacity() - ring.Used() - left; free > 0; free = ring.Capacity() - ring.Used() - left {
			n := min(free, ring.Capacity()/4) - shard.BatchBytes(1, 0)
			claim, err := ring.Claim(1, n)
			if err != nil {
				t.Fatal(err)
			}
			claim.Append(make([]byte, n), nil, 0)
			claim.Publish()
		}
		o := in.take(c, []byte(rec+"\n"))
		if wants := left < room; (o.blocked.on == waitRoom) != wants || ring.Used() > ring.Capacity() {
			t.Errorf("%d bytes free, %d needed: %+v, %d of %d used", left, room, o, ring.Used(), ring.Capacity())
		}
		for b, ok := ring.Next(); ok; b, ok = ring.Next() {
			ring.Free(b.End)
		}
		c.overflow = nil
	}
}

// TestLastRecordsAreNotLostForABatch: where nobody waits any more, what finds no room in a batch that is
// full is lost only if its ring has none either.
func TestLastRecordsAreNotLostForABatch(t *testing.T) {
	in, c := admitting(t)
	close(in.srv.giveUp)
	ring := in.srv.rings[1]
	chunk, n := lines(700_000)
	in.take(c, []byte(chunk))
	for b, ok := ring.Next(); ok; b, ok = ring.Next() {
		n -= b.Count
	}
	if n != 0 || in.srv.lost.Load() != 0 {
		t.Errorf("%d records missing, %d lost, and there was room", n, in.srv.lost.Load())
	}
}

// TestLostIsNeverAcked: nor is anything behind it on its connection.
func TestLostIsNeverAcked(t *testing.T) {
	s, c := bareServer(t, codec.Newline, true)
	in, err := newIntake(s)
	if err != nil {
		t.Fatal(err)
	}
	close(s.giveUp)
	full := s.rings[1]
	for free := full.Capacity(); free > 0; free = full.Capacity() - full.Used() {
		if _, err := full.Claim(1, min(free, full.Capacity()/4)-shard.BatchBytes(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	in.take(c, []byte(record(2)+"\n"+record(1)+"\n"+record(2)+"\n"))
	for b, ok := s.rings[2].Next(); ok; b, ok = s.rings[2].Next() {
		s.rings[2].Free(b.End)
	}
	c.loop.domain.Pass()
	if a := c.acks.Snapshot(); c.framed != 3 || s.lost.Load() != 1 || a.Done > 1 || !c.acks.Owes() {
		t.Errorf("%d records, %d lost, %d acked", c.framed, s.lost.Load(), a.Done)
	}
}
