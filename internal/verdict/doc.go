// Package verdict says in one line what is wrong, if anything is: Ringtail, Kafka, the network, or a
// client; since when; how long until clients stand still; and what to do.
//
//	Sample, once a second ─► Machine ─► Verdict
//
// It knows no clock, no Kafka and no server: samples are plain numbers.
//
// # When a state holds
//
// STARTING and DRAINING are what the node says of itself. While it serves, the first of these that
// holds is the state:
//
// STUCK: a shard has a record that is older than stuckAfter, and Kafka took no record of that shard
// for as long. The text names the shard that stands still for longest, how many others do, since
// when, and the last error that its partition, or else its leader, met in that time. Also where
// nothing waits, but Kafka could not be written to for stuckAfter.
//
// SLOW: for slowFor without a break of slowGap, one of these was true: a record is older than
// SlowOver; of the records of the last ten seconds one in a hundred took longer than that;
// connections wait for room in a ring, or for memory. The text names what records waited for in the
// last ten seconds (slowWindow), with its share of all their time:
//
//   - a broker: what they spent in its requests, and also what they waited in rings, in the writer
//     and at sockets because requests to it come first. A ring does not fill by itself, so as long as
//     the processors are not all in use, its records wait for their leader: for the one of each moment,
//     so that who takes over from a dead one is not blamed for it. Where no broker has most of the
//     time, all of Kafka is named;
//   - ring, writer, parse: with processors all in use (busyOver), the stage that took most;
//   - socket: connections wait for memory.
//
// CLIENTS, one of these:
//
//   - over rejectsOver at least rejectsMin records came, and more than half of them were rejected;
//   - for unreadFor, one in unreadShare connections or more did not read their acks;
//   - for unreadFor, more than half of the connections were over their rate;
//   - for quietAfter no record came. A server that has just started is OK for as long.
//
// OK: nothing of that.
//
// # Going from one to another
//
// A worse state, in the order STUCK, SLOW, CLIENTS, OK, is taken at once: each has waited by its own
// condition already. A better one is taken once the worse has not held for betterFor; until then its
// last text stays. So a state that is left stays left for at least as long as its condition needs to
// come true again, and one that is reached is there for betterFor. "Nobody sends" ends with the first
// record.
package verdict

import "time"

// The thresholds.
const (
	Window      = time.Minute      // the shares that are shown are of so long
	stuckAfter  = 10 * time.Second // Kafka took nothing
	SlowOver    = time.Second      // a record's age, or what one in a hundred takes
	slowFor     = 3 * time.Second
	slowGap     = 2 * time.Second
	slowWindow  = 10 * time.Second
	busyOver    = 0.85 // of the processors
	brokerMost  = 0.6  // the share of one broker of what all of them take, to be the one that is named
	rejectsOver = 10 * time.Second
	rejectsMin  = 5
	unreadFor   = 10 * time.Second
	unreadShare = 100
	quietAfter  = time.Minute
	betterFor   = 5 * time.Second

	throttleOver = 10 * time.Second
	fillOver     = 10 * time.Second // the rate at which a ring fills is that of so long
	fillLimit    = time.Hour        // a ring that is full later than that does not fill
	fullFrom     = 0.95             // a ring that has so much of its bytes in use is full: what comes next may not fit
)
