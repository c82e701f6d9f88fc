package server

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/shard"
)

// With memory used up TLS connections take turns. Those whose records have no end have theirs until
// --frame-timeout, and whole records of others all arrive. The limit holds.
func TestMemoryOverTLS(t *testing.T) {
	const memory, hogs, good = 4 << 20, 60, 8
	r := newRig(t, func(o *rigOptions) {
		encrypted(o)
		o.useTLS(t)
		o.Listeners[0].Ack = false
		o.ClientMemory, o.FrameTimeout = memory, time.Second
		o.Codec.MaxRecordBytes, o.ringBytes = 250_000, shard.MinBytes(250_000)
	})
	stop, most := make(chan struct{}), make(chan int64)
	go func() { most <- r.watchMemory(stop) }()
	for i := range hogs {
		nc := r.dial()
		go func() {
			size := []int{100, 3_000, 30_000, 100_000, 200_000}[i%5]
			_, _ = io.WriteString(nc, `{"number":1,"pad":"`+strings.Repeat("h", size))
		}()
	}
	r.eventually("somebody to wait", func() bool { return r.Stats().WaitingForMemory > 0 || r.Stats().Closed["frame_timeout"] > 0 })
	for c := range good {
		nc := r.dial()
		for k := range 200 {
			r.send(nc, numbered(c, 10*k+5)+"\n")
		}
		halfClose(nc)
	}
	r.eventually("all whole records", func() bool { return len(r.w.shard(5)) == good*200 })
	r.eventually("hogs closed", func() bool { return r.Stats().Closed["frame_timeout"] == hogs })
	close(stop)
	if n := <-most; n > memory {
		t.Errorf("%d bytes in use of %d", n, memory)
	}
}

// Who waits for memory longer than --frame-timeout, with whole records in its socket, has not left a
// record unfinished. Who has sent half of a TLS record since has.
func TestWaitForMemoryOverTLSIsNotTheClientsFault(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		encrypted(o)
		o.useTLS(t)
		o.Listeners[0].Ack = false
		o.FrameTimeout = 300 * time.Millisecond
	})
	good, hog := r.dial(), r.dial()
	r.send(good, record(1)+"\n")
	r.eventually("its first record", func() bool { return len(r.w.shard(1)) == 1 })
	giveBack := sync.OnceFunc(r.useUpAll())
	defer giveBack()
	r.send(good, record(1)+"\n") // the loop takes this one, and pauses
	r.eventually("its second record", func() bool { return len(r.w.shard(1)) == 2 })
	r.send(good, record(1)+"\n")
	r.eventually("it to wait", func() bool { return r.Stats().WaitingForMemory == 1 })
	_, _ = tcpOf(hog).Write([]byte("\x17\x03\x03\x00\x20xx"))
	r.eventually("the other to be closed", func() bool { return r.Stats().Closed["frame_timeout"] > 0 })
	if st := r.Stats(); st.Closed["frame_timeout"] != 1 || st.WaitingForMemory != 1 {
		t.Fatalf("%+v", st)
	}
	giveBack()
	r.eventually("its third record", func() bool { return len(r.w.shard(1)) == 3 })
}
