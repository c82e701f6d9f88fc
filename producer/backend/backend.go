package backend

import "time"

const (
	// BatchMax is the most records that one Produce hands over.
	BatchMax = 1024
	// StreamsMax bounds the number of streams of a Client. It is librdkafka's: a record's tag has
	// 12 bits for its stream.
	StreamsMax = 1 << 12
	// InvalidMax is the most numbers in Progress.Invalid.
	InvalidMax = 64
	// None is the value of Progress.Failed when nothing failed.
	None = ^uint64(0)
)

// Error codes that an engine tells apart; every other is just an error. Positive ones are a
// broker's, negative ones librdkafka's own numbers, which both backends use.
const (
	ErrMessageTooLarge = 10
	ErrInvalidRecord   = 87

	ErrInconsistent   = -149 // every record is reported, and one before an acked one is not acked
	ErrFatal          = -150 // the client can write no more
	ErrPurged         = -152 // dropped by Purge before it was sent
	ErrQueueFull      = -184 // room comes with the next reports
	ErrTimedOut       = -185 // no response
	ErrAllBrokersDown = -187
	ErrResolve        = -193
	ErrAuthentication = -169
	ErrTransport      = -195
)

// BatchHeader is what a Kafka batch has before its records, in bytes.
const BatchHeader = 61

// RecordExtra is the most that a record takes in a batch beside its value, key and headers.
const RecordExtra = 26

// Room is what a client takes of a stream by one Produce.
type Room struct {
	Records int
	Bytes   int  // of values, keys and headers, with RecordExtra for each record
	Empty   bool // the first record is taken whatever its size
}

// Take takes the room of a record whose value, key and headers have so many bytes together. It
// returns false where there is not enough.
func (r *Room) Take(bytes int) bool {
	bytes += RecordExtra
	if r.Records <= 0 || bytes > r.Bytes && !r.Empty {
		return false
	}
	r.Records--
	r.Bytes -= bytes
	r.Empty = false
	return true
}

// Client writes the records of some streams to one topic. An engine makes a new one after each
// failure. All methods but Wake are for the engine's goroutine.
type Client interface {
	// Room returns what Produce takes of a stream now. What is gathered beyond that is gathered in
	// vain, and once more when there is room again.
	Room(stream int) Room
	// Produce hands over up to BatchMax records of one stream, numbered from first. All of them
	// have the same headers, as in Kafka's record format, their count first; empty: none. It
	// returns how many were taken, always the first ones, and the error code of the first that was
	// not.
	Produce(stream int, partition int32, first uint64, records []Record, headers []byte) (taken, code int)
	// ProduceDeadLetter hands over one dead letter. It returns 0 or an error code.
	ProduceDeadLetter(stream int, partition int32, number uint64, value []byte, l DeadLetter) (code int)
	// Send sends what was handed over.
	Send()
	// Poll takes reports and events for at most so long. It returns early when there is something,
	// and on Wake.
	Poll(timeoutMS int)
	// Wake makes the current Poll, or the next one, return at once. Any goroutine may call it, but
	// not during or after Destroy.
	Wake()
	// Progress returns what is known of a stream as of the last Poll.
	Progress(stream int) Progress
	// Purge drops what was not sent and, with inflight, gives up the requests under way. Every
	// record that it drops is reported as failed.
	Purge(inflight bool)
	// Fatal returns the error code of what ended the client, 0 while nothing did.
	Fatal() int
	// BrokerShare returns what share of the time from Produce to the report brokers took of late, 0
	// to 1; false where Progress tells that of each stream.
	BrokerShare() (share float64, ok bool)
	// Events returns the log lines and errors since the last call, and how many more were dropped.
	Events() (events []Event, dropped int)
	// Retries returns how many tries there were after the first, as far as is known by now.
	Retries() uint64
	// Ready returns nil once the client has been seen to be able to write, else what is in the way.
	Ready() error
	// Trouble returns what a stream waits for, "" where that is not known.
	Trouble(stream int) string
	// Relief gives up memory that a stall took.
	Relief()
	// Destroy ends the client. It may block.
	Destroy()
}

// BatchClient is a Client that takes whole Kafka batches too, whose records lie encoded in a ring.
// It takes a stream's records by Produce or by ProduceBatch, and keeps their order.
type BatchClient interface {
	Client
	// BatchMost returns how large a batch may be: its records, and their bytes as they are encoded.
	BatchMost() (bytes, records int)
	// TakesBatch reports whether ProduceBatch takes a batch of a stream now. That it does not now
	// is no failure: what makes it take one again ends a Poll.
	TakesBatch(stream int, partition int32) bool
	// ProduceBatch hands over a batch of at most BatchMost, whose first record has number first. It
	// returns 0, or an error code where it did not take the batch.
	ProduceBatch(stream int, partition int32, first uint64, b Batch) (code int)
}

// Batch is the records of a Kafka batch, encoded (format 2), their numbers from 0.
type Batch struct {
	Count  int
	Bytes  int      // of all pieces
	Sum    uint32   // CRC-32C of all pieces
	Pieces [][]byte // as Record.Value; the slice of them is only valid during the call
}

// Traits are what an engine must know of a kind of client before it has one.
type Traits struct {
	Name string // in logs
	// ErrorText returns name and text of an error code of it.
	ErrorText func(code int) string
	// OneThread: the engine stays on one thread. C's malloc has an arena for each thread, and what
	// Produce allocates Poll frees.
	OneThread bool
	// ReportsByPartition: each partition's reports end a Poll by themselves. An engine that waits
	// for a short time then sleeps instead of polling, and looks at all reports at once.
	ReportsByPartition bool
	// WholeBatches: it is a BatchClient.
	WholeBatches bool
	// TellsTroubles: it notes in its Insight what partitions wait for.
	TellsTroubles bool
}

// Record is one record to hand over. Value lies outside Go's heap and stays unchanged until its
// report; Key is copied.
type Record struct {
	Value []byte
	Key   []byte // nil: no key
}

// DeadLetter is what a dead letter's headers say.
type DeadLetter struct {
	Reason, Remote string
	Truncated      int // original size where the value was cut, else 0
}

// Progress is what became of one stream's records so far.
type Progress struct {
	Acked     uint64 // every record below this number is in Kafka
	Failed    uint64 // lowest number reported failed, None where nothing failed
	Err       int    // its error code
	Alone     bool   // the batch that failed is known to have held no other record
	Reports   uint64 // reports in all, good and bad
	Maybe     uint64 // failed ones that may be in Kafka all the same
	Beyond    uint64 // in Kafka, but behind one that is not, or not yet
	Different int    // failed ones that the broker did not mark, in batches where it marked others
	Invalids  int    // failed ones that the broker marked as invalid
	Invalid   []uint64

	// Sums over the records below Acked that this client wrote: from Produce until their request
	// was sent, and from then until the response. 0 where the client cannot tell them: see
	// BrokerShare.
	InWriter, InBroker time.Duration
}

// Event is a log line (Code 0, syslog Level) or an error.
type Event struct {
	Code, Level int
	Text        string
}
