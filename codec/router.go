package codec

import (
	"fmt"
	"slices"
	"strings"
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
	Field          string // --field: the field that routes: a top-level one, a.b or, as a JSON pointer, /a/b
	Shards         int    // --shards: shard = number mod Shards
	KeyField       string // --key-field: top-level field that becomes the key; "" for none
	MaxRecordBytes int    // --max-record-bytes
}

// A Router gives the verdict on records. It owns scratch memory: one for each
// event loop or goroutine, never shared.
type Router struct {
	names     [2]string // routing field, the first of its names; key field ("" for none)
	path      []string  // the further names of the routing field
	field     fieldName
	key       fieldName
	shards    uint64
	max       int
	found     scanFound
	lookahead *lookahead // nil where the machine has no vectors
	arena     []byte     // unescaped keys; full ones are left to those who read them
	short     [8]byte    // a record so short that sonic would read behind it
}

// NewRouter checks the options and returns a Router.
func NewRouter(o Options) (*Router, error) {
	switch {
	case o.Field == "":
		return nil, fmt.Errorf("--field is empty; it names the field that routes")
	case !utf8.ValidString(o.Field):
		return nil, fmt.Errorf("--field %q is not UTF-8", o.Field)
	case !utf8.ValidString(o.KeyField):
		return nil, fmt.Errorf("--key-field %q is not UTF-8", o.KeyField)
	case o.Shards < 1 || o.Shards > MaxShards:
		return nil, fmt.Errorf("--shards %d is not within 1 to %d", o.Shards, MaxShards)
	case o.MaxRecordBytes < 1:
		return nil, fmt.Errorf("--max-record-bytes %d is not at least 1", o.MaxRecordBytes)
	}
	path, err := parseField(o.Field)
	if err != nil {
		return nil, err
	}
	r := &Router{
		names:  [2]string{path[0], o.KeyField},
		path:   path[1:],
		field:  newName(path[0]),
		key:    newName(o.KeyField),
		shards: uint64(o.Shards),
		max:    o.MaxRecordBytes,
	}
	r.lookahead = newLookahead(r.names, vectors)
	return r, nil
}

// parseField reads --field: the names on the way to the value, one or more. In a JSON pointer (RFC
// 6901) ~1 is a slash and ~0 a tilde.
func parseField(field string) (names []string, err error) {
	if pointer, ok := strings.CutPrefix(field, "/"); ok {
		for name := range strings.SplitSeq(pointer, "/") {
			names = append(names, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
		}
	} else {
		names = strings.Split(field, ".")
	}
	if slices.Contains(names, "") {
		return nil, fmt.Errorf("--field %q has a part without a name; a name with dots in it is written /%s", field, field)
	}
	return names, nil
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

// judgeScanned is the verdict on a record that scan has just taken, or simd:
// the first n bytes of what it saw. All that is left is its number.
func (r *Router) judgeScanned(rec *Record, b []byte, n int) {
	data := b[:n:n]
	rec.Data = data
	rec.Size = n
	rec.Key = nil
	rec.Reason = OK
	value := r.follow(data, r.found.value)
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
