package server

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/shard"
)

// allHeaders is one of each.
var allHeaders = []Header{{"remote", TellAddress}, {"received", TellTime}, {"client", TellName}}

// headersRig is an intake with headers, and a connection with an address and a name.
func headersRig(t *testing.T, acks bool) *intakeRig {
	r := newIntakeRig(t, acks)
	r.env.headers = allHeaders
	r.c.remote = netip.MustParseAddrPort("192.0.2.7:5000")
	r.c.name = "ada"
	return r
}

// readHeaders are a batch's headers as name=value; what received says is checked, and left out.
func readHeaders(t *testing.T, b []byte, since time.Time) (out []string) {
	t.Helper()
	if b == nil {
		return nil
	}
	next := func() int {
		v, n := binary.Varint(b)
		b = b[n:]
		return int(v)
	}
	text := func() string {
		n := next()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	n := next()
	if n == 0 {
		t.Error("a batch has headers, and there are none in them")
	}
	for range n {
		name, value := text(), text()
		if name == "received" {
			ms, err := strconv.ParseInt(value, 10, 64)
			if err != nil || ms < since.UnixMilli() || ms > time.Now().UnixMilli() {
				t.Errorf("received %q, want the time between %d and now: %v", value, since.UnixMilli(), err)
			}
			value = ""
		}
		out = append(out, name+"="+value)
	}
	return out
}

// drainHeaders takes everything out of a ring, and returns the headers of each batch.
func (r *intakeRig) drainHeaders(t *testing.T, ring int, since time.Time) (out [][]string) {
	t.Helper()
	for b, ok := r.ring(ring).Next(); ok; b, ok = r.ring(ring).Next() {
		out = append(out, readHeaders(t, b.Headers(), since))
		r.ring(ring).Free(b.End)
	}
	return out
}

// TestHeaders: each batch of a read has the headers of its connection, whatever its ring, as it was
// then; dead letters have their own and no others.
func TestHeaders(t *testing.T) {
	r := headersRig(t, true)
	since := time.Now()
	for _, c := range []struct {
		remote, name string
		headers      []Header
		want         []string
	}{
		{"192.0.2.7:5000", "ada", allHeaders, []string{"remote=192.0.2.7:5000", "received=", "client=ada"}},
		{"[2001:db8::1]:7", "", allHeaders, []string{"remote=[2001:db8::1]:7", "received="}},
		{"", "", allHeaders, []string{"remote=unix", "received="}},
		{"192.0.2.7:5000", "", allHeaders[2:], nil},
		{"192.0.2.7:5000", "", nil, nil},
		{"192.0.2.7:5000", strings.Repeat("n", 300), allHeaders[2:], []string{"client=" + strings.Repeat("n", 300)}},
	} {
		r.c.remote, _ = netip.ParseAddrPort(c.remote)
		r.c.name, r.env.headers = c.name, c.headers
		r.take(r.c, []byte(record(1)+"\n"+record(2)+"\nbad\n"+record(1)+"\n"))
		for _, ring := range []int{1, 2} {
			if got := r.drainHeaders(t, ring, since); len(got) != 1 || !slices.Equal(got[0], c.want) {
				t.Errorf("%+v: ring %d has %q", c, ring, got)
			}
		}
		if got := r.drainHeaders(t, r.env.dead, since); len(got) != 1 || got[0] != nil {
			t.Errorf("%+v: dead letters have the headers %q", c, got)
		}
	}
}

// TestHeadersWhenItHadToWait: records that waited for room have the headers too, with the time at
// which they were taken, and so have those that are only peeked at.
func TestHeadersWhenItHadToWait(t *testing.T) {
	r := headersRig(t, false)
	r.fill(t, 1)
	if o := r.take(r.c, []byte(record(1)+"\n"+record(2)+"\n")); o.blocked.on != waitRoom {
		t.Fatalf("%+v, and the ring is full", o)
	}
	r.drain(1)
	since := time.Now()
	if o := r.resume(r.c); o != (outcome{}) {
		t.Fatalf("%+v", o)
	}
	want := []string{"remote=192.0.2.7:5000", "received=", "client=ada"}
	for _, ring := range []int{1, 2} {
		if got := r.drainHeaders(t, ring, since); len(got) != 1 || !slices.Equal(got[0], want) {
			t.Errorf("ring %d: %q, want %q", ring, got, want)
		}
	}
	r.peek(r.c, []byte(record(3)+"\n"))
	if got := r.drainHeaders(t, 3, since); len(got) != 1 || !slices.Equal(got[0], want) {
		t.Errorf("peeked at: %q, want %q", got, want)
	}
}

// TestHeadersCount: for the record limit a record has the size of its bytes and its headers; what
// is over it is too large, and the next one is not.
func TestHeadersCount(t *testing.T) {
	r := headersRig(t, false)
	r.env.headers = allHeaders[:1]
	headers := len("\x02\x0cremote\x1c192.0.2.7:5000")
	sized := func(n int) string {
		const frame = `{"number":1,"pad":""}`
		return frame[:len(frame)-2] + strings.Repeat("x", n-len(frame)) + `"}`
	}
	most := testMaxRecord - headers
	for _, n := range []int{most, most + 1, most} {
		r.take(r.c, []byte(sized(n)+"\n"))
		if got := len(r.drain(1)); got != 1 && n <= most || got != 0 && n > most {
			t.Errorf("%d records of %d bytes are taken, with headers of %d, and %d are allowed", got, n, headers, testMaxRecord)
		}
	}
	if got := r.counts.rejected[codec.TooLarge].load(); got != 1 {
		t.Errorf("%d are rejected as too large, want 1", got)
	}
	dead := r.drain(r.env.dead)
	if len(dead) != 1 || dead[0].value != sized(most+1) {
		t.Errorf("%d dead letters", len(dead))
	}
}

// TestRoomForHeaders: a record is not taken where its ring has room for it and not for its headers.
func TestRoomForHeaders(t *testing.T) {
	r := headersRig(t, false)
	r.env.headers = allHeaders[2:]
	r.c.name = strings.Repeat("n", 200)
	ring := r.ring(1)
	room := shard.BatchBytes(1, len(record(1))+len(r.c.name)+len("\x02\x0cclient\x90\x03"))
	for _, left := range []int{room - 64, room} {
		for free := ring.Capacity() - ring.Used() - left; free > 0; free = ring.Capacity() - ring.Used() - left {
			n := min(free, ring.Capacity()/4) - shard.BatchBytes(1, 0)
			claim, err := ring.Claim(1, n)
			if err != nil {
				t.Fatal(err)
			}
			claim.Append(make([]byte, n), nil, 0)
			claim.Publish()
		}
		o := r.take(r.c, []byte(record(1)+"\n"))
		if waits := o.blocked.on == waitRoom; waits != (left < room) || ring.Used() > ring.Capacity() {
			t.Errorf("%d bytes free, %d needed: %+v, %d of %d used", left, room, o, ring.Used(), ring.Capacity())
		}
		r.drain(1)
		r.c.overflow = nil
	}
}

// TestHeadersAllocateNothing: not for a read, and so not for a record.
func TestHeadersAllocateNothing(t *testing.T) {
	r := headersRig(t, false)
	chunk := []byte(record(1) + "\n" + record(2) + "\n")
	n := testing.AllocsPerRun(200, func() {
		r.take(r.c, chunk)
		for _, ring := range []int{1, 2} {
			b, _ := r.ring(ring).Next()
			r.ring(ring).Free(b.End)
		}
	})
	if n > 0 && !invariant.Enabled {
		t.Errorf("%v allocations a read", n)
	}
}

// TestServerGivesHeaders: what a server is told to give records, they have, by their client's own
// address.
func TestServerGivesHeaders(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.Headers = allHeaders })
	since := time.Now()
	for range 2 {
		nc := r.dial()
		r.send(nc, record(1)+"\n")
		want := []string{"remote=" + nc.LocalAddr().String(), "received="}
		r.eventually("a batch with its client's headers", func() bool {
			r.w.mu.Lock()
			defer r.w.mu.Unlock()
			return slices.ContainsFunc(r.w.headers, func(b []byte) bool { return slices.Equal(readHeaders(t, b, since), want) })
		})
	}
}
