package kafkatools

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/config"
)

// losses are what a reader of a topic was too late for. Retention removes records that
// were not read yet, and a topic that was truncated or made again ends before the
// position that its reader had. librdkafka goes on at the first record that is there and
// says nothing; here it is counted and said. Counting is for one goroutine, any may look.
type losses struct {
	topics  string       // their names
	gone    atomic.Int64 // offsets
	rewound atomic.Int64 // positions behind the end
}

// crossed is told when a partition goes on at another offset than next, the one that was
// due; first is the partition's first offset now, negative where it is not known. It
// returns what is to be said: nothing where the offsets between are transactions' markers,
// or records that compaction removed.
func (l *losses) crossed(topic string, partition int32, next, at, first int64) string {
	if at < next {
		l.rewound.Add(1)
		return fmt.Sprintf("%s:%d: the position %d is behind the partition's end: the topic was truncated or made again; reading goes on at offset %d",
			topic, partition, next, at)
	}
	gone := min(at, first) - next
	if gone <= 0 {
		return ""
	}
	l.gone.Add(gone)
	what := fmt.Sprintf("%d records are gone: %s:%d offsets %d to %d", gone, topic, partition, next, next+gone-1)
	if gone == 1 {
		what = fmt.Sprintf("1 record is gone: %s:%d offset %d", topic, partition, next)
	}
	return fmt.Sprintf("%s; reading goes on at offset %d", what, at)
}

// err is what the verb ends with: nil where nothing was lost.
func (l *losses) err() error {
	var what []string
	if n := l.gone.Load(); n > 0 {
		what = append(what, plural(n, "record")+" gone before they were read (retention)")
	}
	if n := l.rewound.Load(); n > 0 {
		what = append(what, plural(n, "position")+" behind the end of their partition")
	}
	if len(what) == 0 {
		return nil
	}
	return fmt.Errorf("topic %s: %s", l.topics, strings.Join(what, "; "))
}

// partitionsEvery is how often a reader looks for partitions that were added.
const partitionsEvery = 2 * time.Second

// refuseReset: after a gap reading goes on at the first record that is there. Anything else
// would go past records.
func (c Cluster) refuseReset(verb string) error {
	if v, ok := c.Properties["auto.offset.reset"]; ok {
		return config.Usagef("--kafka-property auto.offset.reset=%s: leave it out; %s goes on at the first record that is there, and says what is gone", v, verb)
	}
	return nil
}
