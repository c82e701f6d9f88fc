package codec

const (
	// MaxLength is the largest length a length-prefixed frame may announce.
	// Beyond it the bytes are not a length at all.
	MaxLength = 16 << 20

	// MaxPrefix is how many bytes are stored of a record that is too large or truncated.
	MaxPrefix = 4 << 10
)

// Record is one frame with its verdict. Data and Key alias the chunk, or
// memory of the Decoder or Router, and are valid until the Decoder's next Feed
// or Release.
type Record struct {
	Data   []byte // the record, white space around it trimmed; a prefix of at most MaxPrefix bytes where it is TooLarge or Truncated
	Key    []byte // with a key field: its value, a string unescaped, else its JSON text; nil where it is missing. Only where Reason is OK
	Size   int    // bytes of the whole record, len(Data) unless cut
	Shard  int    // where Reason is OK
	Reason Reason
}

// A Decoder cuts the stream of one connection into records. It knows nothing of sockets: the caller
// feeds bytes in and takes records out.
//
//	d.Init(framing)
//	for each read {
//		d.Feed(chunk)
//		for d.Next(router, &rec) { … }
//		if d.Failure() != 0 { close }
//	}
//	d.End(); for d.Next(router, &rec) { … }; d.Release()
//
// A record that lies whole in a chunk is never copied. The first part of a record that does not
// waits in partial, without the white space before it. Each of its bytes is looked at once to find
// the end, however small the reads are, and once more for the verdict. Two sums describe such a
// record:
//
//	seen   bytes since its first that is not white space
//	size   the same up to its last that is not white space (so far)
//
// partial has the first `seen` bytes, but never more than the limit. What is beyond the limit is
// white space that will be trimmed; or the record is too large (`over`), and partial is cut to
// MaxPrefix bytes. Once partial has less than was seen, nothing is added to it any more.
type Decoder struct {
	chunk     []byte     // borrowed: what Next has not looked at yet
	lookahead *lookahead // what was found in the chunk ahead of Next, while its owner is this Decoder
	partial   *buffer    // the first part of the unfinished record; nil if there is none
	spent     *buffer    // the buffer of the record that was finished last; still handed out

	seen int
	size int

	need   uint32 // length: bytes of the frame still to come
	header uint32 // length: the header so far

	text  object // text: where the framer stands in the object
	opens uint16 // text: opening brackets, all that partial has but white space: an array, if an object follows

	mode    mode
	framing Framing // as which answers are written

	at, marked position

	headerLen uint8 // length: bytes of the header so far; inFrame: all
	failure   Failure
	region    bool // text: in an error
	unsure    bool // auto: it looks like length or octet so far
	over      bool
	accepted  bool // a record was accepted: from here on errors do not close
	ended     bool
}

// position is where a Decoder stands between two records.
type position struct {
	separators uint32 // skipped since somebody asked
	arrays     uint16 // text: open around the next object
	bom        uint8  // bytes of a byte order mark at the stream's start
	start      start
}

// start is what a stream has had of what may stand before its first record.
type start uint8

const (
	startDecided  start = 1 << iota // the byte order mark is behind, and auto has its framing
	startBegun                      // so are the blank records
	startBlank                      // there was one
	startLineOpen                   // text: the LF that ends the token's line is still to come
)

// Init makes the Decoder ready for a new stream.
func (d *Decoder) Init(f Framing) {
	*d = Decoder{framing: f, mode: modeOf(f)}
	if d.mode == modeLength {
		d.at.start = startDecided
	}
}

// Feed lends the next bytes of the stream, after Next has returned false for those before. They are
// borrowed until it does so again. Feed(nil) only ends the life of the records handed out, so that
// a connection that is silent does not occupy the memory of the last one.
func (d *Decoder) Feed(chunk []byte) {
	if d.spent != nil {
		d.spent.free()
		d.spent = nil
	}
	d.lookahead, d.marked = nil, d.at
	if d.failure == 0 {
		d.chunk = chunk
	}
}

// End says that the stream is over. Next then returns what was left unfinished.
func (d *Decoder) End() { d.ended = true }

// Next finds the next record and its verdict, and stores both in rec. It returns false when the
// chunk is used up, or when the stream has failed.
func (d *Decoder) Next(r *Router, rec *Record) bool {
	if d.at.start&startBegun == 0 {
		d.begin(r)
	}
	if d.failure != 0 {
		return false
	}
	if d.lookahead != nil && d.nextLookahead(r, rec) {
		return true
	}
	found := false
	switch d.mode {
	case modeLine:
		found = d.nextLine(r, rec)
	case modeLength:
		found = d.nextFrame(r, rec)
	case modeText, modeJSON:
		found = d.nextObject(r, rec)
	}
	if !found && d.ended && d.failure == 0 {
		found = d.last(r, rec)
	}
	return found
}

func (d *Decoder) fail(f Failure) {
	d.failure = f
	d.region = false
}

// last returns what the end of the stream leaves unfinished. A line, or an error that goes to the
// end of its line, is whole; anything else is Truncated.
func (d *Decoder) last(r *Router, rec *Record) bool {
	if d.unsure && d.headerLen == inFrame && d.need == 0 { // an empty frame, and whole
		d.headerLen = 0
	}
	if !d.Unfinished() {
		return false
	}
	if d.mode == modeLine || d.region {
		return d.finish(r, rec)
	}
	d.finish(nil, rec)
	return true
}

// Failure returns why the stream cannot be followed any more; 0 while it can.
func (d *Decoder) Failure() Failure { return d.failure }

// Offending returns the bytes at which the stream was given up, for a log line, as far as they are
// at hand. They alias the chunk or memory of the Decoder.
func (d *Decoder) Offending() []byte {
	if d.failure == 0 {
		return nil
	}
	if d.partial != nil {
		return d.partial.b
	}
	return d.chunk
}

// Blank tells whether the stream began with a blank record. To be asked at its first record, or
// before: later it means nothing.
func (d *Decoder) Blank() bool { return d.at.start&startBlank != 0 }

// Framing returns the framing in which answers are to be written: Auto while it is undecided, JSON
// for text in auto.
func (d *Decoder) Framing() Framing { return d.framing }

// Accepted tells whether a record was accepted so far. If none was, the stream may be something
// else (LooksLike).
func (d *Decoder) Accepted() bool { return d.accepted }

// Buffered returns the bytes of memory that this stream occupies beside the Decoder.
func (d *Decoder) Buffered() int {
	n := 0
	if d.partial != nil {
		n += cap(d.partial.b)
	}
	if d.spent != nil {
		n += cap(d.spent.b)
	}
	return n
}

// Unfinished tells whether the stream stands inside a record, even one that is skipped.
func (d *Decoder) Unfinished() bool { return d.seen > 0 || d.headerLen > 0 }

// Release gives all memory back. Records handed out are gone with it.
func (d *Decoder) Release() {
	d.partial.free()
	d.spent.free()
	d.partial, d.spent, d.chunk = nil, nil, nil
	d.seen, d.size, d.headerLen = 0, 0, 0
}

// absorb adds p to the record under way. If p ends it, the caller calls finish next.
func (d *Decoder) absorb(r *Router, p []byte) {
	if d.seen == 0 {
		p = trimLeft(p)
	}
	if len(p) == 0 {
		return
	}
	gone := d.partial != nil && len(d.partial.b) < d.seen // some of it is, also where the limit was raised since
	n := len(trimRight(p))
	if n > 0 {
		d.size = d.seen + n
	}
	d.seen += len(p)
	limit := r.max
	if d.size > r.max || gone && n > 0 {
		limit = min(r.max, MaxPrefix)
		if !d.over {
			d.over = true
			if d.partial != nil && cap(d.partial.b) > MaxPrefix {
				d.partial = d.partial.resize(limit)
			}
		}
	}
	if gone {
		return
	}
	if d.partial == nil {
		p = p[:min(len(p), limit)]
		d.partial = newBuffer(len(p))
	}
	if room := limit - len(d.partial.b); room > 0 {
		d.partial = d.partial.add(p[:min(len(p), room)])
	}
}

// take yields an object at the beginning of the chunk that scan has taken.
func (d *Decoder) take(r *Router, rec *Record, n int) {
	if n > r.max {
		r.judgeUnusual(rec, d.chunk[:n:n])
	} else {
		r.judgeScanned(rec, d.chunk, n)
	}
	d.accepted = d.accepted || rec.Reason == OK
}

// complete returns the record whose last part is p, in place if that is all of it. scan has
// declined it. It returns false for a blank one.
func (d *Decoder) complete(r *Router, rec *Record, p []byte) bool {
	if d.seen > 0 {
		d.absorb(r, p)
		return d.finish(r, rec)
	}
	d.reset()
	if p = trimRight(trimLeft(p)); len(p) == 0 {
		return false
	}
	r.judgeUnusual(rec, p) // scan has seen it, and declined
	d.accepted = d.accepted || rec.Reason == OK
	return true
}

// finish returns the record in partial, as Truncated if r is nil. It returns false for a blank one.
func (d *Decoder) finish(r *Router, rec *Record) bool {
	size, over := d.size, d.over
	var data []byte
	if d.partial != nil {
		data = d.partial.b[:min(len(d.partial.b), size)]
	}
	d.spent, d.partial = d.partial, nil
	d.reset()
	switch {
	case r == nil:
		*rec = Record{Data: data[:min(len(data), MaxPrefix)], Size: size, Reason: Truncated}
		return true
	case size == 0:
		return false
	case over:
		*rec = Record{Data: data, Size: size, Reason: TooLarge}
		return true
	}
	r.Judge(rec, data)
	d.accepted = d.accepted || rec.Reason == OK
	return true
}

// reset puts the framer between two records.
func (d *Decoder) reset() {
	d.seen, d.size = 0, 0
	d.need, d.header, d.headerLen = 0, 0, 0
	d.text, d.opens = object{}, 0
	d.region, d.over = false, false
}

// isSpace tells whether c is white space as JSON has it.
func isSpace(c byte) bool {
	const set uint64 = 1<<' ' | 1<<'\t' | 1<<'\r' | 1<<'\n'
	return c <= ' ' && set>>c&1 != 0
}

func trimLeft(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	return p
}

func trimRight(p []byte) []byte {
	for len(p) > 0 && isSpace(p[len(p)-1]) {
		p = p[:len(p)-1]
	}
	return p
}
