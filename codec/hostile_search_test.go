package codec

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var searchTime = flag.Duration("hostile.search", 10*time.Second, "BenchmarkHostileSearch: how long to search")

// BenchmarkHostileSearch looks for streams that cost much and prints them, the worst
// last, as lines of testdata/hostile.jsonl. It climbs: from random streams to the
// worst, from there to worse ones among its mutations, until there is none. What it
// climbs is time, since nothing that can be counted knows of caches, branches and
// assembly, but that of the quickest of several rounds.
//
//	go test ./codec -run '^$' -bench HostileSearch -hostile.search 10m
func BenchmarkHostileSearch(b *testing.B) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &search{r: hostileRouter(b), rng: rng, entries: corpus(b), ordinary: map[string][]byte{}}
	type summit struct {
		height float64
		line   string
	}
	var summits []summit
	for end := time.Now().Add(*searchTime); time.Now().Before(end); {
		h := s.climb(end)
		byBytes, byRecords := h.ratios(s.r, s.like(h), 50)
		h.name = fmt.Sprintf("%.1f a byte, %.1f a record", byBytes, byRecords)
		line, err := json.Marshal(h)
		if err != nil {
			b.Fatal(err)
		}
		summits = append(summits, summit{score(byBytes, byRecords), string(line)})
	}
	slices.SortFunc(summits, func(a, b summit) int { return int(1000 * (a.height - b.height)) })
	for _, s := range summits[max(0, len(summits)-20):] {
		fmt.Println(s.line)
	}
	b.ReportMetric(summits[len(summits)-1].height, "of-limit")
	b.ReportMetric(float64(len(summits)), "summits")
}

// search is what it takes to score streams and change them.
type search struct {
	r        *Router
	rng      *rand.Rand
	entries  []corpusEntry
	ordinary map[string][]byte // by framing
}

func (s *search) like(h hostile) []byte {
	name := h.framing.String()
	if s.ordinary[name] == nil {
		s.ordinary[name] = h.ordinary()
	}
	return s.ordinary[name]
}

func (s *search) score(h hostile, rounds int) float64 {
	if len(strings.Join(h.records, "")) == 0 {
		return 0
	}
	return score(h.ratios(s.r, s.like(h), rounds))
}

// climb returns the summit that it reaches from the highest of some random places.
func (s *search) climb(end time.Time) (best hostile) {
	height := 0.0
	for height == 0 || s.rng.IntN(30) > 0 {
		h := randomHostile(s.rng, s.entries)
		if at := s.score(h, 4); at > height {
			best, height = h, at
		}
	}
	for failed := 0; failed < 400 && time.Now().Before(end); failed++ {
		h := mutatedHostile(s.rng, best, s.entries)
		if s.score(h, 2) > height*1.01 {
			if at := s.score(h, 20); at > height*1.01 {
				best, height, failed = h, at, 0
			}
		}
	}
	return best
}

var hostileChunks = []int{1, 5, 64, 1000, hostileBytes, hostileBytes}

func randomHostile(rng *rand.Rand, entries []corpusEntry) hostile {
	h := hostile{framing: Framing(rng.IntN(4)), chunk: hostileChunks[rng.IntN(len(hostileChunks))]}
	for range 1 + rng.IntN(3) {
		h.records = append(h.records, randomRecord(rng, entries))
	}
	return h
}

// mutatedHostile changes a stream in a few places. It also repeats parts, up to some
// thousand times.
func mutatedHostile(rng *rand.Rand, h hostile, entries []corpusEntry) hostile {
	h.records = slices.Clone(h.records)
	for range 1 + rng.IntN(3) {
		k := rng.IntN(len(h.records))
		s := h.records[k]
		i := rng.IntN(len(s) + 1)
		j := min(len(s), i+1+rng.IntN(1+rng.IntN(20)))
		switch rng.IntN(12) {
		case 0, 1:
			s = mutated(rng, s)
		case 2, 3:
			s = s[:j] + strings.Repeat(s[i:j], 1<<rng.IntN(10)) + s[j:]
		case 4:
			s = s[:i] + strings.Repeat(fragment(rng), 1<<rng.IntN(10)) + s[i:]
		case 5:
			s = s[:i] + s[j:]
		case 6:
			s = s[:i] + s[min(len(s), i+len(s)/4):]
		case 7:
			s = s[:i] + string(randomBytes(rng, "0123456789", rng.IntN(40))) + s[j:]
		case 8:
			other := h.records[rng.IntN(len(h.records))]
			if rng.IntN(3) == 0 {
				other = randomRecord(rng, entries)
			}
			s = s[:i] + other[rng.IntN(len(other)+1):]
		case 9:
			if len(h.records) < 6 {
				h.records = append(h.records, randomRecord(rng, entries))
			}
		case 10:
			if len(h.records) > 1 {
				h.records = slices.Delete(h.records, k, k+1)
				continue
			}
		case 11:
			s = fmt.Sprintf(`{"number":%s}`, randomValue(rng, 1))
		}
		if len(s) <= 20_000 {
			h.records[k] = s
		}
	}
	if rng.IntN(20) == 0 {
		h.framing = Framing(rng.IntN(4))
	}
	if rng.IntN(20) == 0 {
		h.chunk = hostileChunks[rng.IntN(len(hostileChunks))]
	}
	return h
}

func randomBytes(rng *rand.Rand, of string, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = of[rng.IntN(len(of))]
	}
	return b
}
