package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// modelRecord is a record that the consumer has.
type modelRecord struct {
	ordinal uint64
	value   string
}

func copyRecords(b *shard.Batch) (recs []modelRecord) {
	b.Records(func(_ int, r shard.Record) bool {
		recs = append(recs, modelRecord{r.Ordinal, string(r.Value)})
		return true
	})
	return recs
}

// have notes that the consumer has records of a client.
func (m *model) have(k *modelClient, ring int, recs []modelRecord) {
	for _, r := range recs {
		if i := int(r.ordinal) - 1; i >= len(k.events) || k.events[i] != r.value {
			m.faults["WRONG"]++
		}
		k.got[ring] = append(k.got[ring], r.ordinal)
		k.in[r.ordinal] = true
	}
}

// judge looks at what has come of one client's stream.
func (m *model) judge(k *modelClient) error {
	at := map[uint64]bool{}
	for ring, list := range k.got {
		for i, o := range list {
			if at[o] {
				return fmt.Errorf("record %d came twice", o)
			}
			if i > 0 && list[i-1] > o {
				return fmt.Errorf("shard %d: record %d came behind %d", ring, o, list[i-1])
			}
			at[o] = true
		}
	}
	framed := int(k.conn.framed)
	whole := !k.isReset && (k.conn.why == closedByClient || k.conn.why == closedStream)
	if whole && framed < len(k.events) {
		return fmt.Errorf("%d of %d records were taken; %d bytes not sent, reset %v", framed, len(k.events), len(k.stream), k.isReset)
	}
	lost := int(m.s.env.lost.Load())
	for i := range min(framed, len(k.events)) {
		cut := !whole && i == framed-1 // the connection may have ended in it
		if want := k.events[i] != ""; want != at[uint64(i+1)] && lost == 0 && !cut {
			return fmt.Errorf("record %d of %d: wanted in a ring %v, is %v", i+1, framed, want, at[uint64(i+1)])
		}
	}
	return m.judgeAcks(k, framed, whole)
}

func (m *model) judgeAcks(k *modelClient, framed int, whole bool) error {
	lines, err := k.lines()
	if err != nil {
		return err
	}
	acked, rejected := uint64(0), map[uint64]bool{}
	for _, l := range lines {
		switch {
		case l.Rejected > 0 && l.Rejected <= acked:
			return fmt.Errorf("record %d was rejected behind acked %d", l.Rejected, acked)
		case l.Rejected > 0:
			rejected[l.Rejected] = true
		case l.Acked < acked || l.Acked > uint64(framed):
			return fmt.Errorf("acked %d behind %d, %d were taken", l.Acked, acked, framed)
		default:
			acked = l.Acked
		}
	}
	for i := range min(int(acked), len(k.events)) {
		if o := uint64(i + 1); k.events[i] == "" && !rejected[o] {
			return fmt.Errorf("record %d is acked, but not said to be rejected", o)
		} else if k.events[i] != "" && !k.in[o] {
			return fmt.Errorf("record %d is acked, but in no ring", o)
		}
	}
	if k.conn.acks != nil && whole && !m.noFD && m.s.env.lost.Load() == 0 && int(acked) != framed {
		return fmt.Errorf("acked %d of %d", acked, framed)
	}
	return nil
}

type modelLine struct {
	Acked, Rejected uint64
	Reason          string
}

// lines are those that the client has been told, whole.
func (k *modelClient) lines() (list []modelLine, err error) {
	said := k.said
	if k.framing == codec.Length {
		var text bytes.Buffer
		for len(said) >= 4 && len(said) >= 4+int(binary.BigEndian.Uint32(said)) {
			n := int(binary.BigEndian.Uint32(said))
			text.Write(said[4 : 4+n])
			text.WriteByte('\n')
			said = said[4+n:]
		}
		said = text.Bytes()
	}
	sc := bufio.NewScanner(bytes.NewReader(said[:bytes.LastIndexByte(said, '\n')+1]))
	for sc.Scan() {
		var l modelLine
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("told %q: %w", sc.Bytes(), err)
		}
		list = append(list, l)
	}
	return list, nil
}

// books adds up.
func (m *model) books() error {
	st, inRings := m.s.Stats(), uint64(0)
	allowed := map[string]bool{"client": true, "reset": true, "bad_stream": true}
	for _, k := range m.clients {
		for _, list := range k.got {
			inRings += uint64(len(list))
		}
	}
	if m.noFD {
		allowed["error"] = true
	}
	if m.s.stages.isDraining() {
		allowed["drain"], allowed["cut_off"] = true, true
	}
	if m.timed {
		allowed["frame_timeout"], allowed["idle_timeout"] = true, true
		allowed["max_age"], allowed["first_record_timeout"] = true, true
	}
	ends, rejected := uint64(0), uint64(0)
	for why, n := range st.Closed {
		if ends += n; n > 0 && !allowed[why] {
			return fmt.Errorf("closed %v", st.Closed)
		}
		if n > 0 && (why == "frame_timeout" || why == "idle_timeout" || why == "max_age" || why == "first_record_timeout") {
			m.faults["deadline"]++
		}
	}
	for _, n := range st.Rejected {
		rejected += n
	}
	switch {
	case st.Received != inRings+rejected+st.Lost:
		return fmt.Errorf("received %d, in rings %d, rejected %d, lost %d", st.Received, inRings, rejected, st.Lost)
	case st.Lost > 0 && !isClosed(m.s.stages.giveUp):
		return fmt.Errorf("%d records lost", st.Lost)
	case ends != uint64(len(m.clients)):
		return fmt.Errorf("%d connections, ended: %v", len(m.clients), st.Closed)
	case m.s.memory.inUse() != 0 || m.s.memory.reserveHolder.Load() != 0:
		return fmt.Errorf("%d bytes of client memory are in use, %d has the reserve", m.s.memory.inUse(), m.s.memory.reserveHolder.Load())
	case st.Waiting != 0 || m.s.pauser.paused.Load() != 0 || len(m.s.pauser.all) != 0 || len(m.s.pauser.ready) != 0:
		return fmt.Errorf("%d wait, %d paused, %d known", st.Waiting, m.s.pauser.paused.Load(), len(m.s.pauser.all))
	}
	m.closeClients()
	if n := openDescriptorsNow(); n != m.bare {
		return fmt.Errorf("%d descriptors open, %d before", n, m.bare)
	}
	return nil
}

func openDescriptorsNow() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}
