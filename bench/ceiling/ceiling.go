package ceiling

import (
	"fmt"
	"slices"

	"github.com/ringtail/ringtail/producer/librdkafka"
)

// Options of a run.
type Options struct {
	Brokers, Topic string
	Records        int        // how many to produce; the given ones again and again
	Rate           float64    // records a second, 0: as fast as possible
	Linger         string     // linger.ms
	ByPartition    [][][]byte // the records of each partition
	Latency        bool       // measure from produce to report
	Begin          func()     // called when everything is set up, before the first record
}

// Latency are quantiles in seconds; zero where they were not asked for.
type Latency struct{ P50, P99 float64 }

// Run produces and returns when every record has been reported.
func Run(o Options) (Latency, error) {
	c, err := librdkafka.NewCeiling(map[string]string{
		"bootstrap.servers": o.Brokers, "acks": "all", "enable.idempotence": "true", "linger.ms": o.Linger,
		"queue.buffering.max.messages": "100000", "batch.size": "1000000", "enable.metrics.push": "false",
	}, o.Topic, o.ByPartition)
	if err != nil {
		return Latency{}, fmt.Errorf("ceiling: %w", err)
	}
	defer c.Destroy()
	var took []float64
	if o.Latency {
		took = make([]float64, o.Records)
	}
	if o.Begin != nil {
		o.Begin()
	}
	if failed := c.Run(o.Records, o.Rate, took); failed > 0 {
		return Latency{}, fmt.Errorf("ceiling: %d of %d records failed", failed, o.Records)
	}
	if !o.Latency {
		return Latency{}, nil
	}
	slices.Sort(took)
	return Latency{P50: took[len(took)/2], P99: took[len(took)*99/100]}, nil
}
