package node

import (
	"errors"
	"fmt"
)

// The books of a node's life, closed at its end:
//
//	received + recovered = delivered + rejected + kept + lost
//
// Each of the seven is counted where it happens, none is what the others leave over: so they can
// disagree, and if they do, somebody has dropped a record, or counted one twice. That is an error
// that the node says aloud, and ends with 1.

// errBooks is why a node whose books do not add up ends with 1.
var errBooks = errors.New("the books do not add up")

// ledger is the last line.
type ledger struct {
	received, recovered, delivered, rejected, deadLettered, kept, lost int64
}

func (l ledger) String() string {
	return fmt.Sprintf("drained received=%d recovered=%d delivered=%d rejected=%d dead_lettered=%d kept=%d lost=%d",
		l.received, l.recovered, l.delivered, l.rejected, l.deadLettered, l.kept, l.lost)
}

// off is how many records have come and not gone; below zero, how many have gone too many.
func (l ledger) off() int64 {
	return l.received + l.recovered - l.delivered - l.rejected - l.kept - l.lost
}

// counts are what the parts of a node have counted in its life.
type counts struct {
	received     int64 // framed, routed or not: by the server
	rejects      int64 // of them and of recovered, for whatever reason: by the server
	unauthorized int64 // of the rejects, those that have no dead letter: no token was shown
	noRoom       int64 // routed and given up before they were in a ring: by the server

	recovered int64 // found in ring files at the start: by the rings
	delivered int64 // in Kafka: by the writer
	kept      int64 // left in ring files: by the writer
	keptAside int64 // of kept, those that had been set aside and are among the rejects: they are judged anew
	givenUp   int64 // left in memory: by the writer

	deadLetters deadLetterCounts
}

// deadLetterCounts are counts of dead letters; all 0 where there are none.
type deadLetterCounts struct {
	wanted    bool // rejected records have dead letters
	recovered int64
	delivered int64
	kept      int64
	noRoom    int64
	givenUp   int64
}

// drained closes the books of a node in which nobody is at work any more. It returns the last line
// and by how much the counts are off. What is missing is lost; where there is too much, nobody
// knows of what, so the line shows the counts as they are, and does not add up.
//
// A record is rejected for good in the life that rejects it, once its dead letter is in Kafka or
// kept in the dead letters' file; a reject whose dead letter is neither is lost. So kept and
// recovered count records, never dead letters: one that was recovered counts in dead_lettered
// alone.
func (c counts) drained() (l ledger, off int64) {
	l = c.line(c.rejects - c.keptAside)
	l.lost = c.noRoom + c.givenUp
	if c.deadLetters.wanted {
		// The dead letter of every reject has left, but for those given up; keptAside's have, too.
		l.rejected = max(c.deadLettersOut()-c.keptAside, 0) + c.unauthorized
		l.lost += c.deadLetters.noRoom + c.deadLetters.givenUp
	}
	off = l.off()
	l.lost += max(off, 0)
	return l, off
}

// cutShort estimates the last line of a node that ends with others still at work: what they hold
// in their hands is in no count, so lost is what the others leave over, and always adds up.
func (c counts) cutShort() ledger {
	rejected := c.rejects
	if c.deadLetters.wanted {
		rejected = min(rejected, c.deadLettersOut()+c.unauthorized)
	}
	l := c.line(max(rejected-c.keptAside, 0))
	l.kept = min(l.kept, max(l.received+l.recovered-l.delivered-l.rejected, 0))
	l.lost = max(l.off(), 0)
	return l
}

func (c counts) line(rejected int64) ledger {
	return ledger{
		received: c.received, recovered: c.recovered, delivered: c.delivered, rejected: rejected,
		deadLettered: c.deadLetters.delivered, kept: c.kept,
	}
}

// deadLettersOut is how many dead letters of this life's rejects are in Kafka or kept. They leave
// in the order in which they came, the recovered ones first.
func (c counts) deadLettersOut() int64 {
	return max(c.deadLetters.delivered+c.deadLetters.kept-c.deadLetters.recovered, 0)
}
