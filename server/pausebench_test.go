package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// BenchmarkPausedConnections has 5,000 connections that all need one ring, which is emptied all the
// time and still full: nearly all of them are paused, and taken back, all the time. An operation
// is a record of 200 bytes; CPU is the whole process's, clients included.
func BenchmarkPausedConnections(b *testing.B) {
	const conns = 5000
	r := newRig(b, func(o *rigOptions) {
		o.framing = codec.Newline
		o.ringBytes = shard.MinBytes(testMaxRecord)
		o.ClientMemory = 1 << 30
	})
	r.w.forget.Store(true)
	line := fmt.Sprintf(`{"number":1,"pad":"%s"}`+"\n", strings.Repeat("p", 178))
	chunk := []byte(strings.Repeat(line, 160))
	chunks := b.N/160 + 1
	work := make(chan struct{}, chunks)
	for range chunks {
		work <- struct{}{}
	}
	close(work)
	var clients sync.WaitGroup
	nc := make([]func(), conns)
	for i := range nc {
		c := r.dial()
		nc[i] = func() {
			for range work {
				if _, err := c.Write(chunk); err != nil {
					b.Error(err)
				}
			}
		}
	}
	b.ResetTimer()
	before := cpuTime()
	for _, f := range nc {
		clients.Go(f)
	}
	clients.Wait()
	r.eventually("all records", func() bool { return r.w.count() == chunks*160 })
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(r.pauser.pauses.Load())/float64(chunks), "pauses/chunk")
}

func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
