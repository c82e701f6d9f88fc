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
