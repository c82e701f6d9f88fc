package client

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("client.seed", 0, "seed of the random tests; 0: a new one each time")

// binaries is a directory for what is built.
var binaries string

// TestMain also looks for goroutines that tests leave behind.
func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if binaries, err = os.MkdirTemp("", "ringtail-client-test"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binaries)
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(code) // whoever fuzzes leaves os/signal's
	}
	for end := time.Now().Add(30 * time.Second); code == 0 && runtime.NumGoroutine() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			code = 1
		}
	}
	os.Exit(code)
}

// newRand makes a source whose seed is printed if the test fails.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-client.seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// within is a context that ends only when a test hangs.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// record is the k-th record of a test: number, and padding of a length that depends
// on it.
func record(k uint64) string {
	return fmt.Sprintf(`{"k":%d,"number":%d,"pad":"%s"}`, k, k*7919%1000, strings.Repeat("p", int(k*31%300)))
}

func recordNumber(s string) (uint64, bool) {
	var k uint64
	_, err := fmt.Sscanf(s, `{"k":%d,`, &k)
	return k, err == nil && s == record(k)
}

// ledger is what a server took, in order, and what was acked to the client; its check
// is the proof of a test.
type ledger struct {
	mu    sync.Mutex
	t     testing.TB
	taken []uint64
	have  map[uint64]int // copies of each
	acked uint64
	wrong []string
}

func newLedger(t testing.TB) *ledger { return &ledger{t: t, have: map[uint64]int{}} }

func (l *ledger) take(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := recordNumber(s)
	if !ok {
		l.wrong = append(l.wrong, fmt.Sprintf("taken: %.80q", s))
		return
	}
	l.taken = append(l.taken, k)
	l.have[k]++
}

// onAck is Options.OnAck: nothing may be acked that was not taken.
func (l *ledger) onAck(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.acked < seq {
		l.acked++
		if l.have[l.acked] == 0 {
			l.wrong = append(l.wrong, fmt.Sprintf("record %d was acked and not taken", l.acked))
		}
	}
}

// firstCopies fails where, among the records that same calls alike, the first copy of
// a later one came before that of an earlier one.
func (l *ledger) firstCopies(same func(k uint64) uint64) {
	l.t.Helper()
	last := map[uint64]uint64{}
	seen := map[uint64]bool{}
	for _, k := range l.taken {
		if seen[k] {
			continue
		}
		seen[k] = true
		if d := same(k); k < last[d] {
			l.t.Errorf("the first copy of %d came behind that of %d", k, last[d])
		} else {
			last[d] = k
		}
	}
}

// check fails unless records 1 to n were taken, unchanged, first copies in order, and
// acked only then.
func (l *ledger) check(n uint64, same func(k uint64) uint64) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wrong {
		l.t.Error(w)
	}
	for k := uint64(1); k <= n; k++ {
		if l.have[k] == 0 {
			l.t.Errorf("record %d was never taken", k)
		}
	}
	if len(l.have) > int(n) || l.acked != n {
		l.t.Errorf("%d different records taken, %d acked, of %d sent", len(l.have), l.acked, n)
	}
	l.firstCopies(same)
}

func anyRecord(uint64) uint64 { return 0 }
func digit(k uint64) uint64   { return k * 7919 % 10 }

// causes is why connections have ended, as the log has it.
type causes struct {
	slog.Handler
	all chan error
}

func newCauses() causes { return causes{slog.DiscardHandler, make(chan error, 1000)} }

func (causes) Enabled(context.Context, slog.Level) bool { return true }

func (c causes) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			select {
			case c.all <- err:
			default:
			}
		}
		return true
	})
	return nil
}

// fast are options for tests: little waiting, small windows.
func fast(o Options) Options {
	o.BackoffMin, o.BackoffMax = time.Millisecond, 10*time.Millisecond
	if o.WindowRecords == 0 {
		o.WindowRecords = 64
	}
	if o.WindowBytes == 0 {
		o.WindowBytes, o.MaxRecordBytes = 8<<10, 1<<10
	}
	return o
}

func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(ctx)
	})
	return c
}

// sendAll sends records 1 to n.
func sendAll(t *testing.T, ctx context.Context, c *Client, n uint64) {
	t.Helper()
	for k := uint64(1); k <= n; k++ {
		seq, err := c.Send(ctx, []byte(record(k)))
		if err != nil || seq != k {
			t.Fatalf("record %d: number %d, %v", k, seq, err)
		}
	}
}
