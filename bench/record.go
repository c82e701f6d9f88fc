package bench

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Widths of the fields that are filled in record by record. All are strings of
// a fixed width, so that filling them in moves nothing.
const (
	connWidth = 5
	seqWidth  = 10
	sumWidth  = 8

	maxConnections = 99_999
	maxSequence    = 9_999_999_999
)

// Limits of --size: what the five fields of every record need, and what keeps
// a pool in memory.
const (
	MinSize = 100
	MaxSize = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Pool makes the records of one run. It holds some thousand templates that
// differ in values, field order and length, because a server's branch
// predictor learns a handful of records by heart; a record is a copy of one of
// them with conn, seq and sum filled in.
//
// A Pool does not change once made: any number of goroutines may use it.
type Pool struct {
	run       uint32
	key       []byte     // `"run":"…"`, which marks this run's records
	templates []template // a power of two of them
}

type template struct {
	bytes          []byte
	conn, seq, sum int    // where the fields' characters begin
	crc            uint32 // of bytes
	number         uint64
}

// poolBytes is how large a pool may grow before it has fewer templates. Half of
// it fits the second-level cache, which copying should come from.
const poolBytes = 1 << 20

// NewPool makes the records of the run with this number. Size is the records'
// mean size in bytes; they vary by a sixteenth around it. Digit, unless it is
// negative, is the last digit of every record's number; else all come alike.
func NewPool(run uint32, size, digit int) *Pool {
	n := 1 << bits.Len(uint(min(4096, max(64, poolBytes/size))-1))
	p := &Pool{
		run:       run,
		key:       []byte(fmt.Sprintf(`"run":"%08x"`, run)),
		templates: make([]template, n),
	}
	random := rand.New(rand.NewPCG(uint64(run), uint64(size)))
	for i := range p.templates {
		last := digit
		if digit < 0 {
			last = i % 10
		}
		p.templates[i] = p.newTemplate(random, size, last)
	}
	random.Shuffle(n, func(i, j int) { p.templates[i], p.templates[j] = p.templates[j], p.templates[i] })
	p.lineUp()
	return p
}

// lineUp puts the templates' bytes one behind the other, in the order in which they are
// copied: what is read in order, the processor fetches ahead.
func (p *Pool) lineUp() {
	var all []byte
	for i := range p.templates {
		all = append(all, p.templates[i].bytes...)
	}
	for i := range p.templates {
		t := &p.templates[i]
		n := len(t.bytes)
		t.bytes, all = all[:n:n], all[n:]
	}
}

// newTemplate makes one record of up to eleven fields, as many as fit, and
// fills the last up to the size wanted.
func (p *Pool) newTemplate(random *rand.Rand, size, digit int) template {
	number := random.Uint64()>>(24+random.UintN(40))/10*10 + uint64(digit)
	written := strconv.FormatUint(number, 10)
	if random.IntN(2) == 0 {
		written = strconv.Quote(written)
	}
	fields := []string{
		string(p.key),
		`"conn":"` + strings.Repeat("0", connWidth) + `"`,
		`"seq":"` + strings.Repeat("0", seqWidth) + `"`,
		`"sum":"` + strings.Repeat("0", sumWidth) + `"`,
		`"number":` + written,
	}
	optional := []string{
		fmt.Sprintf(`"temperature":%.2f`, random.Float64()*80-20),
		fmt.Sprintf(`"ok":%t`, random.IntN(8) != 0),
		fmt.Sprintf(`"site":%q`, sites[random.IntN(len(sites))]),
		fmt.Sprintf(`"at":%d`, 1_700_000_000_000+random.Int64N(1e11)),
		fmt.Sprintf(`"tags":[%d,%q]`, random.IntN(100), sites[random.IntN(len(sites))]),
	}
	size += random.IntN(size/8+1) - size/16
	length := 1 + len(strings.Join(fields, ",")) + 1
	for _, field := range optional {
		if length+1+len(field) <= size {
			fields = append(fields, field)
			length += 1 + len(field)
		}
	}
	if room := size - length - len(`,"note":""`); room >= 0 {
		fields = append(fields, `"note":"`+note(random, room)+`"`)
	}
	random.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	text := []byte("{" + strings.Join(fields, ",") + "}")
	return template{
		bytes:  text,
		conn:   bytes.Index(text, []byte(`"conn":"`)) + len(`"conn":"`),
		seq:    bytes.Index(text, []byte(`"seq":"`)) + len(`"seq":"`),
		sum:    bytes.Index(text, []byte(`"sum":"`)) + len(`"sum":"`),
		crc:    crc32.Checksum(text, castagnoli),
		number: number,
	}
}

var sites = []string{"berlin", "oslo", "lyon", "port of spain", "ulm", "san juan", "aix", "hammerfest"}

// note is n characters of words and numbers.
func note(random *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(sites[random.IntN(len(sites))])
		b.WriteByte(' ')
		b.WriteString(strconv.FormatUint(random.Uint64()>>random.UintN(60), 36))
		b.WriteByte(' ')
	}
	return b.String()[:n]
}

// template is the one of a record: a connection takes one after the other, each from a
// place of its own on.
func (p *Pool) template(conn int, seq uint64) *template {
	return &p.templates[(seq+uint64(conn)*0x9E3779B9)&uint64(len(p.templates)-1)]
}

// Append appends record seq (from 1) of connection conn (from 0) to dst.
func (p *Pool) Append(dst []byte, conn int, seq uint64) []byte {
	t := p.template(conn, seq)
	from := len(dst)
	dst = append(dst, t.bytes...)
	record := dst[from:]
	five((*[connWidth]byte)(record[t.conn:]), uint32(conn))
	ten((*[seqWidth]byte)(record[t.seq:]), seq)
	// The checksum is the CRC-32C of the record with zeros in conn, seq and sum, that is of
	// the template, xor conn, continued over the characters of seq. To go over the whole
	// record for each would be a quarter of what a record costs here.
	crc := crc32.Update(t.crc^uint32(conn), castagnoli, record[t.seq:t.seq+seqWidth])
	hexadecimal((*[sumWidth]byte)(record[t.sum:]), crc)
	return dst
}

// Shard is the shard that the record belongs to: its number modulo shards.
func (p *Pool) Shard(conn int, seq uint64, shards int) int {
	return int(p.template(conn, seq).number % uint64(shards))
}

// Identify reads whose record this is. It is false for a record that is not of
// this run, or that no longer says so.
func (p *Pool) Identify(record []byte) (conn int, seq uint64, ok bool) {
	if !bytes.Contains(record, p.key) {
		return 0, 0, false
	}
	c, okConn := digitsBehind(record, `"conn":"`, connWidth)
	s, okSeq := digitsBehind(record, `"seq":"`, seqWidth)
	return int(c), s, okConn && okSeq
}

func digitsBehind(record []byte, key string, width int) (uint64, bool) {
	at := bytes.Index(record, []byte(key))
	if at < 0 || at+len(key)+width > len(record) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(record[at+len(key):at+len(key)+width]), 10, 64)
	return n, err == nil
}

// five writes n with leading zeros, as do those that follow.
func five(dst *[5]byte, n uint32) {
	dst[0] = byte('0' + n/10_000)
	four((*[4]byte)(dst[1:]), n%10_000)
}

// ten takes the digits from both ends, so that nothing waits for a chain of divisions.
func ten(dst *[10]byte, n uint64) {
	low := uint32(n % 100_000_000)
	two((*[2]byte)(dst[:]), uint32(n/100_000_000))
	four((*[4]byte)(dst[2:]), low/10_000)
	four((*[4]byte)(dst[6:]), low%10_000)
}

func four(dst *[4]byte, n uint32) {
	two((*[2]byte)(dst[:]), n/100)
	two((*[2]byte)(dst[2:]), n%100)
}

func two(dst *[2]byte, n uint32) { *dst = decimals[n%100] }

func hexadecimal(dst *[8]byte, n uint32) {
	for i := range 4 {
		*(*[2]byte)(dst[2*i:]) = hexadecimals[byte(n>>(24-8*i))]
	}
}

// What two digits look like.
var (
	decimals     [100][2]byte
	hexadecimals [256][2]byte
)

func init() {
	for i := range hexadecimals {
		copy(hexadecimals[i][:], fmt.Sprintf("%02x", i))
	}
	for i := range decimals {
		copy(decimals[i][:], fmt.Sprintf("%02d", i))
	}
}
