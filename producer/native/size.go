package native

import "time"

// size is how large requests to a broker may be. Some close the connection at a size that they
// do not tell, and over a slow link a large one takes longer than socket.timeout.ms: what was
// sent once so would be sent so for ever. So
//
//   - a request without answer that is larger than any that was answered since the last such loss
//     halves the limit. One that is not larger does so the second time: brokers also die, and
//     then its size was no matter;
//   - a request of one batch is always let through: batches cannot be split. A batch that was lost
//     aloneMax times in a row in requests of its own is given up, and the next instance makes
//     smaller ones;
//   - the limit doubles at most every growAfter, when a request was full and took less than a
//     quarter of socket.timeout.ms.
type size struct {
	limit  int           // bytes of a request; 0: no other than Client.requestBytes
	proven int           // bytes of the largest request answered since one was lost
	growAt time.Duration // not before
}

// aloneMax is more than one, since brokers also die, and little, since it is a multiple of
// socket.timeout.ms where the link is slow.
const aloneMax = 3

// requestBytesMin is what passes everywhere: nothing is made smaller than that.
const requestBytesMin = 32 << 10

const growAfter = 10 * time.Minute

// most returns the limit, given the one for all brokers.
func (s *size) most(all int) int {
	if s.limit == 0 {
		return all
	}
	return min(s.limit, all)
}

// lost notes that a request of so many bytes may have been sent and got no answer. The limit does not
// fall below least.
func (s *size) lost(bytes, least int, now time.Duration) {
	if bytes > s.proven {
		s.limit, s.growAt = max(bytes/2, least), now+growAfter
	}
	s.proven = 0
}

// answered notes that a request was.
func (s *size) answered(f *flight, now, socketTimeout time.Duration) {
	s.proven = max(s.proven, f.bytes)
	if s.limit > 0 && f.full && now >= s.growAt && now-f.begun < socketTimeout/4 {
		if s.limit, s.growAt = 2*s.limit, now+growAfter; s.limit >= requestBytesMax {
			s.limit = 0
		}
	}
}
