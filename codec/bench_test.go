package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Records for benchmarks: thousands that differ, for a single one repeated
// trains the branch predictor and flatters by up to two.
const benchRecords = 4096

type shape struct {
	name string
	make func(rng *rand.Rand) string
}

var words = strings.Fields("alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo sierra tango")

func word(rng *rand.Rand) string { return words[rng.IntN(len(words))] }

// fields makes the members of an ordinary record: eleven, about 217 bytes.
func fields(rng *rand.Rand) []string {
	return []string{
		fmt.Sprintf(`"id":%d`, rng.IntN(1_000_000_000)),
		fmt.Sprintf(`"device":"%s-%04d"`, word(rng), rng.IntN(10_000)),
		fmt.Sprintf(`"timestamp":%d`, 1_700_000_000_000+rng.Int64N(10_000_000_000)),
		fmt.Sprintf(`"temperature":%.2f`, rng.Float64()*80-20),
		fmt.Sprintf(`"humidity":%.1f`, rng.Float64()*100),
		fmt.Sprintf(`"active":%t`, rng.IntN(2) == 0),
		fmt.Sprintf(`"number":%d`, rng.IntN(1<<rng.IntN(31))),
		fmt.Sprintf(`"site":"%s %s"`, word(rng), word(rng)),
		fmt.Sprintf(`"firmware":"%d.%d.%d"`, rng.IntN(10), rng.IntN(20), rng.IntN(200)),
		fmt.Sprintf(`"battery":%d`, rng.IntN(101)),
		fmt.Sprintf(`"note":"%s %s %s"`, word(rng), word(rng), word(rng)),
	}
}

func object11(rng *rand.Rand) string { return "{" + strings.Join(fields(rng), ",") + "}" }

// load11 makes a record like those of ringtail bench: fields in any order, the
// number quoted or not, a short array, about 220 bytes.
func load11(rng *rand.Rand) string {
	number := strconv.FormatInt(rng.Int64N(1<<(1+rng.IntN(40))), 10)
	if rng.IntN(2) == 0 {
		number = strconv.Quote(number)
	}
	f := []string{
		`"run":"0001e240"`,
		fmt.Sprintf(`"conn":"%05d"`, rng.IntN(1000)),
		fmt.Sprintf(`"seq":"%010d"`, rng.IntN(1_000_000)),
		fmt.Sprintf(`"sum":"%08x"`, rng.Uint32()),
		`"number":` + number,
		fmt.Sprintf(`"temperature":%.2f`, rng.Float64()*80-20),
		fmt.Sprintf(`"ok":%t`, rng.IntN(8) != 0),
		fmt.Sprintf(`"site":%q`, word(rng)),
		fmt.Sprintf(`"at":%d`, 1_700_000_000_000+rng.Int64N(1e11)),
		fmt.Sprintf(`"tags":[%d,%q]`, rng.IntN(100), word(rng)),
	}
	room := 198 + rng.IntN(28) - len(strings.Join(f, ","))
	f = append(f, fmt.Sprintf(`"note":"%s"`, strings.Repeat(word(rng)+" "+strconv.FormatUint(rng.Uint64(), 36)+" ", 10)[:room]))
	rng.Shuffle(len(f), func(i, j int) { f[i], f[j] = f[j], f[i] })
	return "{" + strings.Join(f, ",") + "}"
}

var shapes = []shape{
	{"ordinary", object11},
	{"shuffled", func(rng *rand.Rand) string {
		f := fields(rng)
		rng.Shuffle(len(f), func(i, j int) { f[i], f[j] = f[j], f[i] })
		return "{" + strings.Join(f, ",") + "}"
	}},
	{"spaced", func(rng *rand.Rand) string {
		return strings.ReplaceAll(strings.ReplaceAll(object11(rng), `":`, `": `), `,"`, `, "`)
	}},
	{"string", func(rng *rand.Rand) string {
		return fmt.Sprintf(`{"number":"%d","text":"%s"}`, rng.IntN(1<<30), strings.Repeat(word(rng)+" ", 40)[:190])
	}},
	{"tiny", func(rng *rand.Rand) string { return fmt.Sprintf(`{"number":%d}`, rng.IntN(1<<rng.IntN(31))) }},
	{"load", load11},
	{"nested", func(rng *rand.Rand) string {
		f := fields(rng)
		return fmt.Sprintf(`{%s,"position":{"lat":%.4f,"lon":%.4f},"samples":[%d,%d,%d,%d],"tags":["%s","%s"],%s,%s}`,
			f[1], rng.Float64()*90, rng.Float64()*180, rng.IntN(100), rng.IntN(1000), rng.IntN(100), rng.IntN(1000), word(rng), word(rng), f[6], f[7])
	}},
	{"unicode", func(rng *rand.Rand) string {
		return strings.Replace(object11(rng), `"note":"`, `"ort":"München, 東京 – 🚀 `, 1)
	}},
	{"escapes", func(rng *rand.Rand) string {
		return strings.Replace(object11(rng), `"note":"`, `"note":"a \"quoted\" word\n\u00fc `, 1)
	}},
	{"1KB", func(rng *rand.Rand) string { return large(rng, 1_000) }},
	{"10KB", func(rng *rand.Rand) string { return large(rng, 10_000) }},
	{"200KB", func(rng *rand.Rand) string { return large(rng, 200_000) }},
}

// large makes a record of about n bytes: a list of ordinary ones.
func large(rng *rand.Rand, n int) string {
	s := fmt.Sprintf(`{"number":%d,"list":[`, rng.IntN(1<<30)) + object11(rng)
	for len(s) < n-200 {
		s += "," + object11(rng)
	}
	return s + "]}"
}

// benchData makes the records of one shape, fewer where they are large.
func benchData(s shape) (records [][]byte, average float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	total := 0
	for total < 900_000 && len(records) < benchRecords {
		rec := []byte(s.make(rng))
		records = append(records, rec)
		total += len(rec)
	}
	return records, float64(total) / float64(len(records))
}

// stream lays records out in a framing, in chunks as reads would bring them.
func stream(f Framing, records [][]byte) (chunks [][]byte) {
	var all bytes.Buffer
	for _, rec := range records {
		if f == Length {
			var header [4]byte
			binary.BigEndian.PutUint32(header[:], uint32(len(rec)))
			all.Write(header[:])
		}
		all.Write(rec)
		if f == Newline {
			all.WriteByte('\n')
		}
	}
	for b := all.Bytes(); len(b) > 0; {
		n := min(64<<10, len(b))
		chunks = append(chunks, b[:n])
		b = b[n:]
	}
	return chunks
}

// meter starts to count, and returns what ends it. It counts CPU time, not the
// clock's: these machines are shared.
func meter(b *testing.B, perOp int, average float64) func() {
	start := cpuTime(b)
	return func() {
		ns := float64(cpuTime(b)-start) / float64(b.N) / float64(perOp)
		b.ReportMetric(ns, "cpu-ns/record")
		b.ReportMetric(average/ns, "bytes/ns")
		b.ReportMetric(average, "bytes/record")
		b.ReportMetric(0, "ns/op")
	}
}

func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkDecoder is the whole of the package: frames, verdict and digit, of
// records in chunks of 64 KiB.
func BenchmarkDecoder(b *testing.B) {
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		for _, s := range shapes {
			if f != Newline && !slices.Contains([]string{"ordinary", "shuffled", "200KB"}, s.name) {
				continue
			}
			b.Run(f.String()+"/"+s.name, func(b *testing.B) {
				records, average := benchData(s)
				chunks := stream(f, records)
				r := testRouter(b, Options{})
				var d Decoder
				var rec Record
				d.Init(f)
				b.ReportAllocs()
				stop := meter(b, len(records), average)
				for b.Loop() {
					n := 0
					for _, c := range chunks {
						d.Feed(c)
						for d.Next(r, &rec) {
							if rec.Reason != OK {
								b.Fatalf("%s: %s", rec.Reason, rec.Data)
							}
							n++
						}
					}
					if n != len(records) {
						b.Fatalf("%d records, not %d", n, len(records))
					}
				}
				stop()
			})
		}
	}
}
