package faults

import (
	"net/http"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// What a server may have more, when all is over, than when it had just become
// ready.
const (
	// liveMore is for what it holds: what Go's heap holds after a collection, and
	// librdkafka's 10,000 records a shard under way with their requests, whose room
	// malloc keeps. Rows 1, 3, 4 and 5 end with 40 to 80 MiB of it.
	liveMore = 128 << 20
	// residentMore is for what is resident, most of it room that the queues of a
	// stall needed and have let go: a server that allocates nothing collects it
	// every two minutes only. Rows 3 to 5 end with 80 to 185 MiB of it.
	residentMore = 256 << 20
)

// weight is a server's memory in bytes.
type weight struct {
	resident int64
	live     int64 // of it, without what Go has collected and not yet given back
}

// weigh has the server collect its garbage, which needs --pprof, and weighs it
// before and after.
func weigh(tb kafkatest.TB, s *e2e.Server) weight {
	tb.Helper()
	w := weight{resident: s.RSS()}
	if status, body := s.Get("/debug/pprof/heap?gc=1"); status != http.StatusOK {
		tb.Fatalf("a collection of garbage: %d %.100s", status, body)
	}
	m := s.Metrics()
	w.live = s.RSS() - int64(m["go_memstats_heap_idle_bytes"]-m["go_memstats_heap_released_bytes"])
	return w
}

// weigh fills in what a report says of memory, and fails if it is too much.
func (r *Report) weigh(tb kafkatest.TB, s *e2e.Server, before weight) {
	tb.Helper()
	peak, now := s.PeakRSS(), weigh(tb, s)
	r.Start, r.Peak, r.Growth, r.Live = before.resident, peak-before.resident, now.resident-before.resident, now.live-before.live
	judge(tb, s, before, now)
}

// judge fails if the server has grown from before to now.
func judge(tb kafkatest.TB, s *e2e.Server, before, now weight) {
	tb.Helper()
	if live, resident := now.live-before.live, now.resident-before.resident; live > liveMore || resident > residentMore {
		tb.Fatalf("memory grew by %d MiB, %d of them held, from %d MiB: %s", resident>>20, live>>20, before.resident>>20, s.Memory())
	}
}
