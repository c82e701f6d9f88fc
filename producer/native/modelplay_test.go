package native

import (
	"fmt"
	"testing"

	"github.com/ringtail/ringtail/producer/backend"
)

// play lets a few clients work under faults, each until it fails or is stopped, and ends in a calm
// in which everything is to be written.
func (m *model) play() {
	for range 1 + m.rng.IntN(4) {
		m.calm = false
		m.live()
		if m.outstanding() == 0 {
			m.succeed()
		}
	}
	m.calm = true
	for _, p := range m.partitions {
		p.forgot = 0
	}
	m.until("all to be written", func() bool {
		if m.failed() {
			m.client.Purge(false)
			if m.outstanding() == 0 {
				m.succeed()
			}
		}
		return m.outstanding() == 0
	})
}

// live is a client's life. It ends with everything acked, or with a purge.
func (m *model) live() {
	for range 100 + m.rng.IntN(300) {
		m.step()
		if m.failed() {
			m.faults["failed"]++
			break
		}
	}
	for range m.rng.IntN(30) {
		m.step() // the engine does not see it at once
	}
	if m.failed() || m.rng.IntN(3) == 0 {
		m.endClient()
		return
	}
	m.calm = true
	m.until("all to be written", func() bool { return m.outstanding() == 0 || m.failed() })
	for i := range modelStreams {
		if t := m.client.Progress(i); !m.failed() && t.Acked != m.handed[i] {
			m.t.Fatalf("stream %d: acked %d of %d, with nothing wrong", i, t.Acked, m.handed[i])
		}
	}
	if m.failed() {
		m.endClient()
	}
}

// endClient is what the engine does after a failure. What is under way is waited for, or not.
func (m *model) endClient() {
	if m.rng.IntN(2) == 0 {
		m.faults["purged, and waited"]++
		m.calm = true
		m.until("reports of all", func() bool {
			m.client.Purge(false)
			return m.outstanding() == 0
		})
		for i := range modelStreams {
			// One that is refused may have been in a request that was lost.
			if t := m.client.Progress(i); t.Maybe > 0 && !m.poison && !m.lost[i%modelPartitions] && t.Err != backend.ErrTimedOut {
				m.t.Fatalf("stream %d: fate of %d records is not known, and Kafka was well", i, t.Maybe)
			}
		}
		return
	}
	m.faults["purged at once"]++
	m.client.Purge(false)
	m.check()
	m.client.Purge(true)
	if n := m.outstanding(); n != 0 {
		m.t.Fatalf("%d records without report after a purge of everything", n)
	}
	m.calm = m.rng.IntN(2) == 0 // else what is under way stays so, until its client is dead
	for range 200 * m.rng.IntN(2) {
		m.step()
	}
	if taken, _ := m.client.Produce(0, 0, m.handed[0], []backend.Record{{}}, nil); taken != 0 {
		m.t.Fatal("a record is taken after a purge")
	}
}

func (m *model) failed() bool {
	for i := range modelStreams {
		if m.client.Progress(i).Failed != backend.None {
			return true
		}
	}
	return false
}

func (m *model) until(what string, so func() bool) {
	m.t.Helper()
	for range 100_000 {
		if so() {
			return
		}
		m.step()
	}
	m.t.Fatalf("waited in vain for %s", what)
}

func TestModel(t *testing.T) {
	faults := map[string]int{}
	for seed := range seeds() {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { newModel(t, seed, faults).play() }) {
			break
		}
	}
	t.Log(faults)
	for _, f := range []string{
		"partition unanswered", "throttled", "not leader", "refused", "duplicate", "an error", "written, and an error", "leader moved",
		"cut off", "arrives late", "not sent", "answer lost", "answer late", "cut on the way", "failed", "purged, and waited", "purged at once",
		"leaders of old", "a leader that is none, and no epoch", "a successor", "a dead client's request", "a producer forgotten", "unknown producer",
		"doubtful", "too large", "moved", "a batch", "acked by an earlier request",
	} {
		if faults[f] == 0 {
			t.Errorf("never seen: %s", f)
		}
	}
}
