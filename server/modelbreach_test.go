package server

import (
	"testing"

	"github.com/ringtail/ringtail/codec"
)

// modelBreaches break a rule each, and return whether they could.
var modelBreaches = map[string]func(*model) bool{
	"an overflow is forgotten": func(m *model) bool {
		c := overflowing(m)
		if c != nil {
			c.overflow = nil
		}
		return c != nil
	},
	"its record is taken for another": func(m *model) bool {
		c := overflowing(m)
		if c == nil || c.overflow.rec.Reason != codec.OK {
			return false
		}
		c.overflow.rec.Reason = codec.BadJSON
		return true
	},
	"its record is taken twice": func(m *model) bool {
		c, in := overflowing(m), m.s.pauser.in
		if c == nil || c.overflow.rec.Reason != codec.OK {
			return false
		}
		in.begin(c)
		in.router.Judge(&in.rec, c.overflow.rec.Data)
		if in.admit(c).on != waitNothing {
			return false
		}
		in.push(c)
		c.framed--
		return true
	},
	"it is read beside an overflow": func(m *model) bool {
		c := overflowing(m)
		if c == nil || m.s.memory.hasReserve(c) {
			return false
		}
		over := c.overflow
		c.overflow = nil
		m.s.memory.add(-c.charged) // as if it took nothing
		c.charged = 0
		m.s.pauser.in.take(c, over.rest)
		return true
	},
	"memory is not given back": func(m *model) bool { m.s.memory.add(1); return true },
	"a record is acked that is not done": func(m *model) bool {
		for ring, r := range m.s.rings()[:shards] { // the consumer frees a batch before it has it
			b, ok := r.Next()
			if !ok {
				continue
			}
			recs := copyRecords(&b)
			r.Free(b.End)
			m.s.AcksMoved()
			k := m.byID[b.Conn]
			if k.conn.acks == nil {
				m.have(k, ring, recs)
				continue
			}
			m.late = append(m.late, func() { m.have(k, ring, recs) })
			return true
		}
		return false
	},
	"a loss is not counted": func(m *model) bool {
		if m.s.env.lost.Load() == 0 {
			return false
		}
		m.s.env.lost.Store(0)
		return true
	},
}

// overflowing is a connection whose overflow begins with a record.
func overflowing(m *model) *conn {
	for _, p := range m.s.pauser.all {
		if p.c.overflow != nil {
			return p.c
		}
	}
	return nil
}

// TestPausedModelNoticesBreach breaks a rule on purpose: the model must notice each.
func TestPausedModelNoticesBreach(t *testing.T) {
	for name, breach := range modelBreaches {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed < 2000; seed++ {
				m := newModel(t, seed)
				m.breach = breach
				if err := m.run(); err != nil {
					return
				}
			}
			t.Fatal("the model does not notice")
		})
	}
}
