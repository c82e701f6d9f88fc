package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

// clientLog is what one client of the soak knows.
type clientLog struct {
	id       int
	sent     []bool // by record: good
	written  int    // records whose last byte was written
	acked    int64
	rejected map[int]string
	whole    bool // half-closed and read to the end
}

// The soak: clients of every manner over rings that are stuck now and then, with
// small limits. Afterwards every client's knowledge is compared with what arrived:
// acked but missing, twice, out of order, changed, told to be rejected but good.
// TEST_SEED repeats one.
func TestSoak(t *testing.T) { soak(t, false) }

// The same with client memory used up every other moment: connections go to and fro
// between event loops and frugal readers.
func TestSoakWithoutMemory(t *testing.T) { soak(t, true) }

func soak(t *testing.T, short bool) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("TEST_SEED=%d", seed)
	r := newRig(t, func(o *rigOptions) {
		o.ack = true
		o.dead = seed%2 == 0
		o.ClientMemory = 4 << 20
		o.ringBytes = shard.MinBytes(1000)
		o.Codec.MaxRecordBytes = 1000
		o.Listeners = []Listener{
			{Network: "tcp", Address: loopback.Any(), Framing: codec.Newline, Ack: true},
			{Network: "tcp", Address: loopback.Any(), Framing: codec.Length, Ack: true},
			{Network: "unix", Address: t.TempDir() + "/s", Framing: codec.Auto, Ack: true},
		}
	})
	stop := make(chan struct{})
	var nagger, clients sync.WaitGroup
	nagger.Go(func() { stickAndFree(r.w, stop) })
	if short {
		nagger.Go(func() { r.shortNowAndThen(stop) })
	}
	logs := make([]*clientLog, 100)
	for i := range logs {
		logs[i] = &clientLog{id: i, rejected: map[int]string{}}
		clients.Go(func() { soakClient(r, logs[i], rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	clients.Wait()
	close(stop)
	nagger.Wait()
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	checkSoak(t, r.w, logs)
	if !t.Failed() {
		checkChecker(t, r.w, logs)
	}
}

// complaints counts instead of failing.
type complaints int

func (c *complaints) Helper()               {}
func (c *complaints) Errorf(string, ...any) { *c++ }

// checkChecker spoils what arrived, one way after the other: each must be noticed.
func checkChecker(t *testing.T, w *writer, logs []*clientLog) {
	t.Helper()
	acked := func(rec taken) bool {
		var c, k int
		_, _ = fmt.Sscanf(rec.value, `{"c":%d,"k":%d,`, &c, &k)
		return int64(k) < logs[c].acked
	}
	for what, spoil := range map[string]func([]taken, int) []taken{
		"lost":      func(l []taken, i int) []taken { return append(l[:i:i], l[i+1:]...) },
		"twice":     func(l []taken, i int) []taken { return append(l[:i:i], append([]taken{l[i]}, l[i:]...)...) },
		"changed":   func(l []taken, i int) []taken { l[i].value += " "; return l },
		"misplaced": func(l []taken, _ int) []taken { slices.Reverse(l); return l },
	} {
		const ring = 0
		sound := w.records[ring]
		i := slices.IndexFunc(sound, acked)
		if i < 0 {
			t.Fatal("nothing acked in ring 0")
		}
		w.records[ring] = spoil(slices.Clone(sound), i)
		var n complaints
		if checkSoak(&n, w, logs); n == 0 {
			t.Errorf("a record %s is not noticed", what)
		}
		w.records[ring] = sound
	}
}

func soakClient(r *rig, l *clientLog, rng *rand.Rand) {
	which := rng.IntN(3)
	nc, err := r.connect(which, net.Dialer{})
	if err != nil {
		r.t.Error(err)
		return
	}
	defer nc.Close()
	f := []codec.Framing{codec.Newline, codec.Length, codec.Auto}[which]
	read := make(chan struct{})
	reads := rng.IntN(4) > 0
	if reads {
		go func() {
			defer close(read)
			soakReplies(l, nc)
		}()
	} else {
		close(read)
	}
	var b strings.Builder
	var ends []int
	n := 1 + rng.IntN(2000)
	for k := range n {
		good := rng.IntN(50) > 0 || k == 0
		rec := numbered(l.id, k)
		if !good {
			rec = []string{"{]", `{"number":null}`, `{"n":1}`}[rng.IntN(3)]
		}
		l.sent = append(l.sent, good)
		b.WriteString(frame(f, rec))
		ends = append(ends, b.Len())
	}
	stream, off := b.String(), 0
	quit := len(stream) + 1
	if rng.IntN(4) == 0 {
		quit = rng.IntN(len(stream))
	}
	biggest := []int{1, 100, 5000, 200_000}[rng.IntN(4)]
	if biggest == 1 {
		quit = min(quit, 3000)
	}
	for off < len(stream) && off < quit {
		cut := min(len(stream)-off, 1+rng.IntN(biggest))
		_ = nc.SetWriteDeadline(time.Now().Add(30 * time.Second))
		m, err := nc.Write([]byte(stream[off : off+cut]))
		off += m
		if err != nil {
			break
		}
	}
	for l.written < n && ends[l.written] <= off {
		l.written++
	}
	if off < len(stream) {
		if tcp := tcpOf(nc); tcp != nil && rng.IntN(2) == 0 {
			_ = tcp.SetLinger(0)
		}
		_ = nc.Close()
		<-read
		return
	}
	halfClose(nc)
	<-read
	l.whole = reads
}

// soakReplies understands either framing: replies are objects, whatever is between.
func soakReplies(l *clientLog, nc net.Conn) {
	lines, _ := replies(nc)
	for _, piece := range strings.Split(strings.Join(lines, "\n"), "{") {
		piece, _, whole := strings.Cut(piece, "}")
		var n int64
		var reason string
		switch {
		case !whole:
		case strings.HasPrefix(piece, `"acked":`):
			n, _ = strconv.ParseInt(piece[len(`"acked":`):], 10, 64)
			if n <= l.acked {
				l.rejected[-1] = fmt.Sprintf("acked %d after %d", n, l.acked)
			}
			l.acked = n
		default:
			if _, err := fmt.Sscanf(piece, `"rejected":%d,"reason":%q`, &n, &reason); err == nil {
				if n <= l.acked {
					l.rejected[-1] = fmt.Sprintf("rejected %d told after acked %d", n, l.acked)
				}
				l.rejected[int(n-1)] = reason
			}
		}
	}
}

func checkSoak(t interface {
	Helper()
	Errorf(string, ...any)
}, w *writer, logs []*clientLog) {
	t.Helper()
	arrived := make([]map[int]bool, len(logs))
	for i := range arrived {
		arrived[i] = map[int]bool{}
	}
	for i := range shards {
		last := map[int]int{}
		for _, rec := range w.shard(i) {
			var c, k int
			if _, err := fmt.Sscanf(rec.value, `{"c":%d,"k":%d,`, &c, &k); err != nil || rec.value != numbered(c, k) {
				t.Errorf("shard %d: changed: %q", i, rec.value)
				continue
			}
			if was, ok := last[c]; ok && was >= k {
				t.Errorf("shard %d, client %d: %d after %d", i, c, k, was)
			}
			if arrived[c][k] {
				t.Errorf("client %d: %d twice", c, k)
			}
			last[c], arrived[c][k] = k, true
		}
	}
	for _, l := range logs {
		if why := l.rejected[-1]; why != "" {
			t.Errorf("client %d: %s", l.id, why)
		}
		for k := range int(l.acked) {
			if l.sent[k] != arrived[l.id][k] {
				t.Errorf("client %d: record %d acked; good %v, arrived %v", l.id, k, l.sent[k], arrived[l.id][k])
			}
			if _, told := l.rejected[k]; told == l.sent[k] {
				t.Errorf("client %d: record %d acked; good %v, told rejected %v", l.id, k, l.sent[k], told)
			}
		}
		if l.whole && int(l.acked) != len(l.sent) {
			t.Errorf("client %d: %d acked of %d, and it waited for all", l.id, l.acked, len(l.sent))
		}
	}
}
