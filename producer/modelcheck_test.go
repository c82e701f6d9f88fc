package producer

// check is what must hold after every step: what has been freed, and so acked to
// clients, is in Kafka or was rightly set aside; order of first copies.
func (m *model) check() {
	m.countDone()
	if n := m.world.malformed; n > 0 {
		m.t.Errorf("%d records were handed over with headers that are not theirs", n)
	}
	if m.steps%16 != 0 {
		return // the rest is quadratic in spirit; a breach does not go away
	}
	for i := range m.rings {
		m.checkShard(i, false)
	}
}

// countDone counts the records whose batches are freed.
func (m *model) countDone() {
	for i, r := range m.rings {
		acked := int(r.Acked())
		for k := 0; k+1 < len(m.ends[i]); k += 2 {
			if m.ends[i][k+1] > acked {
				break
			}
			m.done[i] = max(m.done[i], m.ends[i][k])
		}
	}
}

func (m *model) checkShard(i int, rest bool) {
	at := make(map[uint64]int, len(m.world.log[i]))
	for k, id := range m.world.log[i] {
		if _, seen := at[id]; !seen {
			at[id] = k
		}
	}
	deadLetters := map[uint64]bool{}
	for _, id := range m.world.log[len(m.rings)] {
		deadLetters[id] = true
	}
	last := -1
	for k, id := range m.pushed[i] {
		pos, ok := at[id]
		if !ok {
			if k < m.done[i] && !m.poison[id] {
				m.t.Errorf("shard %d: record %d (id %d) is acked and not in kafka", i, k, id)
			}
			if k < m.done[i] && m.dead != nil && !deadLetters[id] && (k >= m.life.done[i] || rest) {
				m.t.Errorf("shard %d: record %d (id %d) was set aside and acked, and has no dead letter", i, k, id)
			}
			continue
		}
		if pos < last {
			m.t.Errorf("shard %d: record %d (id %d) came before an earlier one", i, k, id)
		}
		last = pos
	}
}

// atRest is what must hold once everything has drained: all is there, and every
// second copy was counted beforehand.
func (m *model) atRest() {
	m.world.act()
	extra := uint64(0)
	for i := range m.rings {
		m.checkShard(i, true)
		if m.done[i] != len(m.pushed[i]) {
			m.t.Errorf("shard %d: drained with %d of %d records done", i, m.done[i], len(m.pushed[i]))
		}
		copies := map[uint64]int{}
		for _, id := range m.world.log[i] {
			copies[id]++
		}
		for _, id := range m.pushed[i] {
			if n := copies[id]; n > 1 {
				extra += uint64(n - 1)
			} else if n == 0 {
				m.world.faults["record set aside"]++
			}
		}
	}
	if counted := m.life.counted + m.stats.possibleDuplicates.Load(); extra > counted {
		m.t.Errorf("%d second copies in kafka, %d counted", extra, counted)
	}
	m.checkLedger(Kept{})
}
