package native

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/backend"
)

// TestSize: requests grow while they are answered, a limit that nobody tells is found by halves, a
// broker that dies is none, and the way back is slow.
func TestSize(t *testing.T) {
	bounds := sizeBounds{1000, 100_000, 800_000}
	var s requestSize
	answer := func(bytes int, full bool, took, now time.Duration) {
		s.responded(&inflightRequest{bytes: bytes, full: full, sentAt: now - took}, bounds, now, time.Minute)
	}
	want := func(what string, most int) {
		t.Helper()
		if got := s.most(bounds); got != most {
			t.Errorf("%s: %d bytes at most, want %d", what, got, most)
		}
	}
	want("at first", 100_000)
	answer(90_000, false, 0, 0)
	want("nothing was left out", 100_000)
	answer(90_000, true, 16*time.Second, 0)
	want("a slow link", 100_000)
	answer(90_000, true, 0, 0)
	want("full", 200_000)
	answer(190_000, true, 0, 0)
	answer(390_000, true, 0, 0)
	answer(790_000, true, 0, 0)
	want("in the end", 800_000)
	s.lost(790_000, bounds, 0)
	want("lost at a size that had passed", 800_000)
	s.lost(790_000, bounds, 0)
	want("lost twice in a row", 395_000)
	answer(390_000, true, 0, growAfter-1)
	want("before the time", 395_000)
	answer(390_000, true, 0, growAfter)
	want("after it", 790_000)
	s.lost(700_000, bounds, growAfter)
	want("too large again", 350_000)
	answer(340_000, true, 0, 3*growAfter-1)
	want("before twice the time", 350_000)
	answer(340_000, true, 0, 3*growAfter)
	want("after twice the time", 700_000)
	answer(700_000, true, 0, 3*growAfter)
	s.lost(800_000, bounds, 4*growAfter)
	answer(390_000, true, 0, 5*growAfter)
	want("after once the time, since as much had passed", 800_000)
	for range 30 {
		s.lost(1000, bounds, 0)
	}
	want("not below what passes everywhere", 1000)
}

// TestOneBatchIsGivenUp: batches cannot be split, so that one which never gets an answer by itself
// is given up, whatever the broker answers others meanwhile.
func TestOneBatchIsGivenUp(t *testing.T) {
	least := requestSizeBounds.least
	for name, c := range map[string]struct {
		bytes, count, parts int
		up                  bool
	}{
		"large": {least, 2, 1, true}, "small": {least - 1, 2, 1, false}, "one record": {800_000, 1, 1, false}, "beside another": {800_000, 2, 2, false},
	} {
		client := newClient(options(), []uint64{0, 0}, nil, func() time.Duration { return 0 })
		client.brokers[0] = &brokerState{}
		for try := range lostAloneMax {
			req := &inflightRequest{cancel: func() {}, bytes: c.bytes}
			for i := range c.parts {
				p := client.partitionFor(int32(i))
				if p.batch == nil && try == 0 {
					p.batch = &batch{stream: client.streams[i], batchRecords: batchRecords{count: c.count, bytes: c.bytes}}
				}
				p.batch.request = req
				req.partitions = append(req.partitions, p)
			}
			client.finishRequest(&result{request: req, err: errCut})
			client.finishRequest(&result{request: &inflightRequest{cancel: func() {}}, response: kmsg.NewPtrProduceResponse()}) // somebody else's
			if track := client.Progress(0); (track.Failed != backend.None) != (c.up && try == lostAloneMax-1) {
				t.Errorf("%s, try %d: %+v", name, try, track)
			}
		}
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
			link, listen := kafkatest.Front(t)
			link.Refuse(c.max)
			if c.rate > 0 {
				link.Throttle(c.rate)
			}
			o := options()
			o.BatchBytes, o.Topic = c.batch, "u"
			if c.rate > 0 {
				o.SocketTimeout = time.Second
			}
			const streams = 8
			r := newRig(t, o, streams, kfake.SeedTopics(int32(streams), "u"), kfake.ListenFn(listen))
			recs := make([]backend.Record, c.each)
			for i := range recs {
				recs[i].Value = make([]byte, 1000)
			}
			taken := make([]int, streams)
			r.until("everything to be written", func() bool {
				acked := 0
				for stream := range streams {
					n, _ := r.c.Produce(stream, int32(stream), uint64(taken[stream]), recs[taken[stream]:], nil)
					taken[stream] += n
					r.acked(stream, 0)()
					acked += int(r.c.Progress(stream).Acked)
				}
				r.c.Send()
				return acked == streams*c.each
			})
			if n := link.Refused(); n > 6 {
				t.Errorf("%d connections were closed", n)
			}
		})
	}
}
