package client

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// answerBytesMax is far more than any answer: whatever sends longer ones is not a Ringtail.
const answerBytesMax = 4096

// answer is one message of the server: an object in the framing of the records, in Newline a line.
// It counts only when it is whole: {"acked":1 may be the beginning of 17.
//
//	{"acked":0}                          to the blank record with which a connection begins
//	{"acked":N}                          the first N records of the connection are done for good
//	{"rejected":K,"reason":"bad_json"}   the K-th record, from 1, was rejected
type answer struct {
	Acked    uint64 // the first so many records of the connection are done for good; not where Rejected is set
	Rejected uint64 // the record of this number, from 1, was rejected; 0: none
	Reason   string // why it was
}

// answers cuts what the server says into answers. Acks allocate nothing. Whoever reads reads into
// space, says how much with took, and calls next until there is none.
type answers struct {
	framing Framing

	buf  [answerBytesMax]byte
	from int
	to   int
}

// space returns where to read to. It is never empty after next has had none.
func (a *answers) space() []byte {
	a.to = copy(a.buf[:], a.buf[a.from:a.to])
	a.from = 0
	return a.buf[a.to:]
}

// took says that n bytes were read into space.
func (a *answers) took(n int) { a.to += n }

// next returns the next whole answer, ok where there is one. An error means that the bytes are no
// answer.
func (a *answers) next() (ans answer, ok bool, err error) {
	text, ok, err := a.cut()
	if err != nil || !ok {
		return answer{}, false, err
	}
	ans, err = parseAnswer(text)
	return ans, err == nil, err
}

func (a *answers) cut() (text []byte, ok bool, err error) {
	p := a.buf[a.from:a.to]
	if a.framing == Length {
		if len(p) < 4 {
			return nil, false, nil
		}
		n := binary.BigEndian.Uint32(p)
		if n > answerBytesMax-4 {
			return nil, false, fmt.Errorf("an answer of %d bytes", n)
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
			return nil, false, fmt.Errorf("an answer of over %d bytes", answerBytesMax)
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
func parseAnswer(text []byte) (answer, error) {
	if digits, ok := bytes.CutPrefix(text, ackedHead); ok {
		if digits, ok = bytes.CutSuffix(digits, ackedTail); ok {
			if n, ok := parseCount(digits); ok {
				return answer{Acked: n}, nil
			}
		}
	}
	var v struct {
		Acked    *uint64 `json:"acked"`
		Rejected *uint64 `json:"rejected"`
		Reason   string  `json:"reason"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return answer{}, fmt.Errorf("answer %.64q: %w", text, err)
	}
	switch {
	case v.Acked != nil && v.Rejected == nil:
		return answer{Acked: *v.Acked}, nil
	case v.Rejected != nil && v.Acked == nil && *v.Rejected > 0:
		return answer{Rejected: *v.Rejected, Reason: v.Reason}, nil
	}
	return answer{}, fmt.Errorf("answer %.64q is neither acked nor rejected", text)
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
