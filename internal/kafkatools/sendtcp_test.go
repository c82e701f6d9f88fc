package kafkatools

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestStopWithoutAReader: a signal ends it though the server takes nothing any more.
func TestStopWithoutAReader(t *testing.T) {
	for _, ack := range []bool{false, true} {
		conn, server := net.Pipe()
		defer func() { _ = server.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := ProduceOptions{To: "tcp://x:1", Generate: "numbers", Partition: -1, Ack: ack}
		src, err := newSource(ctx, o, Streams{Err: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		f := &tcpSender{o: o, s: Streams{Err: io.Discard}, conn: conn, out: bufio.NewWriterSize(conn, 64), patience: time.Millisecond}
		ended := make(chan error, 1)
		go func() { ended <- f.run(ctx, src) }()
		if _, err := server.Read(make([]byte, 1)); err != nil { // and no more than that
			t.Fatal(err)
		}
		cancel()
		select {
		case err = <-ended:
		case <-time.After(time.Minute):
			t.Fatal("it goes on writing")
		}
		if err == nil || !strings.Contains(err.Error(), "--to tcp://x:1: ") || !strings.Contains(err.Error(), "stopped, and not seen through within 1ms") {
			t.Errorf("ack %v: %v", ack, err)
		}
	}
}
