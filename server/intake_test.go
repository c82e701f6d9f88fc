package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// intakeRig is an intake and one connection: no server, no sockets.
type intakeRig struct {
	*intake
	c      *conn
	domain *ack.Domain[*conn]
	giveUp chan struct{}
	log    bytes.Buffer
}

func newIntakeRig(t *testing.T, acks bool) *intakeRig {
	t.Helper()
	r := &intakeRig{c: &conn{id: 1}, giveUp: make(chan struct{})}
	var set shard.Set
	var positions []ack.Position
	for i := range shards {
		set.Rings = append(set.Rings, newRing(t, fmt.Sprint(i), 1<<20))
		positions = append(positions, set.Rings[i])
	}
	set.Dead = newRing(t, "dead-letter", 1<<20)
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	clock := &servedClock{}
	env := &intakeEnv{memory: &budget{}, giveUp: r.giveUp,
		samples: &samples{limitedLog: &limitedLog{log: log, clock: clock}, listeners: newListenerCounts(1)}}
	env.init(set, testMaxRecord)
	env.memory.init(1, 1, testMaxRecord)
	var err error
	r.intake, err = newIntake(env, codec.Options{Field: "number", Shards: shards, MaxRecordBytes: testMaxRecord})
	if err != nil {
		t.Fatal(err)
	}
	r.c.dec.Init(codec.Newline)
	if acks {
		r.domain = ack.New(append(positions, set.Dead), ack.Options[*conn]{Clock: clock.now, Now: clock.now, LinesSaid: env.memory.linesSaid})
		r.c.acks = r.domain.NewConn(r.c)
	}
	return r
}

func (r *intakeRig) ring(i int) *shard.Ring { return r.env.rooms[i].ring }

// drain takes everything out of a ring.
func (r *intakeRig) drain(ring int) (recs []taken) {
	for b, ok := r.ring(ring).Next(); ok; b, ok = r.ring(ring).Next() {
		b.Records(func(_ int, rec shard.Record) bool {
			recs = append(recs, taken{b.Conn, rec.Ordinal, string(rec.Value), string(rec.Meta)})
			return true
		})
		r.ring(ring).Free(b.End)
	}
	return recs
}

// fill leaves no room in a ring.
func (r *intakeRig) fill(t *testing.T, ring int) {
	full := r.ring(ring)
	for free := full.Capacity(); free > 0; free = full.Capacity() - full.Used() {
		n := min(free, full.Capacity()/4) - shard.BatchBytes(1, 0)
		claim, err := full.Claim(1, n)
		if err != nil {
			t.Fatal(err)
		}
		claim.Append(make([]byte, n), nil, 0)
		claim.Publish()
	}
}

// TestIntake: records go into the rings of their digits, in order, by their ordinals on the
// connection, wherever a read ends; a rejected record goes to the dead letters with its reason.
func TestIntake(t *testing.T) {
	r := newIntakeRig(t, true)
	first, second, third := record(1), record(2), record(11)
	stream := first + "\n" + second + "\nbad\n" + third + "\n"
	for _, cut := range []int{0, 3, len(first), len(first) + 1, len(stream) - 1} {
		before := r.c.framed
		for _, chunk := range []string{stream[:cut], stream[cut:]} {
			if o := r.take(r.c, []byte(chunk)); o != (outcome{}) {
				t.Fatalf("cut at %d: %+v", cut, o)
			}
		}
		if r.c.framed != before+4 || r.c.overflow != nil || r.c.partial != 0 {
			t.Fatalf("cut at %d: %d records, overflow %v", cut, r.c.framed-before, r.c.overflow)
		}
		if got, want := r.drain(1), []taken{{1, before + 1, first, ""}, {1, before + 4, third, ""}}; !slices.Equal(got, want) {
			t.Errorf("cut at %d: %v, want %v", cut, got, want)
		}
		if got, want := r.drain(2), []taken{{1, before + 2, second, ""}}; !slices.Equal(got, want) {
			t.Errorf("cut at %d: %v, want %v", cut, got, want)
		}
		dead := r.drain(r.env.dead)
		if len(dead) != 1 || dead[0].ordinal != before+3 || dead[0].value != "bad" || !strings.Contains(dead[0].meta, codec.BadJSON.String()) {
			t.Errorf("cut at %d: dead letters %v", cut, dead)
		}
		if r.domain.Pass(); r.c.acks.Snapshot().Done != r.c.framed {
			t.Errorf("cut at %d: %d of %d done", cut, r.c.acks.Snapshot().Done, r.c.framed)
		}
	}
}

// TestOverflow: the first record that finds no room, and all behind it, waits; nothing overtakes
// it, and it has no ordinal yet. Once there is room it goes on, byte for byte.
func TestOverflow(t *testing.T) {
	for _, acks := range []bool{false, true} {
		r := newIntakeRig(t, acks)
		r.fill(t, 1)
		chunk := []byte(record(2) + "\n" + record(1) + "\n" + record(12) + "\nbad\n" + record(3)[:5])
		o := r.take(r.c, chunk)
		clear(chunk) // it was borrowed
		if o.blocked != (blocked{waitRoom, 1}) || r.c.framed != 1 || r.c.overflow == nil {
			t.Fatalf("%+v, %d records", o, r.c.framed)
		}
		if n := r.env.memory.inUse(); n < int64(len(chunk)/2) {
			t.Errorf("%d bytes are charged", n)
		}
		if o = r.resume(r.c); o.blocked.on != waitRoom || r.c.framed != 1 {
			t.Fatalf("there is no room, and %+v, %d records", o, r.c.framed)
		}
		r.drain(1)
		if o = r.resume(r.c); o != (outcome{}) || r.c.overflow != nil || r.c.framed != 4 || !r.c.dec.Unfinished() {
			t.Fatalf("%+v, %d records, overflow %v", o, r.c.framed, r.c.overflow)
		}
		r.take(r.c, []byte(record(3)[5:]+"\n"))
		if got, want := r.drain(1), []taken{{1, 2, record(1), ""}}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if got, want := r.drain(2), []taken{{1, 1, record(2), ""}, {1, 3, record(12), ""}}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if got, want := r.drain(3), []taken{{1, 5, record(3), ""}}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// lines is about so many bytes of records for ring 1, and how many records.
func lines(bytes int) (string, int) {
	line := `{"number":1,"pad":"` + strings.Repeat("x", 80) + "\"}\n"
	return strings.Repeat(line, bytes/len(line)), bytes / len(line)
}

// TestPromisesAreGivenBack: once a chunk is in its rings, all the rest of them is room.
func TestPromisesAreGivenBack(t *testing.T) {
	r := newIntakeRig(t, false)
	in, c := r.intake, r.c
	ring := in.env.rooms[1].ring
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
	r := newIntakeRig(t, false)
	in, c := r.intake, r.c
	ring := in.env.rooms[1].ring
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
	r := newIntakeRig(t, false)
	in, c := r.intake, r.c
	ring := in.env.rooms[1].ring
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

// TestDeadLettersOfAChunk: each says how long its own record was, whichever came before it for the
// same reason, and none is longer than its topic takes.
func TestDeadLettersOfAChunk(t *testing.T) {
	r := newIntakeRig(t, false)
	in, c := r.intake, r.c
	in.env.maxDeadLetter.Store(50)
	var chunk strings.Builder
	sizes := []int{10, 100, 20, 60, 50, 51, 30}
	for _, n := range sizes {
		chunk.WriteString(strings.Repeat("x", n) + "\n")
	}
	if o := in.take(c, []byte(chunk.String())); o.blocked.on != waitNothing {
		t.Fatalf("%+v", o)
	}
	b, _ := in.env.rooms[in.env.dead].ring.Next()
	if b.Count != len(sizes) {
		t.Fatalf("%d dead letters of %d records", b.Count, len(sizes))
	}
	b.Records(func(i int, r shard.Record) bool {
		m, cut := shard.ParseDeadLetterMeta(r.Meta), 0
		if sizes[i] > 50 {
			cut = sizes[i]
		}
		if len(r.Value) != min(sizes[i], 50) || m.Truncated != cut || m.Reason != codec.BadJSON.String() || r.Ordinal != uint64(i+1) {
			t.Errorf("dead letter %d of %d bytes: record %d, %d bytes, %+v", i, sizes[i], r.Ordinal, len(r.Value), m)
		}
		return true
	})
}

// TestCutOff: what was unfinished when we ended a connection is counted as truncated, whatever it
// is, and has no number: no ack covers it, and its client sends it again. Where the client ended
// it, it is a record that is judged.
func TestCutOff(t *testing.T) {
	for _, byUs := range []bool{true, false} {
		r := newIntakeRig(t, false)
		in, c := r.intake, r.c
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

// TestNoMoreThanTheRoom: a record is not taken where its batch would have a granule more than there
// is.
func TestNoMoreThanTheRoom(t *testing.T) {
	r := newIntakeRig(t, false)
	in, c := r.intake, r.c
	ring := in.env.rooms[1].ring
	rec := `{"number":1,"pad":"` + strings.Repeat("x", 560) + `"}`
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

// TestLastRecordsAreNotLostForABatch: where nobody waits any more, what finds no room in a batch
// that is full is lost only if its ring has none either.
func TestLastRecordsAreNotLostForABatch(t *testing.T) {
	r := newIntakeRig(t, false)
	in, c := r.intake, r.c
	close(r.giveUp)
	ring := in.env.rooms[1].ring
	chunk, n := lines(700_000)
	in.take(c, []byte(chunk))
	for b, ok := ring.Next(); ok; b, ok = ring.Next() {
		n -= b.Count
	}
	if n != 0 || in.env.lost.Load() != 0 {
		t.Errorf("%d records missing, %d lost, and there was room", n, in.env.lost.Load())
	}
}

// TestLostIsNeverAcked: nor is anything behind it on its connection.
func TestLostIsNeverAcked(t *testing.T) {
	r := newIntakeRig(t, true)
	c := r.c
	close(r.giveUp)
	r.fill(t, 1)
	r.take(c, []byte(record(2)+"\n"+record(1)+"\n"+record(2)+"\n"))
	r.drain(2)
	r.domain.Pass()
	if a := c.acks.Snapshot(); c.framed != 3 || r.env.lost.Load() != 1 || a.Done > 1 || !c.acks.Owes() {
		t.Errorf("%d records, %d lost, %d acked", c.framed, r.env.lost.Load(), a.Done)
	}
}
