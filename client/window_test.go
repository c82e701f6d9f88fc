package client

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// The window against a list of frames: random puts, spans, writes, acks, rejects and
// lost connections.
func TestWindowIsTheListOfItsFrames(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		t.Run(f.String(), func(t *testing.T) {
			rng := newRand(t)
			for range 200 {
				o := Options{Framing: f, WindowRecords: 1 + rng.IntN(20), WindowBytes: 30 + rng.IntN(300)}
				m := &windowModel{t: t, w: newWindow(&o), o: o}
				for range 500 {
					m.step(rng.IntN(8), rng.IntN)
				}
			}
		})
	}
}

type windowModel struct {
	t       *testing.T
	w       window
	o       Options
	records [][]byte // all ever put
}

func (m *windowModel) frames(from, to uint64) []byte {
	var b []byte
	for _, r := range m.records[from:to] {
		if m.o.Framing == Length {
			b = binary.BigEndian.AppendUint32(b, uint32(len(r)))
			b = append(b, r...)
		} else {
			b = append(append(b, r...), '\n')
		}
	}
	return b
}

func (m *windowModel) step(what int, intN func(int) int) {
	m.t.Helper()
	w := &m.w
	switch what {
	case 0, 1, 2:
		r := bytes.Repeat([]byte{byte('a' + len(m.records)%26)}, 1+intN(25))
		if w.fits(len(r)) {
			m.records = append(m.records, r)
			if seq := w.put(r); seq != uint64(len(m.records)) {
				m.t.Fatalf("number %d for record %d", seq, len(m.records))
			}
		}
	case 3:
		m.begin(1 + intN(100))
	case 4:
		w.wrote()
	case 5:
		w.ack(w.acked + uint64(intN(int(w.begun-w.acked)+1)))
	case 6:
		m.reject(intN)
	case 7:
		if intN(4) == 0 {
			w.rewind()
		}
	}
	m.check()
}

func (m *windowModel) begin(most int) {
	w := &m.w
	from, highest := w.begun, w.highest
	s := w.begin(most)
	if s.last == 0 {
		if from != w.queued {
			m.t.Fatalf("no span with %d of %d begun", from, w.queued)
		}
		return
	}
	got, want := append(bytes.Clone(s.a), s.b...), m.frames(from, s.last)
	if !bytes.Equal(got, want) {
		m.t.Fatalf("records %d to %d: %q, want %q", from+1, s.last, got, want)
	}
	if len(got) > most && s.last > from+1 {
		m.t.Fatalf("%d bytes in %d frames, over %d", len(got), s.last-from, most)
	}
	if again := int(max(min(highest, s.last), from) - from); s.again != again {
		m.t.Fatalf("%d again, from %d to %d with %d begun before", s.again, from, s.last, highest)
	}
}

func (m *windowModel) reject(intN func(int) int) {
	w := &m.w
	if w.begun <= w.acked {
		return
	}
	seq := w.acked + 1 + uint64(intN(int(w.begun-w.acked)))
	a, b, first := w.reject(seq)
	if first && !bytes.Equal(append(bytes.Clone(a), b...), m.records[seq-1]) {
		m.t.Fatalf("record %d: %q%q, want %q", seq, a, b, m.records[seq-1])
	}
	if _, _, again := w.reject(seq); again {
		m.t.Fatalf("record %d rejected twice", seq)
	}
}

func (m *windowModel) check() {
	w := &m.w
	if w.freed > w.acked || w.sent > w.begun || w.acked > w.begun || w.begun > w.queued || w.freed != min(w.acked, w.sent) {
		m.t.Fatalf("positions: freed %d acked %d sent %d begun %d queued %d", w.freed, w.acked, w.sent, w.begun, w.queued)
	}
	records, size := w.used()
	if records > m.o.WindowRecords || size > m.o.WindowBytes {
		m.t.Fatalf("%d records, %d bytes held", records, size)
	}
	a, b := w.pieces(w.start, w.end(w.queued))
	if got := append(bytes.Clone(a), b...); !bytes.Equal(got, m.frames(w.freed, w.queued)) {
		m.t.Fatalf("held: %q", got)
	}
}
