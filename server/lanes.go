package server

import (
	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// lanes are the records of a chunk on their way into rings: a lane for each ring, which becomes one
// batch. Room is promised for each record as it is put into its lane. The records still alias the
// chunk; publish copies them.
//
// Nothing is allocated for a record: lanes grow to the largest chunk seen.
type lanes struct {
	env     *intakeEnv
	counts  *counters // of the listener that the chunk came by
	all     []lane    // by ring
	used    []int     // lanes with records
	base    uint64    // ordinals in lanes are relative to this
	batches []ack.Batch
	headers []byte // Kafka headers of the records that come from here on, dead letters apart
	begun   int64  // when the read began that brought the chunk (shard.Now)
	waited  int64  // for how long the server had not taken it before, ns
	stages  stageSums
	lost    int  // batches of this chunk that are in no ring
	first   bool // it is the turn of the connection to have room, so no ring is shut to it
}

// lane is one ring's share of a chunk.
type lane struct {
	recs     []laneRec
	bytes    int // of values, metas and headers
	promised int
}

type laneRec struct {
	data, meta []byte
	ordinal    uint32 // minus lanes.base
}

// promiseBytes are promised at a time, so that it is not done for each record.
const promiseBytes = 16 << 10

// put puts a record, which will have so many bytes of headers, into a lane if its ring has room.
func (ls *lanes) put(ring int, r laneRec, headers int) bool {
	l := &ls.all[ring]
	size := len(r.data) + len(r.meta) + headers
	need := shard.BatchBytes(len(l.recs)+1, l.bytes+size)
	if need > l.promised && !ls.promise(ring, need) {
		return false
	}
	if len(l.recs) == 0 {
		ls.used = append(ls.used, ring)
	}
	l.recs = append(l.recs, r)
	l.bytes += size
	return true
}

// promise has need bytes promised to a lane, and more if there is more.
func (ls *lanes) promise(ring, need int) bool {
	l, at := &ls.all[ring], &ls.env.rooms[ring]
	if len(l.recs) > 0 && need > at.ring.MaxBatchBytes() || at.shut.Load() && !ls.first {
		return false
	}
	for _, n := range [2]int{max(need-l.promised, promiseBytes), need - l.promised} {
		if at.ring.Promise(n) == nil {
			l.promised += n
			return true
		}
	}
	return false
}

// lose counts a record that found no room as lost, and returns true, if it never will find any. It
// is never acked, since its checkpoint stays open.
func (ls *lanes) lose(ring int) bool {
	if len(ls.used) > 0 || !isClosed(ls.env.giveUp) && !ls.env.rooms[ring].ring.Closed() {
		return false
	}
	ls.counts.records[ring].add(1)
	ls.env.lose(ring, 1)
	ls.lost++
	return true
}

// publish makes a batch of each lane, for the connection of that id. batches says where they end.
func (ls *lanes) publish(id uint64) {
	now, routed := shard.Now(), 0
	for _, ring := range ls.used {
		l := &ls.all[ring]
		if ring != ls.env.dead {
			routed += len(l.recs)
		}
		ls.counts.records[ring].add(uint64(len(l.recs)))
		headers := ls.headers
		if ring == ls.env.dead {
			headers = nil
		}
		claim, err := ls.env.rooms[ring].ring.ClaimPromised(len(l.recs), l.bytes, l.promised)
		if err == nil {
			ls.batches = append(ls.batches, ack.Batch{Ring: ring, End: fill(&claim, id, ls.base, now, l.recs, headers)})
			continue
		}
		invariant.Check(err == shard.ErrClosed, "claim in ring %d: %v", ring, err)
		ls.env.lose(ring, len(l.recs)) // reading went on after the cut-off
		ls.lost++
	}
	ls.stages.parse.add(routed, now-ls.begun)
	if ls.waited > 0 {
		ls.stages.socket.add(routed, ls.waited)
	}
}

// fill copies records and their headers into a claim and publishes it. It returns the batch's end.
// Nothing in here may block, fail or panic.
func fill(claim *shard.Claim, id, first uint64, now int64, recs []laneRec, headers []byte) uint64 {
	claim.SetOrigin(id, first)
	claim.SetTaken(now)
	claim.SetHeaders(headers)
	for i := range recs {
		claim.Append(recs[i].data, recs[i].meta, recs[i].ordinal)
	}
	end := claim.End()
	claim.Publish()
	return end
}

// clear forgets what was published.
func (ls *lanes) clear() {
	for _, ring := range ls.used {
		l := &ls.all[ring]
		clear(l.recs) // they alias buffers that others own by now
		*l = lane{recs: l.recs[:0]}
	}
	ls.used, ls.batches, ls.lost = ls.used[:0], ls.batches[:0], 0
}
