//go:build linux

package shard

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var killRounds = flag.Int("kill.rounds", 0, "how often TestKilled kills (0: some hundred times, fewer with -short)")

// TestKilled runs writers and a consumer at full speed on a ring file, in a process of
// their own, kills it at a random moment, and reads the file: each batch that was
// announced and not freed is there, whole and in order. Then the next process opens
// the same file, and is killed, perhaps while it opens it.
func TestKilled(t *testing.T) {
	rounds := *killRounds
	if rounds == 0 {
		rounds = 200
		if testing.Short() {
			rounds = 12
		}
	}
	dir := ringDir(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	told := mapAnnounced(t, dir)
	holes, opening, laps := 0, 0, uint64(0)
	for round := range rounds {
		if !killOnce(t, dir, told, rng) {
			opening++
		}
		s := verify(t, dir, told)
		if t.Failed() {
			t.Fatalf("round %d of seed %d", round, seed)
		}
		if s != nil {
			holes += len(s.holes)
			laps = s.claimed / s.capacity
		}
	}
	t.Logf("killed %d times, %d of them while it opened the file; %d holes, %d laps", rounds, opening, holes, laps)
	if rounds >= 200 && (holes == 0 || laps < 10) {
		t.Error("the writers were never killed in the middle of a copy, or did hardly anything: this proves nothing")
	}
}

// announced is a page that child and parent share.
type announced struct {
	running atomic.Uint64 // the process that has opened the file
	writers [killWriters]struct {
		published atomic.Uint64 // batches below are published
		freeing   atomic.Uint64 // batches below may be freed
		freed     atomic.Uint64 // batches below are freed
	}
}

const (
	killWriters = 4
	killEnv     = "RINGTAIL_TEST_RING_CHILD"
)

func killOptions(dir string) DirOptions {
	return DirOptions{Path: filepath.Join(dir, "rings"), Topic: "t", Shards: 1, Bytes: 512 << 10}
}

func mapAnnounced(tb testing.TB, dir string) *announced {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "announced"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Truncate(4096)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		tb.Fatal(err)
	}
	return (*announced)(unsafe.Pointer(&b[0])) // mapped until the process ends
}

// killOnce starts a child and kills it; false if it had not opened the file yet.
func killOnce(t *testing.T, dir string, told *announced, rng *rand.Rand) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), killEnv+"="+dir)
	cmd.Stderr, cmd.Stdout = os.Stderr, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	told.running.Store(0)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait := time.Duration(rng.IntN(20_000)) * time.Microsecond
	if rng.IntN(4) == 0 {
		wait *= 2 // from the process's start
	} else {
		for deadline := time.Now().Add(time.Minute); told.running.Load() == 0; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(deadline) {
				t.Fatal("the child does not get to its work")
			}
		}
	}
	time.Sleep(wait)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return told.running.Load() != 0
}

// verify reads the file that a killed process left. nil: there is none yet.
func verify(t *testing.T, dir string, told *announced) *fileScan {
	t.Helper()
	f, h, err := openHeader(filepath.Join(dir, "rings", ringFileName(0)), os.O_RDONLY)
	if os.IsNotExist(err) && told.writers[0].published.Load() == 0 {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var first, next [killWriters]uint64
	s, err := scanFile(f, h, func(b Batch) {
		w, seq := killCheck(t, &b)
		if next[w] == 0 {
			first[w], next[w] = seq, seq
		}
		if seq != next[w] {
			t.Errorf("writer %d: batch %d comes where %d should", w, seq, next[w])
		}
		next[w] = seq + 1
	})
	if err != nil {
		t.Fatal(err)
	}
	for w := range told.writers {
		a := &told.writers[w]
		published, freeing, freed := a.published.Load(), a.freeing.Load(), a.freed.Load()
		if next[w] == 0 {
			first[w], next[w] = freeing, freeing // nothing held: all was freed, or was about to be
		}
		if next[w] < published || first[w] > freeing && freeing < published || first[w] < freed {
			t.Errorf("writer %d: file holds %d to %d; published %d, freed %d, being freed %d",
				w, first[w], next[w], published, freed, freeing)
		}
	}
	return s
}

// killCheck checks a batch's bytes and headers and returns whose it is and its number.
func killCheck(t *testing.T, b *Batch) (writer int, seq uint64) {
	t.Helper()
	b.Records(func(i int, r Record) bool {
		if i == 0 {
			writer, seq = int(r.Value[0]), binary.LittleEndian.Uint64(r.Value[1:])
		}
		for k, x := range r.Value {
			if want := killByte(writer, seq, i, k); x != want {
				t.Errorf("writer %d, batch %d, record %d: byte %d is %d, want %d", writer, seq, i, k, x, want)
				return false
			}
		}
		return true
	})
	if want := someHeaders(writer + int(seq%1000)); b.Count > 0 && string(b.Headers()) != string(want) {
		t.Errorf("writer %d, batch %d: headers %q, want %q", writer, seq, b.Headers(), want)
	}
	return writer, seq
}

// killByte is byte k of record i.
func killByte(writer int, seq uint64, i, k int) byte {
	switch {
	case k == 0:
		return byte(writer)
	case k < 9:
		return byte(seq >> (8 * (k - 1)))
	}
	return byte(seq) + byte(i) + byte(k/64)
}

// TestKilledChild is the process that is killed.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv(killEnv)
	if dir == "" {
		return
	}
	told := mapAnnounced(t, dir)
	d, err := OpenDir(killOptions(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	r := d.Set().Rings[0]
	if len(d.Damaged()) > 0 {
		fmt.Fprintln(os.Stderr, "set aside:", d.Damaged())
	}
	killConsumer(t, r, told, true)
	told.running.Store(uint64(os.Getpid()))
	var wg sync.WaitGroup
	for w := range killWriters {
		wg.Go(func() { killWriter(r, told, w) })
	}
	killConsumer(t, r, told, false)
	wg.Wait()
}

func killWriter(r *Ring, told *announced, w int) {
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(w)))
	value := make([]byte, 4096)
	for seq := told.writers[w].published.Load(); ; seq++ {
		count, size := 1+rng.IntN(16), 16+rng.IntN(len(value)-16)
		headers := someHeaders(w + int(seq%1000))
		c, err := claimAtLast(r, count, count*(size+len(headers)))
		if err != nil {
			return
		}
		c.SetHeaders(headers)
		for i := range count {
			for k := range size {
				value[k] = killByte(w, seq, i, k)
			}
			c.Append(value[:size], nil, uint32(i))
		}
		c.Publish()
		told.writers[w].published.Store(seq + 1)
	}
}

// killConsumer frees what it reads, some batches late. With recovered it only looks at
// what a former process left, and notes where the writers are.
func killConsumer(t *testing.T, r *Ring, told *announced, recovered bool) {
	type done struct {
		end    uint64
		writer int
		seq    uint64
	}
	var late []done
	for {
		b, ok := r.Next()
		if !ok {
			if recovered {
				r.read = r.Acked()
				return
			}
			time.Sleep(10 * time.Microsecond)
			continue
		}
		if b.Count == 0 {
			continue
		}
		w, seq := killCheck(t, &b)
		a := &told.writers[w]
		if recovered {
			a.published.Store(max(a.published.Load(), seq+1))
			continue
		}
		r.Sending(b.End)
		if late = append(late, done{b.End, w, seq}); len(late) < 8 {
			continue
		}
		told.writers[late[0].writer].freeing.Store(late[0].seq + 1)
		r.Free(late[0].end)
		told.writers[late[0].writer].freed.Store(late[0].seq + 1)
		late = late[1:]
	}
}
