package backend

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// NobodyLeads is the trouble of a partition without a leader.
const NobodyLeads = "LEADER_NOT_AVAILABLE: nobody leads the partition"

// CodeName returns Kafka's name of a broker's error code.
func CodeName(code int) string {
	e := kerr.TypedErrorForCode(int16(code))
	switch {
	case e == kerr.NotLeaderForPartition:
		return "NOT_LEADER_OR_FOLLOWER" // its name since Kafka 2.6
	case e == nil || int(e.Code) != code:
		return fmt.Sprintf("error code %d", code)
	}
	return e.Message
}

// ErrorText returns name and text of an error code: of a broker's Kafka's, of others librdkafka's.
func ErrorText(code int) string {
	if text, ok := local[code]; ok {
		return text
	}
	e := kerr.TypedErrorForCode(int16(code))
	if e == nil || int(e.Code) != code {
		return CodeName(code)
	}
	return CodeName(code) + ": " + e.Description
}

// local are librdkafka's names and texts of the codes that both backends use.
var local = map[int]string{
	ErrInconsistent:   "_INCONSISTENT: Local: Inconsistent state",
	ErrFatal:          "_FATAL: Local: Fatal error",
	ErrPurged:         "_PURGE_QUEUE: Local: Purged in queue",
	ErrQueueFull:      "_QUEUE_FULL: Local: Queue full",
	ErrTimedOut:       "_TIMED_OUT: Local: Timed out",
	ErrAllBrokersDown: "_ALL_BROKERS_DOWN: Local: All broker connections are down",
	ErrResolve:        "_RESOLVE: Local: Host resolution failure",
	ErrAuthentication: "_AUTHENTICATION: Local: Authentication failure",
	ErrTransport:      "_TRANSPORT: Local: Broker transport failure",
}
