package bench

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// stream makes the bytes of one connection: its records from a sequence number
// on, framed.
type stream struct {
	pool    *Pool
	conn    int
	framing Framing
	odd     func(conn int, seq uint64) []byte
	seq     uint64 // of the next record
}

// appendNext appends the next record, framed, and steps on.
func (s *stream) appendNext(dst []byte) []byte {
	from := len(dst)
	if s.framing == Length {
		dst = append(dst, 0, 0, 0, 0)
	}
	var odd []byte
	if s.odd != nil {
		odd = s.odd(s.conn, s.seq)
	}
	if odd != nil {
		dst = append(dst, odd...)
	} else {
		dst = s.pool.Append(dst, s.conn, s.seq)
	}
	switch {
	case s.framing == Length:
		binary.BigEndian.PutUint32(dst[from:], uint32(len(dst)-from-4))
	case s.framing == Newline, s.framing == Auto && (s.seq%4 == 0 || odd != nil):
		dst = append(dst, '\n')
	}
	s.seq++
	return dst
}

// Answer is one message of the server to a client that asked for acks: either
// Acked or Rejected is set.
type Answer struct {
	Acked    uint64 `json:"acked"`
	Rejected uint64 `json:"rejected"`
	Reason   string `json:"reason"`
}

// maxAnswer bounds what we hold of one answer: they are some forty bytes.
const maxAnswer = 4096

// Answers reads a server's answers in a connection's framing.
type Answers struct {
	in      *bufio.Reader
	framing Framing
}

// NewAnswers reads from one connection.
func NewAnswers(r io.Reader, f Framing) *Answers {
	return &Answers{in: bufio.NewReaderSize(r, maxAnswer), framing: f}
}

// Next returns the next answer; io.EOF after the last.
func (a *Answers) Next() (Answer, error) {
	var text []byte
	var err error
	if a.framing == Length {
		text, err = a.nextFrame()
	} else if text, err = a.in.ReadSlice('\n'); err == io.EOF && len(text) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Answer{}, err
	}
	return parseAnswer(text)
}

func (a *Answers) nextFrame() ([]byte, error) {
	head, err := a.in.Peek(4)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxAnswer-4 {
		return nil, fmt.Errorf("bench: the server's answer has %d bytes", n)
	}
	frame, err := a.in.Peek(4 + int(n))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	_, err = a.in.Discard(len(frame))
	return frame[4:], err
}

var ackedPrefix = []byte(`{"acked":`)

// parseAnswer reads an ack without encoding/json: a busy connection gets a
// thousand a second.
func parseAnswer(text []byte) (Answer, error) {
	text = bytes.TrimSpace(text)
	if rest, ok := bytes.CutPrefix(text, ackedPrefix); ok {
		if n, ok := plainNumber(bytes.TrimSuffix(rest, []byte("}"))); ok {
			return Answer{Acked: n}, nil
		}
	}
	var answer Answer
	if err := json.Unmarshal(text, &answer); err != nil {
		return Answer{}, fmt.Errorf("bench: the server's answer %q: %w", text, err)
	}
	if answer.Acked == 0 && answer.Rejected == 0 {
		return Answer{}, fmt.Errorf("bench: the server's answer %q is neither acked nor rejected", text)
	}
	return answer, nil
}

func plainNumber(text []byte) (uint64, bool) {
	if len(text) == 0 || len(text) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
