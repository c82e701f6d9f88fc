package librdkafka

import (
	"encoding/json"
	"time"
)

// Statistics are about a client's requests to all brokers.
type Statistics struct {
	Retries   uint64 // requests sent again, since the client was made
	Requests  uint64 // answered since the last statistics
	Took      time.Duration
	Quantiles map[float64]time.Duration // the slowest broker's
}

// parseStatistics reads the part of librdkafka's STATISTICS.md that is shown.
func parseStatistics(raw []byte) (Statistics, error) {
	var in struct {
		Brokers map[string]struct {
			TxRetries uint64 `json:"txretries"`
			RTT       struct {
				Sum, Cnt, P50, P90, P99 uint64 // microseconds
			} `json:"rtt"`
		} `json:"brokers"`
	}
	out := Statistics{Quantiles: map[float64]time.Duration{}}
	if err := json.Unmarshal(raw, &in); err != nil {
		return out, err
	}
	for _, b := range in.Brokers {
		out.Retries += b.TxRetries
		out.Requests += b.RTT.Cnt
		out.Took += time.Duration(b.RTT.Sum) * time.Microsecond
		for q, v := range map[float64]uint64{0.5: b.RTT.P50, 0.9: b.RTT.P90, 0.99: b.RTT.P99} {
			out.Quantiles[q] = max(out.Quantiles[q], time.Duration(v)*time.Microsecond)
		}
	}
	return out, nil
}
