package shard

import (
	"errors"
	"os"
)

// openFile makes a ring of a ring file. The consumer reads first what a former process left in it;
// new batches come behind. h is the file's header, which has been checked. A *damage says that the
// file's contents cannot be trusted, and the file is unchanged then.
//
// The process may be killed at any step: each leaves a file that the next opening reads as this one
// did.
func openFile(name, path string, f *os.File, h fileHeader) (*Ring, error) {
	s, err := scanFile(f, h, nil)
	if err != nil {
		return nil, err
	}
	if err := allocate(f, h.size()); err != nil { // a copy of a file may have holes
		return nil, err
	}
	st, err := mapFile(f, &h)
	if err != nil {
		return nil, err
	}
	r := ringOf(name, st)
	r.file = &ringFile{
		f: f, path: path, header: h, since: Now(),
		recovered: s.recovered, recoveredEnd: s.claimed, sentBefore: s.sent, resume: s.start, resumeIndex: s.index,
	}
	r.recover(s)
	return r, nil
}

// recover puts the file into the state that the scan found.
func (r *Ring) recover(s *fileScan) {
	for _, h := range s.holes {
		off := h.start % r.capacity
		emptyBatch(r.data[off:off+h.bytes], s.salt, h.start)
	}
	// An unfinished batch, or a power loss, may have left words in the table. None of them may
	// match when this lap, or the lap that it is of, comes to it.
	for i, w := range s.words {
		r.words[i].Store(w)
	}
	p := r.pos
	r.Sending(s.start)
	p.done.Store(s.start)
	p.freed.Store(s.start)
	r.setStopMark(s.start, s.index)
	p.claimed.Store(uint64(claimWordAt(s.claimed))) // open, and the next claim begins a Kafka batch
	r.read = s.start
}

func (r *Ring) setStopMark(at uint64, index int) {
	p := r.pos
	p.stopAt.Store(at)
	p.stopIndex.Store(uint64(index))
	p.stopSum.Store(stopMarkSum(r.file.header.salt, p.freed.Load(), at, uint64(index)))
}

// MarkStop marks a clean stop in a ring file, and returns how many records are left in it. The
// batch at position at is the first that is not done, and its first index records are done, so the
// next process goes on exactly there, although only whole batches are freed. sure means that this
// process has brought none of the rest into Kafka; otherwise those that were handed over stay
// possible duplicates.
//
// Call it once nobody uses the ring any more. A ring in memory returns 0.
func (r *Ring) MarkStop(at uint64, index int, sure bool) (records int) {
	if r.file == nil {
		return 0
	}
	if at == r.file.resume {
		index = max(index, r.file.resumeIndex)
	}
	sent := max(at, r.file.sentBefore)
	for pos := at; pos < r.Claimed(); {
		n := uint64(granule)
		if w := r.words[pos%r.capacity/granule].Load(); w>>wordLapShift == pos/r.capacity+1 {
			n = w & (1<<wordLapShift - 1) * granule
			records += countOf(r.data[pos%r.capacity:])
		}
		if pos == at && index > 0 {
			sent = max(sent, at+n) // should this note not be found valid, the batch is sent again whole
		}
		pos += n
	}
	if sure {
		r.pos.sent.Store(max(sent, r.pos.done.Load()))
	}
	r.setStopMark(at, index)
	return records - index
}

// Unfreed returns how many published records of a ring file were not freed; 0 for a ring in memory.
// It may be called while the ring is in use.
func (r *Ring) Unfreed() (records int) {
	if r.file == nil {
		return 0
	}
	claimed := r.Claimed()
	for pos := r.Acked(); pos < claimed; {
		w := r.words[pos%r.capacity/granule].Load()
		if w>>wordLapShift != pos/r.capacity+1 {
			pos += granule
			continue
		}
		count := countOf(r.data[pos%r.capacity:])
		if r.Acked() > pos { // freed meanwhile, and perhaps written over
			pos = r.Acked()
			continue
		}
		records += count
		pos += w & (1<<wordLapShift - 1) * granule
	}
	return records
}

// setCluster writes the id of the Kafka cluster whose records the file holds.
func (f *ringFile) setCluster(id string) error {
	f.header.cluster = id
	_, err := f.f.WriteAt(f.header.encode(), 0)
	return err
}

// isDamage tells whether an error is about a file's contents.
func isDamage(err error) bool {
	var d *damage
	return errors.As(err, &d)
}
