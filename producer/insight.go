package producer

import "time"

// Insight is what a Writer knows at one moment of what lies between the rings and Kafka.
type Insight struct {
	Streams []StreamInsight // the shards', in order, then the dead letters'
	Brokers []BrokerInsight // by id
	Topics  []TopicInsight  // the records', then the dead letters'
}

// StreamInsight is about one ring on its way to one partition.
type StreamInsight struct {
	Name           string // the ring's: "0", …, "dead-letter"
	Partition      int32
	Leader         int32         // the id of its broker; -1: there is none, or it is not known
	State          string        // of its engine: starting, running, settling, destroying, rebuilding, ended
	Oldest         time.Duration // age of the oldest record that Kafka does not have; 0: it has all
	Delivered      uint64        // records
	DeliveredBytes uint64        // of values
	Refused        uint64        // records set aside
	UnderWay       int           // records handed to the writer that Kafka does not have yet
	Stages         StageTimes
	LastError      *Trouble // nil: there was none
}

// StageTimes are sums over the records of a stream that are in Kafka: how long they were in the
// ring before the writer got them, in the writer before their request was sent, and from then until
// Kafka's answer.
type StageTimes struct{ Ring, Writer, Broker time.Duration }

// Trouble is an error, and when it was seen last.
type Trouble struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// BrokerInsight is about one broker, as all engines together see it.
type BrokerInsight struct {
	ID        int32
	Address   string
	State     string        // up, connecting, down
	UnderWay  int           // requests sent and not answered
	Oldest    time.Duration // since when the oldest of these is under way; 0: none is
	Requests  uint64        // answered so far
	P50, P99  time.Duration // of the requests of the last seconds
	LastError *Trouble
}

// TopicInsight is what the last look at a topic found.
type TopicInsight struct {
	Name              string
	Partitions        int
	Replicas          int     // of each partition, the least
	MinInSyncReplicas int     // the topic's min.insync.replicas; 0: not known
	BelowMin          []int32 // partitions with fewer in-sync replicas than that
	Shrunk            []int32 // partitions that have not all replicas in sync
	RecordLimit       int     // bytes: what a record may be, with its key and headers
	Error             string  // why records cannot be written; "": they can
}
