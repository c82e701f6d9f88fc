package verdict

import "time"

// Sample is what is known at one moment. Counts and times are sums since the process began.
type Sample struct {
	At     time.Time
	Phase  State  // Starting, Draining; "": it serves
	Ready  bool   // Kafka can be written to
	Reason string // of the phase, or why it is not ready; "": there is none

	Shards  []Shard  // always the same ones, in the same order; dead letters too
	Brokers []Broker // those that are known

	Received uint64            // records
	Rejected map[string]uint64 // of these, by reason
	P99      time.Duration     // of the records of the last ten seconds, from ring entry to Kafka's ack; 0: there were none

	Connections   int
	WaitingRoom   int // connections that wait for room in a ring
	WaitingMemory int // for memory
	WaitingRate   int // for their rate
	WaitingAcks   int // until their clients read their acks
	Refused       uint64
	Misfits       uint64 // connections that were closed for what came on them

	Socket, Parse float64 // what records took before they were in rings, seconds
	CPU           float64 // processors in use of those that the process may use, since the sample before, 0 to 1
}

// Shard is one ring and its way to Kafka.
type Shard struct {
	Name           string // "3", "dead-letter"
	Partition      int32
	Leader         int32 // -1: there is none, or it is not known
	Used, Capacity int   // bytes
	Backlog        uint64
	UnderWay       int           // of Backlog, those that the writer has
	Oldest         time.Duration // age of the oldest record that Kafka does not have; 0: it has all
	Taken          uint64        // records that are in Kafka or set aside
	Ring           time.Duration // as producer.StageTimes
	Writer         time.Duration
	Broker         time.Duration
	Error          Error
}

// DeadLetters is the name of the shard that is no digit's.
const DeadLetters = "dead-letter"

// Broker is one of Kafka's.
type Broker struct {
	ID        int32
	Address   string
	Up        bool
	Oldest    time.Duration // since when its oldest request is under way
	Throttled time.Duration // sum of the time for which it held us to a quota
	Error     Error
}

// Error is the last one that was seen. The zero value is none.
type Error struct {
	At   time.Time
	Text string
}

// in tells whether the error was seen since then.
func (e Error) in(since time.Time) bool { return e.Text != "" && !e.At.Before(since) }

// broker returns what is known of a broker, nil if nothing is.
func (s *Sample) broker(id int32) *Broker {
	for i := range s.Brokers {
		if s.Brokers[i].ID == id {
			return &s.Brokers[i]
		}
	}
	return nil
}

// oldest is the age of the oldest record of all.
func (s *Sample) oldest() (age time.Duration) {
	for i := range s.Shards {
		age = max(age, s.Shards[i].Oldest)
	}
	return age
}

// rejects adds up the rejected records, and returns the reason of most since an earlier sample.
func (s *Sample) rejects(before *Sample) (n uint64, top string) {
	largest := uint64(0)
	for reason, count := range s.Rejected {
		more := count - before.Rejected[reason]
		n += more
		if more > largest || more == largest && more > 0 && reason < top {
			largest, top = more, reason
		}
	}
	return n, top
}
