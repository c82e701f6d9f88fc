package verdict

import "time"

// State is how records fare.
type State string

// The states, the worst first.
const (
	Stuck    State = "stuck"    // a partition takes no records
	Slow     State = "slow"     // records take long, and it is known where
	Clients  State = "clients"  // clients send nothing, or nothing that can be taken, or do not read
	Starting State = "starting" // no record is taken yet
	Draining State = "draining" // no record is taken any more
	OK       State = "ok"
)

// States are all of them, in the order of their declaration.
var States = []State{Stuck, Slow, Clients, Starting, Draining, OK}

// Verdict is what is wrong.
type Verdict struct {
	State  State     `json:"state"`
	Text   string    `json:"text"`             // one line: "STUCK: partition 3 since 4 min: NOT_ENOUGH_REPLICAS"
	Since  time.Time `json:"since"`            // when it became so
	Advice string    `json:"advice,omitempty"` // one line: what to do

	// FullIn is when the fullest ring is full at the present rate, in seconds; nil: it does not fill.
	FullIn      *float64 `json:"rings_full_in_seconds"`
	Waiting     int      `json:"waiting"`     // connections that are not read
	Connections int      `json:"connections"` // open
	// Stages is the share of the records' time that each stage took in the last minute, 0 to 1:
	// socket, parse, ring, writer, broker.
	Stages map[string]float64 `json:"stages"`
}
