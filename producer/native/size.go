package native

import "time"

// sizes bound requests, in bytes. The first is what services take that close the connection of a
// larger one (1,046,528 bytes at Event Hubs). Over the least everything passes. The most is where a
// request's last batch would wait long for its first.
type sizeBounds struct{ least, first, most int }

var requestSizeBounds = sizeBounds{32 << 10, 1_000_000, 8 << 20}

// size is how large requests to a broker may be. Since a broker has one request under way, this is what
// goes in a round trip; but some brokers, or what stands before them, close the connection at a size
// that they do not tell, and over a slow link a large one takes longer than socket.timeout.ms. What was
// sent once so would be sent so for ever. So
//
//   - the limit doubles with each request that was full and took less than a quarter of
//     socket.timeout.ms;
//   - a request without answer that is larger than any that was answered since the last such loss
//     halves it, and growAfter passes before it grows again, twice as long each time until what was
//     lost has passed. One that is not larger halves it the second time: brokers also die, and then
//     its size was no matter;
//   - a request of one batch is always let through: batches cannot be split. A batch that was lost
//     aloneMax times in a row in requests of its own is given up, and the next instance makes
//     smaller ones.
type requestSize struct {
	limit     int // bytes of a request; 0: the first
	proven    int // bytes of the largest request answered since one was lost
	failed    int // bytes of the request that halved the limit last; 0: nothing did, or as much has passed
	growAt    time.Duration
	growPause time.Duration // from failed to growAt
}

const (
	growAfter    = 10 * time.Minute
	growAfterMax = 24 * time.Hour
)

// aloneMax is more than one, since brokers also die, and little, since it is a multiple of
// socket.timeout.ms where the link is slow.
const lostAloneMax = 3

// most returns the limit.
func (s *requestSize) most(bounds sizeBounds) int {
	if s.limit == 0 {
		return bounds.first
	}
	return s.limit
}

// lost notes that a request of so many bytes may have been sent and got no answer.
func (s *requestSize) lost(bytes int, bounds sizeBounds, now time.Duration) {
	if bytes > s.proven {
		s.limit, s.failed = max(bytes/2, bounds.least), bytes
		s.growPause = min(max(2*s.growPause, growAfter), growAfterMax)
		s.growAt = now + s.growPause
	}
	s.proven = 0
}

// answered notes that a request was.
func (s *requestSize) answered(req *inflightRequest, bounds sizeBounds, now, socketTimeout time.Duration) {
	s.proven = max(s.proven, req.bytes)
	if req.bytes >= s.failed {
		s.failed, s.growPause = 0, 0
	}
	if req.full && now >= s.growAt && now-req.sentAt < socketTimeout/4 {
		s.limit = min(2*s.most(bounds), bounds.most)
	}
}
