package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

const rigShards = 10

// rig is a real server in this process. What its rings get goes into a ledger, in
// the place of Kafka, or is discarded.
type rig struct {
	*server.Server
	set     shard.Set
	stopped chan struct{}

	ledger    *ledger
	keepers   sync.WaitGroup
	discarder *producer.Discarder // where there is no ledger
}

// newRig starts a server with an ack listener; with a ledger, what it takes is kept
// there, otherwise thrown away.
func newRig(t testing.TB, l server.Listener, keep *ledger) *rig {
	t.Helper()
	r, err := startRig(l, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	return r
}

func startRig(l server.Listener, keep *ledger) (*rig, error) {
	return startRigWith(server.Options{Listeners: []server.Listener{l}}, keep)
}

func startRigWith(o server.Options, keep *ledger) (*rig, error) {
	r := &rig{ledger: keep, stopped: make(chan struct{})}
	for i := range rigShards {
		ring, err := shard.New(shard.Options{Name: fmt.Sprint(i), Bytes: 1 << 20})
		if err != nil {
			return nil, err
		}
		r.set.Rings = append(r.set.Rings, ring)
	}
	o.Listeners[0].Ack = true
	o.Codec = codec.Options{Field: "number", Shards: rigShards, MaxRecordBytes: 64 << 10}
	o.Loops, o.Rings = 2, r.set
	var err error
	r.Server, err = server.New(o)
	if err != nil {
		return nil, err
	}
	if keep != nil {
		for i := range rigShards {
			r.keepers.Go(func() { r.keep(i) })
		}
		return r, r.Start()
	}
	if r.discarder, err = producer.NewDiscarder(r.set, false, r.AcksMoved, nil); err != nil {
		return nil, err
	}
	r.discarder.Start()
	return r, r.Start()
}

// keep empties a ring into the ledger.
func (r *rig) keep(i int) {
	ring := r.set.Rings[i]
	for {
		b, ok := ring.Next()
		if ok {
			b.Records(func(_ int, rec shard.Record) bool {
				r.ledger.take(string(rec.Value))
				return true
			})
			ring.Free(b.End)
			r.AcksMoved()
			continue
		}
		select {
		case <-r.stopped:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// stop may be called again.
func (r *rig) stop() {
	if isClosed(r.stopped) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r.Finish(ctx)
	close(r.stopped)
	r.keepers.Wait()
	if r.discarder != nil {
		r.discarder.Drain()
	}
	for _, ring := range r.set.Rings {
		if err := ring.Release(); err != nil {
			panic(err)
		}
	}
}

// StartServer starts a server for the examples.
func StartServer() (address string, stop func()) {
	r, err := startRig(local(codec.Auto), nil)
	if err != nil {
		panic(err)
	}
	return r.address(), r.stop
}

func (r *rig) address() string {
	a := r.Addrs()[0]
	return a.Network() + "://" + a.String()
}

// cutter is a proxy that cuts connections after a random number of bytes, either way,
// with a FIN or a reset, until it has cut enough.
type cutter struct {
	ln   net.Listener
	to   net.Addr
	done sync.WaitGroup

	mu    sync.Mutex
	rng   *rand.Rand
	cuts  int // to come
	conns []net.Conn
	stop  bool
}

func newCutter(t *testing.T, to net.Addr, rng *rand.Rand, cuts int) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{ln: ln, to: to, rng: rng, cuts: cuts}
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *cutter) address() string { return "tcp://" + p.ln.Addr().String() }

func (p *cutter) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *cutter) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.stop = true
	for _, nc := range p.conns {
		_ = nc.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
}

func (p *cutter) accept() {
	for {
		in, err := p.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial(p.to.Network(), p.to.String())
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		if p.stop {
			_, _ = in.Close(), out.Close()
		}
		p.conns = append(p.conns, in, out)
		there, back := -1, -1
		if p.cuts > 0 {
			p.cuts--
			there, back = p.rng.IntN(20_000), p.rng.IntN(500)
			if p.rng.IntN(2) == 0 {
				back = -1
			}
		}
		rude := p.rng.IntN(2) == 0
		p.mu.Unlock()
		p.done.Go(func() { copyUntil(out, in, there, rude) })
		p.done.Go(func() { copyUntil(in, out, back, rude) })
	}
}

// copyUntil passes on limit bytes, −1 for all, and the end. At the limit it cuts both.
func copyUntil(dst, src net.Conn, limit int, rude bool) {
	buf := make([]byte, 4<<10)
	for {
		most := len(buf)
		if limit >= 0 {
			most = min(most, limit)
		}
		if most == 0 {
			if rude {
				reset(dst)
				reset(src)
			}
			_, _ = dst.Close(), src.Close()
			return
		}
		n, err := src.Read(buf[:most])
		if _, werr := dst.Write(buf[:n]); werr != nil {
			_ = src.Close()
			return
		}
		if limit >= 0 {
			limit -= n
		}
		if err != nil {
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			return
		}
	}
}
