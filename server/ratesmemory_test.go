package server

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// TestDebtsDoNotHoldMemory: the halves of large records, from an address that is in debt for an
// hour, are ended by --frame-timeout as any others are, until memory is not short any more.
func TestDebtsDoNotHoldMemory(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.ClientMemory = 1 // raised to what the loops need
		o.FrameTimeout = 2 * time.Second
		o.MaxRatePerIP = Rate{PerSecond: 1}
		o.Codec.MaxRecordBytes = 250_000
		o.ringBytes = shard.MinBytes(250_000)
		o.framing = codec.Newline
	})
	hogs := make([]net.Conn, 100)
	for i := range hogs {
		hogs[i] = r.dial()
	}
	r.eventually("all to be there", func() bool { return r.Stats().Opened == uint64(len(hogs)) })
	r.send(hogs[0], strings.Repeat(record(1)+"\n", 3600))
	r.eventually("the debt", func() bool { return r.w.count() > 1000 })
	for _, nc := range hogs {
		go func() { _, _ = io.WriteString(nc, strings.Repeat("h", 200_000)) }()
	}
	r.eventually("memory to be short", func() bool { return r.memory.halfUsed() })
	r.eventually("it to be free again", func() bool { return r.Stats().Closed["frame_timeout"] > 0 && !r.memory.halfUsed() })
	if st := r.Stats(); st.WaitingForRate == 0 {
		t.Errorf("%+v", st)
	}
}

// TestRateIsWaitedForWithoutMore: what was charged for a next read is given back while it waits.
func TestRateIsWaitedForWithoutMore(t *testing.T) {
	r := newRateRig(t, func(o *Options) { o.MaxRatePerConnection = Rate{PerSecond: 10} })
	r.write(1000)
	r.run()
	if r.fd >= 0 || r.c.paused.on != waitRate {
		t.Fatal("it does not wait for its rate")
	}
	if !r.memory.chargeRead(r.c) || r.c.charged == 0 { // as its turn in the queue for memory does
		t.Fatal("no memory")
	}
	r.memory.recordEnded(r.c)
	r.pauser.makeReady(r.c.paused, waitRate)
	r.pauser.round(nil)
	if r.c.paused.on != waitRate || r.c.charged != r.c.partial {
		t.Errorf("it waits for %d with %d bytes charged, and has %d", r.c.paused.on, r.c.charged, r.c.partial)
	}
}
