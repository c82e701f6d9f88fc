package client

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// What the server says, one JSON object each, in the connection's own framing:
//
//	text     {"acked":17}\n
//	length   00 00 00 0c {"acked":17}
//
//	{"acked":N}                          the first N records of the connection are done for good
//	{"rejected":K,"reason":"bad_json"}   the K-th record, from 1, was rejected
//
// An answer counts only when it is whole: {"acked":1 may have been going to be 17.

// answerBytesMax is far more than any answer: whoever sends longer ones is not a
// Ringtail.
const answerBytesMax = 4096

// answer is one of the two; rejected is 0 where it is an acked.
type answer struct {
	acked    uint64
	rejected uint64
	reason   string
}

// answers cuts what is read into answers. Read into space, say how much with took,
// then call next until it has none.
type answers struct {
	framing Framing
	buf     [answerBytesMax]byte
	from    int
	to      int
}

// space is where to read to. It is never empty after next has had none.
func (a *answers) space() []byte {
	a.to = copy(a.buf[:], a.buf[a.from:a.to])
	a.from = 0
	return a.buf[a.to:]
}

func (a *answers) took(n int) { a.to += n }

// next is the next whole answer. An error wraps ErrProtocol.
func (a *answers) next() (ans answer, ok bool, err error) {
	line, ok, err := a.cut()
	if err != nil || !ok {
		return answer{}, false, err
	}
	ans, err = parseAnswer(line)
	return ans, err == nil, err
}

func (a *answers) cut() (line []byte, ok bool, err error) {
	p := a.buf[a.from:a.to]
	if a.framing == Length {
		if len(p) < 4 {
			return nil, false, nil
		}
		n := binary.BigEndian.Uint32(p)
		if n > answerBytesMax-4 {
			return nil, false, fmt.Errorf("%w: an answer of %d bytes", ErrProtocol, n)
		}
		if len(p) < int(n)+4 {
			return nil, false, nil
		}
		a.from += int(n) + 4
		return p[4 : n+4], true, nil
	}
	n := bytes.IndexByte(p, '\n')
	if n < 0 {
		if len(p) == answerBytesMax {
			return nil, false, fmt.Errorf("%w: a line of over %d bytes", ErrProtocol, answerBytesMax)
		}
		return nil, false, nil
	}
	a.from += n + 1
	return p[:n], true, nil
}

var (
	ackedHead = []byte(`{"acked":`)
	ackedTail = []byte(`}`)
)

// parseAnswer reads the usual acked by hand and leaves everything else to
// encoding/json: acks come a thousand times a second, and allocate nothing.
func parseAnswer(line []byte) (answer, error) {
	if digits, ok := bytes.CutPrefix(line, ackedHead); ok {
		if digits, ok = bytes.CutSuffix(digits, ackedTail); ok {
			if n, ok := parseCount(digits); ok {
				return answer{acked: n}, nil
			}
		}
	}
	var v struct {
		Acked    *uint64 `json:"acked"`
		Rejected *uint64 `json:"rejected"`
		Reason   string  `json:"reason"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return answer{}, fmt.Errorf("%w: %.64q: %v", ErrProtocol, line, err)
	}
	switch {
	case v.Acked != nil && v.Rejected == nil:
		return answer{acked: *v.Acked}, nil
	case v.Rejected != nil && v.Acked == nil && *v.Rejected > 0:
		return answer{rejected: *v.Rejected, reason: v.Reason}, nil
	}
	return answer{}, fmt.Errorf("%w: %.64q is neither acked nor rejected", ErrProtocol, line)
}

// parseCount reads digits without a leading zero that fit in 64 bits with room.
func parseCount(p []byte) (n uint64, ok bool) {
	if len(p) == 0 || len(p) > 19 || (p[0] == '0' && len(p) > 1) {
		return 0, false
	}
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}
