package native

import "time"

// sizeBounds bound the size of requests, in bytes. Requests start at first: some services close the
// connection at a larger one (over 1,046,528 bytes at Event Hubs). least gets through everywhere.
// Over most, a request's first batch would wait long for its last.
type sizeBounds struct{ least, first, most int }

var requestSizeBounds = sizeBounds{32 << 10, 1_000_000, 8 << 20}

// requestSize is how large requests to a broker may be. A broker has one request under way, so a
// larger one carries more in a round trip. But some brokers and proxies close the connection at a
// size that they do not tell, and over a slow link a large request takes longer than
// socket.timeout.ms. It would be sent again for ever, without success. So:
//
//   - The limit doubles with each request that was full and took less than a quarter of
//     socket.timeout.ms.
//   - A request without response is a loss. If it is larger than any that got a response since the
//     last loss, it halves the limit, and the limit does not grow for growAfter, twice as long with
//     each loss until a request of that size gets through. If it is not larger, only a second loss
//     halves the limit: brokers also die, and then the size does not matter.
//   - A request of one batch is always sent, since a batch cannot be split. A batch that was lost
//     lostAloneMax times in a row in requests of its own is given up, and the next client makes
//     smaller ones.
type requestSize struct {
	limit     int // bytes of a request; 0: sizeBounds.first
	proven    int // bytes of the largest request with a response since the last loss
	failed    int // bytes of the request that halved the limit last; 0: none did, or one of this size got through since
	growAt    time.Duration
	growPause time.Duration // from failed to growAt
}

const (
	growAfter    = 10 * time.Minute
	growAfterMax = 24 * time.Hour
)

// lostAloneMax is more than one, since brokers also die, and small, since each loss takes
// socket.timeout.ms where the link is slow.
const lostAloneMax = 3

// most returns the limit.
func (s *requestSize) most(bounds sizeBounds) int {
	if s.limit == 0 {
		return bounds.first
	}
	return s.limit
}

// lost notes that a request of that many bytes was sent, perhaps, and got no response.
func (s *requestSize) lost(bytes int, bounds sizeBounds, now time.Duration) {
	if bytes > s.proven {
		s.limit, s.failed = max(bytes/2, bounds.least), bytes
		s.growPause = min(max(2*s.growPause, growAfter), growAfterMax)
		s.growAt = now + s.growPause
	}
	s.proven = 0
}

// responded notes that a request got a response.
func (s *requestSize) responded(req *inflightRequest, bounds sizeBounds, now, socketTimeout time.Duration) {
	s.proven = max(s.proven, req.bytes)
	if req.bytes >= s.failed {
		s.failed, s.growPause = 0, 0
	}
	if req.full && now >= s.growAt && now-req.sentAt < socketTimeout/4 {
		s.limit = min(2*s.most(bounds), bounds.most)
	}
}
