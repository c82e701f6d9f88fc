package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/faults/soak"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// SoakOptions of a soak.
type SoakOptions struct {
	Length time.Duration
	Rate   float64 // records a second
	Seed   uint64  // decides what breaks, in which order, and for how long
}

// SoakReport is what came of a soak.
type SoakReport struct {
	Verdict  soak.Verdict
	Sent     uint64
	Resent   uint64 // by clients
	Possible int64  // copies that the servers counted as possible
	Connects uint64
	Audits   int64
	Books    books
	Faults   []string
	Memory   int64         // resident memory of the server at the end, bytes
	Disk     int64         // the most that Kafka's directories held, bytes
	Stall    time.Duration // the longest from healing until records flowed
	Took     time.Duration // from the first records on
	Failure  string        // empty if it passed
}

// Bounds of a soak.
const (
	calmLeast     = 2 * time.Second // between faults
	calmMost      = 6 * time.Second
	retention     = 64 << 20 // bytes of a partition; the checker reads along, far in front of it
	segment       = 8 << 20
	diskMost      = 3 * 3 * e2e.Shards * (retention + 2*segment) // thrice what three brokers should hold
	progressEvery = 10 * time.Second
)

// linkedForgetful is the cluster of a soak: its topic forgets soon.
var linkedForgetful = kafkatest.Options{Brokers: 3, Links: true, Properties: map[string]string{
	"log.retention.check.interval.ms": "5000", "log.initial.task.delay.ms": "5000",
}}

// soaking is a soak under way. Its goroutines: the clients', the reader, the
// auditor, one that says how far it is, this one, and one for each fault while
// it lasts.
type soaking struct {
	watched
	options SoakOptions
	rand    *rand.Rand
	begun   time.Time
	report  *SoakReport
	disk    atomic.Int64           // bytes of Kafka's directories, the most so far
	now     atomic.Pointer[string] // what happens at present
}

// Soak loads a server for as long as asked, breaks something now and then, and
// checks all the while. The context's end is a failure too, and what it has
// started and written goes with it.
func Soak(ctx context.Context, o SoakOptions, log io.Writer) SoakReport {
	var report SoakReport
	r := &kafkatest.Runner{Log: log}
	failure := r.Run(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s := &soaking{options: o, rand: rand.New(rand.NewPCG(o.Seed, 0)), begun: time.Now(), report: &report}
		s.watched = watched{TB: r, ctx: ctx, args: watchedArgs, also: func() { s.others(r) }}
		s.soak()
	})
	report.Failure = failure
	return report
}

func (s *soaking) soak() {
	s.kafka = kafkatest.Start(s, linkedForgetful)
	s.kafka.CreateTopic(topic, e2e.Shards, 3, map[string]string{
		"retention.bytes": fmt.Sprint(retention), "segment.bytes": fmt.Sprint(segment), "file.delete.delay.ms": "1000",
	})
	s.begin(uint32(s.rand.Uint64()), s.options.Rate)
	defer s.sum()
	s.begun = time.Now()
	s.say("all is well")
	go s.progress()
	s.breakThings()
	s.say("the end")
	s.end()
	s.report.Memory = s.server.RSS()
	s.mu.Lock() // for good: there is no server any more
	if ledger := s.stop(0); ledger.Kept != 0 {
		s.Fatalf("%d records kept, with Kafka there", ledger.Kept)
	}
}

// breakThings until the time is over.
func (s *soaking) breakThings() {
	for round := 1; time.Since(s.begun) < s.options.Length; round++ {
		s.say("all is well")
		s.pause(between(s.rand, calmLeast, calmMost))
		s.weighNow()
		s.report.Possible = s.possible()
		// A slow leak shows in the last third: its server is left alive.
		together := s.draw(time.Since(s.begun) < s.options.Length*2/3)
		names := make([]string, len(together))
		for i, b := range together {
			names[i] = b.what
			s.report.Faults = append(s.report.Faults, b.kind)
		}
		what := strings.Join(names, ", and ")
		s.say(what)
		var all sync.WaitGroup
		for _, b := range together {
			all.Go(func() { b.do(s) })
		}
		all.Wait()
		s.check()
		healed := time.Now()
		s.flows(what)
		stall := time.Since(healed)
		s.report.Stall = max(s.report.Stall, stall)
		s.Logf("%7.1f s  %3d  %s: flows after %.1f s", time.Since(s.begun).Seconds(), round, what, stall.Seconds())
	}
}

// say notes what happens at present, for the line of progress.
func (s *soaking) say(what string) { s.now.Store(&what) }

// others fails this goroutine if another one has failed, the disk fills, or it
// is to end.
func (s *soaking) others(r *kafkatest.Runner) {
	if s.ctx.Err() != nil {
		s.Fatalf("interrupted")
	}
	if failure := r.Failure(); failure != "" {
		s.Fatalf("%s", failure)
	}
	if disk := s.disk.Load(); disk > diskMost {
		s.Fatalf("Kafka's directories hold %d MiB: they are to stay under %d", disk>>20, int64(diskMost)>>20)
	}
}

// sum fills in the report, however the soak ended.
func (s *soaking) sum() {
	r := s.report
	r.Took, r.Disk, r.Books = time.Since(s.begun), s.disk.Load(), s.books
	r.Verdict, r.Resent, r.Connects = s.checker.Verdict(), s.fleet.Resent(), s.fleet.Connects()
	r.Sent, r.Audits = soak.Sum(s.fleet.Begun()), s.auditor.Audits()
	r.Possible = max(r.Possible, r.Books.possible)
}

// progress says how far it is.
func (s *soaking) progress() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		disk := s.kafka.DataBytes()
		s.disk.Store(max(s.disk.Load(), disk))
		rss := "-"
		if s.mu.TryLock() {
			rss = fmt.Sprint(s.server.RSS() >> 20)
			s.mu.Unlock()
		}
		v := s.checker.Verdict()
		s.Logf("%7.1f s  sent %d acked %d read %d (behind %d) audits %d | resent %d copies %d doubles %d | bad %d | server %s MiB, disk %d MiB | %s",
			time.Since(s.begun).Seconds(), soak.Sum(s.fleet.Begun()), soak.Sum(s.fleet.Acked()), v.Read, s.auditor.Behind(), s.auditor.Audits(),
			s.fleet.Resent(), v.Resent, v.Doubled, v.Missing+v.FalseAcks+v.Reordered+v.Misrouted+v.Changed, rss, disk>>20, *s.now.Load())
	}
}

// WriteSoak writes the report for a person.
func WriteSoak(w io.Writer, o SoakOptions, r SoakReport) error {
	kinds := map[string]int{}
	var order []string
	for _, kind := range r.Faults {
		if kinds[kind]++; kinds[kind] == 1 {
			order = append(order, kind)
		}
	}
	for i, kind := range order {
		order[i] = fmt.Sprintf("%s %d", kind, kinds[kind])
	}
	result := "pass"
	if r.Failure != "" {
		result = "FAIL"
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	v := r.Verdict
	for _, line := range []struct {
		name  string
		value any
	}{
		{"seed", o.Seed}, {"minutes", fmt.Sprintf("%.1f", r.Took.Minutes())}, {"rate asked", o.Rate},
		{"records sent", r.Sent}, {"records per second", int64(float64(r.Sent) / r.Took.Seconds())},
		{"in Kafka, first copies", v.First}, {"missing", v.Missing}, {"falsely acked", v.FalseAcks}, {"reordered", v.Reordered},
		{"misrouted", v.Misrouted}, {"changed", v.Changed},
		{"doubled by the server", fmt.Sprintf("%d of %d counted as possible", v.Doubled, r.Possible)},
		{"doubled by clients", fmt.Sprintf("%d of %d sent again", v.Resent, r.Resent)},
		{"connections made", r.Connects}, {"server lives", fmt.Sprintf("%d, %d records recovered", r.Books.lives, r.Books.recovered)}, {"audits of acks", r.Audits},
		{"faults", fmt.Sprintf("%d: %s", len(r.Faults), strings.Join(order, ", "))},
		{"longest until flowing", r.Stall.Round(100 * time.Millisecond)},
		{"server MiB", fmt.Sprintf("%d when ready, %d at most when well, %d at the end; live %+d at most", r.Books.start>>20, r.Books.most>>20, r.Memory>>20, r.Books.liveMost>>20)},
		{"Kafka's disk MiB", r.Disk >> 20}, {"result", result},
	} {
		fmt.Fprintf(t, "%s\t%v\n", line.name, line.value)
	}
	return t.Flush()
}
