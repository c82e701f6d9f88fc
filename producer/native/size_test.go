package native

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/rdk"
)

// TestSize: a limit that nobody tells is found by halves, a broker that dies is none, and the way
// back is slow.
func TestSize(t *testing.T) {
	const all = requestBytesMax
	var s size
	answer := func(bytes int, full bool, took, now time.Duration) {
		s.answered(&flight{bytes: bytes, full: full, begun: now - took}, now, time.Minute)
	}
	want := func(what string, most int) {
		t.Helper()
		if got := s.most(all); got != most {
			t.Errorf("%s: %d bytes at most, want %d", what, got, most)
		}
	}
	want("at first", all)
	answer(800_000, true, 0, 0)
	s.lost(800_000, requestBytesMin, 0)
	want("lost at a size that had passed", all)
	s.lost(800_000, requestBytesMin, 0)
	want("lost twice in a row", 400_000)
	s.lost(400_000, requestBytesMin, time.Second)
	want("and again", 200_000)
	answer(200_000, true, time.Second, 2*time.Second)
	want("passes", 200_000)
	now := time.Second + growAfter
	answer(200_000, false, time.Second, now)
	want("nothing was left out", 200_000)
	answer(200_000, true, 16*time.Second, now)
	want("a slow link", 200_000)
	answer(200_000, true, time.Second, now)
	want("after a while", 400_000)
	answer(200_000, true, time.Second, now+time.Second)
	want("not at once again", 400_000)
	for range 4 {
		now += growAfter
		answer(400_000, true, time.Second, now)
	}
	want("in the end", all)
	if s.limit != 0 {
		t.Errorf("a limit of %d remains", s.limit)
	}
}

// TestOneBatchIsGivenUp: batches cannot be split, so that one which never gets an answer by itself is
// given up, whatever the broker answers others meanwhile.
func TestOneBatchIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		bytes, count, parts int
		up                  bool
	}{
		"large": {requestBytesMin, 2, 1, true}, "small": {requestBytesMin - 1, 2, 1, false}, "one record": {800_000, 1, 1, false}, "beside another": {800_000, 2, 2, false},
	} {
		client := newClient(options(), []uint64{0, 0}, nil, func() time.Duration { return 0 })
		client.peers[0] = &peer{}
		for try := range aloneMax {
			f := &flight{cancel: func() {}, bytes: c.bytes}
			for i := range c.parts {
				p := client.part(int32(i))
				if p.batch == nil && try == 0 {
					p.batch = &batch{line: client.lines[i], count: c.count, bytes: c.bytes}
				}
				p.batch.flight = f
				f.parts = append(f.parts, p)
			}
			client.settle(&answer{flight: f, err: errCut})
			client.settle(&answer{flight: &flight{cancel: func() {}}, response: kmsg.NewPtrProduceResponse()}) // somebody else's
			if track := client.Track(0); (track.Failed != rdk.None) != (c.up && try == aloneMax-1) {
				t.Errorf("%s, try %d: %+v", name, try, track)
			}
		}
	}
	var s size
	for range 30 {
		s.lost(requestBytesMin, requestBytesMin, 0)
	}
	if got := s.most(requestBytesMax); got != requestBytesMin {
		t.Errorf("%d bytes at most, want %d", got, requestBytesMin)
	}
}

// TestRequestLimit: each batch passes by itself, all of them together do not.
func TestRequestLimit(t *testing.T) {
	for name, c := range map[string]struct{ max, rate, batch, each int }{
		"a service's":         {1_046_528, 0, 700_000, 600},
		"a tenth of it":       {100_000, 0, 90_000, 600},
		"a link that is slow": {0, 400_000, 90_000, 180},
	} {
		t.Run(name, func(t *testing.T) {
			var closed atomic.Int32
			o := options()
			o.BatchBytes, o.Topic = c.batch, "u"
			if c.rate > 0 {
				o.SocketTimeout = time.Second
			}
			const lines = 8
			r := newRig(t, o, lines, kfake.SeedTopics(int32(lines), "u"), kfake.ListenFn(func(network, address string) (net.Listener, error) {
				l, err := net.Listen(network, address)
				if c.rate > 0 {
					return kafkatest.Slow(l, c.rate), err
				}
				return kafkatest.Narrow(l, c.max, &closed), err
			}))
			recs := make([]rdk.Record, c.each)
			for i := range recs {
				recs[i].Value = make([]byte, 1000)
			}
			taken := make([]int, lines)
			r.until("everything to be written", func() bool {
				acked := 0
				for line := range lines {
					n, _ := r.c.Produce(line, int32(line), uint64(taken[line]), recs[taken[line]:])
					taken[line] += n
					r.acked(line, 0)()
					acked += int(r.c.Track(line).Acked)
				}
				r.c.Send()
				return acked == lines*c.each
			})
			if n := closed.Load(); n > 6 {
				t.Errorf("%d connections were closed", n)
			}
		})
	}
}
