package librdkafka

import (
	"encoding/json"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// parseStatistics reads the part of librdkafka's STATISTICS.md that is shown.
func parseStatistics(raw []byte) (backend.Statistics, error) {
	var in struct {
		Brokers map[string]struct {
			TxRetries uint64 `json:"txretries"`
			RTT       struct {
				Sum, Cnt, P50, P90, P99 uint64 // microseconds
			} `json:"rtt"`
		} `json:"brokers"`
	}
	out := backend.Statistics{Quantiles: map[float64]time.Duration{}}
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
