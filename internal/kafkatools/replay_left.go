package kafkatools

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// What a replay has done in a partition is the offset that its group has committed, and behind that
// the text that Kafka keeps with an offset:
//
//	0 1 2 3 4 5 6 7 8 9        next is 8; 2, 5 and 6 did not pass, and the others were replayed
//	    ✗     ✗ ✗   next       left is 2, 5, 6: as text "left:" and, compressed, 2 1 2 2
//
// So the next replay tries 2, 5 and 6 again, and then what is from 8 on. Both are part of the
// transaction that has the records, or there would be a moment at which a kill doubles some.
type replayed struct {
	next int64   // the offset behind the last letter that was looked at
	left []int64 // ascending offsets before next that were not replayed
	upTo int64   // this replay has looked at what is before; not for Kafka
}

const (
	leftPrefix = "left:"
	// leftBytes is how long the text may be: brokers take 4,096 bytes (offset.metadata.max.bytes).
	leftBytes = 4000
)

// after returns what has been done when a partition has been read up to position, and these offsets
// were tried: true where the letter passed. Offsets that were left and have not been met on the way
// from upTo are gone: retention has removed the letters.
func (r replayed) after(position int64, tried map[int64]bool) replayed {
	out := replayed{next: max(r.next, position), upTo: position}
	for _, offset := range r.left {
		if _, met := tried[offset]; !met && (offset < r.upTo || offset >= position) {
			out.left = append(out.left, offset)
		}
	}
	for offset, passed := range tried {
		if !passed {
			out.left = append(out.left, offset)
		}
	}
	slices.Sort(out.left)
	return out
}

// wants tells whether the letter at an offset is to be tried.
func (r replayed) wants(offset int64) bool {
	_, left := slices.BinarySearch(r.left, offset)
	return left || offset >= r.next
}

// begin is the offset of the first letter that is to be tried.
func (r replayed) begin() int64 {
	if len(r.left) > 0 {
		return r.left[0]
	}
	return r.next
}

// remember returns the text for Kafka. Where that would be too long, the oldest letters are
// forgotten: they are neither replayed nor tried again.
func (r *replayed) remember() (text string, forgotten int) {
	if len(r.left) == 0 {
		return "", 0
	}
	all := r.left
	forgotten = sort.Search(len(all), func(n int) bool { return len(leftText(all[n:])) <= leftBytes })
	r.left = all[forgotten:]
	return leftText(r.left), forgotten
}

// leftText is runs of offsets: how many are between this one and the one before, how long it is.
func leftText(left []int64) string {
	var runs []byte
	for at, begin := int64(0), 0; begin < len(left); {
		end := begin + 1
		for end < len(left) && left[end] == left[end-1]+1 {
			end++
		}
		runs = binary.AppendUvarint(runs, uint64(left[begin]-at))
		runs = binary.AppendUvarint(runs, uint64(end-begin))
		at, begin = left[end-1]+1, end
	}
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression) // the level is a right one
	_, _ = w.Write(runs)
	_ = w.Close()
	return leftPrefix + base64.RawStdEncoding.EncodeToString(packed.Bytes())
}

// parseLeft reads such a text; "" is that nothing is left.
func parseLeft(text string) (left []int64, err error) {
	if text == "" {
		return nil, nil
	}
	coded, ours := strings.CutPrefix(text, leftPrefix)
	packed, err := base64.RawStdEncoding.DecodeString(coded)
	if !ours || err != nil {
		return nil, fmt.Errorf("%.40q is no list of dead letters", text)
	}
	runs, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	in := bytes.NewReader(runs)
	for at := int64(0); err == nil && in.Len() > 0; {
		var gap, length uint64
		if gap, err = binary.ReadUvarint(in); err == nil {
			length, err = binary.ReadUvarint(in)
		}
		for at += int64(gap); err == nil && length > 0; length-- {
			left = append(left, at)
			at++
		}
	}
	return left, err
}
