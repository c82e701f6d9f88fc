package producer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ringtail/ringtail/shard"
)

// In half of its runs the model keeps its rings in files, and its process ends now and
// then: killed at any moment, or stopped cleanly with Kafka in whatever state it is. The
// next process opens the files. What the last one had under way may arrive later, or
// never.

// life is what one process has to account for, and what those before it have counted.
type life struct {
	dir       *shard.Dir
	path      string
	recovered uint64 // records
	pushed    uint64
	counted   uint64   // possible duplicates of former lives
	freed     []uint64 // of each ring, when it was opened
	done      []int    // of each ring, records done by then; their dead letters may still lie in the dead ring
}

// openRings makes the rings, or opens those that the last process left.
func (m *model) openRings() shard.Set {
	const bytes = 1 << 14
	set := shard.Set{}
	if m.files {
		if m.life.path == "" {
			m.life.path = memoryDir(m)
		}
		o := shard.DirOptions{Path: m.life.path, Topic: "t", Shards: len(m.pushed), Bytes: bytes}
		if m.hasDeadLetters {
			o.DeadTopic = "dead"
		}
		dir, err := shard.OpenDir(o)
		if err != nil {
			m.t.Fatal(err)
		}
		if len(dir.Damaged()) > 0 {
			m.t.Errorf("files damaged: %v", dir.Damaged())
		}
		m.life.dir, set = dir, dir.Set()
	} else {
		for i := range m.pushed {
			set.Rings = append(set.Rings, newRing(m, fmt.Sprint(i), bytes))
		}
		if m.hasDeadLetters {
			set.Dead = newRing(m, "dead-letter", bytes)
		}
	}
	m.life.recovered, m.life.pushed, m.life.freed, m.life.done = 0, 0, nil, nil
	for i, r := range set.Rings {
		m.life.recovered += uint64(r.Recovered().Records)
		m.life.done = append(m.life.done, len(m.pushed[i])-r.Recovered().Records)
		m.life.freed = append(m.life.freed, r.Acked())
	}
	return set
}

func newRing(m *model, name string, bytes int) *shard.Ring {
	r, err := shard.New(shard.Options{Name: name, Bytes: bytes})
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// memoryDir is a directory in memory, if there is such a file system.
func memoryDir(m *model) string {
	path, err := os.MkdirTemp("/dev/shm", "ringtail-model-")
	if err != nil {
		path, err = os.MkdirTemp("", "ringtail-model-")
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return path
}

// leave is the end of a process: its instances are gone, and what they had under way
// is nobody's any more.
func (m *model) leave() {
	for _, a := range m.clients {
		if a != nil && !a.tooOld {
			a.Destroy()
		}
	}
	for _, r := range m.rings {
		_ = r.Release()
	}
	if m.dead != nil {
		_ = m.dead.Release()
	}
	if m.life.dir != nil {
		_ = m.life.dir.Close()
	}
	m.life.counted += m.stats.possibleDuplicates.Load()
}

func (m *model) release() {
	m.leave()
	if m.life.path != "" {
		_ = os.RemoveAll(m.life.path)
	}
}

// fate ends the process now and then, and starts the next one.
func (m *model) fate() {
	switch {
	case !m.files:
	case m.crashed || m.rng.IntN(300) == 0:
		m.kill()
	case m.rng.IntN(600) == 0:
		m.restart()
	}
}

// kill ends the process without a word, some writers in the middle of their copies.
func (m *model) kill() {
	m.world.faults["killed"]++
	for i, r := range m.rings {
		if r.Acked() == m.life.freed[i] && m.life.recovered > 0 {
			m.world.faults["killed again before anything was freed"]++
		}
		for range m.rng.IntN(3) {
			if _, err := r.Claim(2, 40+m.rng.IntN(500)); err == nil {
				m.world.faults["writer died"]++
			}
			if m.rng.IntN(2) == 0 {
				m.push(i)
			}
		}
	}
	m.crashed = false
	m.leave()
	if m.wound != nil {
		for i := range m.rings {
			m.wound(filepath.Join(m.life.path, fmt.Sprintf("shard-%02d.ring", i)))
		}
	}
	m.boot()
}

// restart stops the process as a signal does, with a drain time that is over at once,
// and starts it again. What is kept is what is recovered, to the record.
func (m *model) restart() {
	m.world.faults["stopped and started"]++
	for _, r := range m.rings {
		r.Close()
	}
	if !m.end(m.engine) {
		return
	}
	if m.tail != nil {
		m.dead.Close()
		if !m.end(m.tail) {
			return
		}
	}
	engines := []*engine{m.engine}
	if m.tail != nil {
		engines = append(engines, m.tail)
	}
	for _, s := range m.engine.streams {
		if s.cur < len(s.inflight) && s.at.Index > 0 {
			m.world.faults["kept in the middle of a batch"]++
		}
	}
	k := markStops(engines)
	m.checkLedger(k)
	m.leave()
	m.boot()
	if m.life.recovered != k.Records {
		m.t.Errorf("%d records kept, %d recovered", k.Records, m.life.recovered)
	}
	if m.dead != nil && uint64(m.dead.Recovered().Records) != k.DeadLetters {
		m.t.Errorf("%d dead letters kept, %d recovered", k.DeadLetters, m.dead.Recovered().Records)
	}
}

// end drives an engine to its end; false if the process had to die of it.
func (m *model) end(e *engine) bool {
	e.abort.Store(true)
	for range 20_000 {
		if m.crashed || m.t.Failed() {
			return false
		}
		if e.state == stateEnded {
			return true
		}
		m.step()
	}
	m.t.Errorf("ordered to stop, and after 20,000 steps still %v", e.state)
	return false
}

// checkLedger: every record of this life is in Kafka, set aside, kept, or given up.
func (m *model) checkLedger(k Kept) {
	s := m.stats.snapshot()
	if m.life.pushed+m.life.recovered != s.Delivered+s.Refused-k.Refused+k.Records+k.GivenUp {
		m.t.Errorf("pushed %d + recovered %d, delivered %d + refused %d, kept %+v", m.life.pushed, m.life.recovered, s.Delivered, s.Refused, k)
	}
}

// The positions in a ring file, as shard/file_format.go draws them.
const (
	freedAt = 4096 + 64
	doneAt  = 4096 + 128
	sentAt  = 4096 + 136
)

// sentLate is what a process would leave that notes a batch after it handed it over.
func sentLate(path string) { patch(path, sentAt, doneAt) }

// freedEarly is what a process would leave that frees what it has only handed over.
func freedEarly(path string) { patch(path, doneAt, sentAt); patch(path, freedAt, sentAt) }

// patch copies a position over another.
func patch(path string, to, from int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	defer func() { _ = f.Close() }()
	var b [8]byte
	if _, err := f.ReadAt(b[:], from); err != nil {
		panic(err)
	}
	if _, err := f.WriteAt(b[:], to); err != nil {
		panic(err)
	}
}

// TestRecoveredLargerThanTheFlag: a record that was taken under a higher
// --max-record-bytes is one that librdkafka takes.
func TestRecoveredLargerThanTheFlag(t *testing.T) {
	o := shard.DirOptions{Path: filepath.Join(t.TempDir(), "rings"), Topic: "t", DeadTopic: "d", Shards: 1, Bytes: 4 << 20}
	for life := range 2 {
		d, err := shard.OpenDir(o)
		if err != nil {
			t.Fatal(err)
		}
		set := d.Set()
		if life == 0 {
			put(t, set.Rings[0], 2, 500_000, []byte("key"))
			put(t, set.Dead, 1, 400_000, nil)
		} else {
			w, err := Open(Options{Brokers: "127.0.0.1:1", Topic: "t", DeadLetterTopic: "d", Producers: 1, MaxRecordBytes: 1000}, set)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.opts.properties(topicState{}, 1)["message.max.bytes"]; got != "501027" {
				t.Errorf("message.max.bytes is %s, want 501027", got)
			}
			w.Close()
		}
		for _, r := range []*shard.Ring{set.Rings[0], set.Dead} {
			_ = r.Release()
		}
		_ = d.Close()
	}
}

// TestGivenUp: of a ring in memory every record is in Kafka, set aside, or counted as given up,
// wherever the cursor stands.
func TestGivenUp(t *testing.T) {
	counts := []int{3, 2, 4} // records of its batches; the last one was never read
	for acked, want := range map[uint64]int{
		0: 8, // nothing is in Kafka; record 1 of the first batch was set aside
		1: 7, 2: 6, 3: 5, 4: 4,
	} {
		ring, err := shard.New(shard.Options{Name: "0", Bytes: shard.MinBytes(1000)})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range counts {
			put(t, ring, n, 10, nil)
		}
		s := &stream{ring: ring}
		for range 2 {
			b := s.current()
			s.enter(b, s.sent)
			for s.at.Index < b.batch.Count {
				if s.cur == 0 && s.at.Index == 1 {
					b.aside = append(b.aside, 1)
				} else {
					s.sent++
				}
				b.batch.Next(&s.at)
			}
			s.leave(b, s.sent)
		}
		s.acked = acked
		s.seek(acked)
		if k := markStops([]*engine{{streams: []*stream{s}}}); k != (Kept{GivenUp: uint64(want)}) {
			t.Errorf("%d acked: %+v, want %d given up", acked, k, want)
		}
		_ = ring.Release()
	}
}
