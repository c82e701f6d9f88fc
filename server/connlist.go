package server

import "sync/atomic"

// connLists are the connections that an event loop has, in the orders that deadlines need. The loop
// alone changes them; the ticker reads the atomics.
type connLists struct {
	all        connList // by last activity, the longest silent first
	unfinished connList // with an unfinished record, the oldest record first
	silent     connList // have not sent a record yet, the oldest connection first
	halfClosed connList // in place of silent: we have closed our side

	attached        atomic.Int32 // connections in all
	unfinishedCount atomic.Int32
	halfClosedCount atomic.Int32
	silentFrom      atomic.Int64 // since when the oldest of silent is there; 0: there is none
}

func (l *connLists) init() {
	l.all.which, l.unfinished.which, l.silent.which, l.halfClosed.which = listAll, listUnfinished, listSilent, listSilent
}

func (l *connLists) add(c *conn) {
	l.all.add(c)
	l.attached.Add(1)
	if c.unfinished != 0 {
		l.addUnfinished(c)
	}
	l.addSilent(c)
}

func (l *connLists) remove(c *conn) {
	l.all.remove(c)
	l.removeUnfinished(c)
	l.removeSilent(c)
	l.attached.Add(-1)
}

// touch moves c behind all others in the order of last activity.
func (l *connLists) touch(c *conn) {
	l.all.remove(c)
	l.all.add(c)
}

// addUnfinished puts c where the age of its record belongs: at the end, unless it waited for
// memory.
func (l *connLists) addUnfinished(c *conn) {
	at := l.unfinished.tail
	for at != nil && at.unfinished > c.unfinished {
		at = at.links[listUnfinished].prev
	}
	l.unfinished.addAfter(at, c)
	l.unfinishedCount.Store(int32(l.unfinished.n))
}

func (l *connLists) removeUnfinished(c *conn) {
	l.unfinished.remove(c)
	l.unfinishedCount.Store(int32(l.unfinished.n))
}

// addSilent puts c into halfClosed or silent, if it belongs there.
func (l *connLists) addSilent(c *conn) {
	switch {
	case c.halfClosedAt != 0:
		l.halfClosed.add(c)
	case c.framed == 0:
		l.silent.add(c)
	}
	l.noteSilent()
}

func (l *connLists) removeSilent(c *conn) {
	if c.halfClosedAt != 0 {
		l.halfClosed.remove(c)
	} else {
		l.silent.remove(c)
	}
	l.noteSilent()
}

// nowHalfClosed moves c from silent to halfClosed.
func (l *connLists) nowHalfClosed(c *conn) {
	l.silent.remove(c)
	l.addSilent(c)
}

func (l *connLists) noteSilent() {
	since := int64(0)
	if c := l.silent.head; c != nil {
		since = c.openedAt
	}
	l.silentFrom.Store(since)
	l.halfClosedCount.Store(int32(l.halfClosed.n))
}

// connList is an intrusive list: an idle connection costs no element, and to leave a list costs no
// search.
type connList struct {
	which      int
	head, tail *conn
	n          int
}

func (l *connList) add(c *conn) { l.addAfter(l.tail, c) }

func (l *connList) addAfter(at, c *conn) {
	if l.has(c) {
		return
	}
	next := l.head
	if at != nil {
		next = at.links[l.which].next
		at.links[l.which].next = c
	} else {
		l.head = c
	}
	if next != nil {
		next.links[l.which].prev = c
	} else {
		l.tail = c
	}
	c.links[l.which] = link{prev: at, next: next}
	l.n++
}

func (l *connList) remove(c *conn) {
	if !l.has(c) {
		return
	}
	k := &c.links[l.which]
	if k.prev != nil {
		k.prev.links[l.which].next = k.next
	} else {
		l.head = k.next
	}
	if k.next != nil {
		k.next.links[l.which].prev = k.prev
	} else {
		l.tail = k.prev
	}
	*k = link{}
	l.n--
}

func (l *connList) has(c *conn) bool { return c.links[l.which].prev != nil || l.head == c }
