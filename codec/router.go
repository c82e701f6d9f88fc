package codec

import (
	"fmt"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep a record may nest.
	MaxDepth = 512

	// MaxDigits is how many digits an integer may have, as in CPython
	// (sys.int_info.default_max_str_digits).
	MaxDigits = 4300

	// MaxShards keeps products of two residues within 64 bits, by far.
	MaxShards = 1_000_000
)

// Options say how records are routed.
type Options struct {
	Field          string // --field: the top-level field that routes
	Shards         int    // --shards: shard = number mod Shards
	KeyField       string // --key-field: top-level field that becomes the key; "" for none
	MaxRecordBytes int    // --max-record-bytes
}

// A Router gives the verdict on records. It owns scratch memory: one for each
// event loop or goroutine, never shared.
type Router struct {
	names  [2]string // routing field, key field ("" for none)
	field  name
	key    name
	shards uint64
	max    int
	found  found
	ahead  *lookahead // nil where the machine has no vectors
	arena  []byte     // unescaped keys; full ones are left to those who read them
	short  [8]byte    // a record so short that sonic would read behind it
}

// NewRouter checks the options and returns a Router.
func NewRouter(o Options) (*Router, error) {
	switch {
	case o.Field == "":
		return nil, fmt.Errorf("codec: --field is empty; it names the field that routes")
	case !utf8.ValidString(o.Field):
		return nil, fmt.Errorf("codec: --field %q is not UTF-8", o.Field)
	case !utf8.ValidString(o.KeyField):
		return nil, fmt.Errorf("codec: --key-field %q is not UTF-8", o.KeyField)
	case o.Shards < 1 || o.Shards > MaxShards:
		return nil, fmt.Errorf("codec: --shards %d is not within 1 to %d", o.Shards, MaxShards)
	case o.MaxRecordBytes < 1:
		return nil, fmt.Errorf("codec: --max-record-bytes %d is not at least 1", o.MaxRecordBytes)
	}
	r := &Router{
		names:  [2]string{o.Field, o.KeyField},
		field:  newName(o.Field),
		key:    newName(o.KeyField),
		shards: uint64(o.Shards),
		max:    o.MaxRecordBytes,
	}
	r.ahead = newLookahead(r.names, vectors)
	return r, nil
}

// SetMaxRecordBytes changes the limit, between two chunks: the topic's own may
// change at any time. A record under way that is over the old one stays lost.
func (r *Router) SetMaxRecordBytes(n int) { r.max = max(n, 1) }

// Judge gives the verdict on one record, white space around it trimmed. It is
// a function of the bytes and the options alone.
func (r *Router) Judge(rec *Record, data []byte) {
	if len(data) <= r.max && (r.first(data, len(data), true) == len(data) || r.scan(data, true) == len(data)) {
		r.judgeScanned(rec, data, len(data))
	} else {
		r.judgeUnusual(rec, data)
	}
}

// judgeUnusual is Judge where scan has declined, or the record is too large.
func (r *Router) judgeUnusual(rec *Record, data []byte) {
	if len(data) > r.max {
		*rec = Record{Data: data[:min(MaxPrefix, r.max)], Size: len(data), Reason: TooLarge}
		return
	}
	r.judgeSlowly(rec, data)
}

// judgeScanned is the verdict on a record that scan has just taken, or flat:
// the first n bytes of what it saw. All that is left is its number.
func (r *Router) judgeScanned(rec *Record, b []byte, n int) {
	data := b[:n:n]
	rec.Data = data
	rec.Size = n
	rec.Key = nil
	rec.Reason = OK
	value := r.found.value
	if value == 0 {
		rec.Reason = MissingField
		return
	}
	shard, ok := r.shardOfPlain(b, value)
	if !ok {
		if shard, ok = r.shardOf(data[value:valueEnd(b, value)]); !ok {
			rec.Reason = BadNumber
			return
		}
	}
	rec.Shard = shard
	if key := r.found.key; key != 0 {
		rec.Key = r.keyOf(data[key:valueEnd(b, key)])
	}
}
