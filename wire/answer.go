package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// answerBytesMax is far more than any answer: whatever sends longer ones is not a Ringtail.
const answerBytesMax = 4096

// Answer is one message of the server to a client that asked for acks.
type Answer struct {
	Acked    uint64 // the first so many records of the connection are done for good; not where Rejected is set
	Rejected uint64 // the record of this number, from 1, was rejected; 0: none
	Reason   string // why it was
}

// Answers cuts what a client reads into answers: those of Length by their lengths, those of
// Newline, JSON and Auto by lines. It does not know the answers of the other framings. Acks
// allocate nothing.
//
// Package client, a module of its own, has its own.
type Answers struct {
	Framing Framing // that of the records sent

	buf  [answerBytesMax]byte
	from int
	to   int
}

// space returns where to read to. It is never empty after next has had none.
func (a *Answers) space() []byte {
	a.to = copy(a.buf[:], a.buf[a.from:a.to])
	a.from = 0
	return a.buf[a.to:]
}

// took says that n bytes were read into space.
func (a *Answers) took(n int) { a.to += n }

// next returns the next whole answer, ok where there is one. An error means that the bytes are no
// answer.
func (a *Answers) next() (answer Answer, ok bool, err error) {
	text, ok, err := a.cut()
	if err != nil || !ok {
		return Answer{}, false, err
	}
	answer, err = parseAnswer(text)
	return answer, err == nil, err
}

// Read returns the next answer that comes from r; io.EOF after the last, io.ErrUnexpectedEOF inside
// of one.
func (a *Answers) Read(r io.Reader) (Answer, error) {
	for {
		answer, ok, err := a.next()
		if ok || err != nil {
			return answer, err
		}
		n, err := r.Read(a.space())
		a.took(n)
		switch {
		case n > 0:
		case err == io.EOF && a.from < a.to:
			return Answer{}, io.ErrUnexpectedEOF
		case err != nil:
			return Answer{}, err
		}
	}
}

func (a *Answers) cut() (text []byte, ok bool, err error) {
	p := a.buf[a.from:a.to]
	if a.Framing == Length {
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
func parseAnswer(text []byte) (Answer, error) {
	if digits, ok := bytes.CutPrefix(text, ackedHead); ok {
		if digits, ok = bytes.CutSuffix(digits, ackedTail); ok {
			if n, ok := parseCount(digits); ok {
				return Answer{Acked: n}, nil
			}
		}
	}
	var v struct {
		Acked    *uint64 `json:"acked"`
		Rejected *uint64 `json:"rejected"`
		Reason   string  `json:"reason"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return Answer{}, fmt.Errorf("answer %.64q: %w", text, err)
	}
	switch {
	case v.Acked != nil && v.Rejected == nil:
		return Answer{Acked: *v.Acked}, nil
	case v.Rejected != nil && v.Acked == nil && *v.Rejected > 0:
		return Answer{Rejected: *v.Rejected, Reason: v.Reason}, nil
	}
	return Answer{}, fmt.Errorf("answer %.64q is neither acked nor rejected", text)
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
