//go:build !windows

package client

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
)

// ordinary is a record of 220 bytes.
var ordinary = []byte(`{"number":1234567,"id":"5f0c9c1e-7f7e-4b7e-9a36-0e5b1d3f0a11","time":"2024-05-17T09:31:07.123Z","level":"info",` +
	`"message":"order accepted","customer":{"name":"A. Person","city":"Lisbon"},"items":[1,2,3],"total":102.35}  `)

// Sending costs no allocation a record: what is measured is the window, its writer
// and its reader, over many records.
func TestSendAllocatesNothing(t *testing.T) {
	c := newClient(t, Options{Address: "tcp://server", Dial: dialAcker})
	ctx := context.Background()
	send := func() {
		for range 1000 {
			if _, err := c.Send(ctx, ordinary); err != nil {
				t.Fatal(err)
			}
		}
	}
	send()
	if n := testing.AllocsPerRun(100, send); n > 50 {
		t.Fatalf("%.0f allocations for 1000 records", n)
	}
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
}

// dialAcker connects to a server that only counts line feeds, and acks.
func dialAcker(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		buf := make([]byte, 64<<10)
		if _, err := theirs.Read(buf); err != nil { // the blank record
			return
		}
		_, _ = theirs.Write(appendAck(nil, 0))
		line := make([]byte, 0, 64)
		total := uint64(0)
		for {
			n, err := theirs.Read(buf)
			if err != nil {
				return
			}
			total += uint64(bytes.Count(buf[:n], []byte{'\n'}))
			line = appendAck(line[:0], total)
			if _, err := theirs.Write(line); err != nil {
				return
			}
		}
	}()
	return ours, nil
}

func appendAck(b []byte, n uint64) []byte {
	b = append(b, `{"acked":`...)
	var d [20]byte
	i := len(d)
	for ok := true; ok; ok = n > 0 {
		i--
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return append(append(b, d[i:]...), "}\n"...)
}

// cpu reports the process's CPU time a record, server and all: on a busy machine the
// clock says little.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkCheck is what it costs to know that a record is one.
func BenchmarkCheck(b *testing.B) {
	o := Options{MaxRecordBytes: 1000}
	defer cpu(b)()
	b.SetBytes(int64(len(ordinary)))
	for b.Loop() {
		if err := o.check(trim(ordinary)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSend is Send with nobody else: a server that only counts.
func BenchmarkSend(b *testing.B) {
	c := newClient(b, Options{Address: "tcp://server", Dial: dialAcker})
	benchSend(b, c)
}

// BenchmarkSendToServer is Send to a real server that throws records away.
func BenchmarkSendToServer(b *testing.B) {
	r := discarding(b, "newline")
	benchSend(b, newClient(b, Options{Address: r.address()}))
}

func benchSend(b *testing.B, c *Client) {
	b.Helper()
	ctx := context.Background()
	defer cpu(b)()
	b.SetBytes(int64(len(ordinary)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(ctx, ordinary); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Close(ctx); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBareWrite is the baseline: records to the same server through a buffer of
// the same size, nothing kept, nothing acked.
func BenchmarkBareWrite(b *testing.B) {
	r := discarding(b, "newline")
	nc, err := net.Dial("tcp", strings.TrimPrefix(r.address(), "tcp://"))
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, nc)
		close(done)
	}()
	buf := make([]byte, 0, writeBytes)
	defer cpu(b)()
	b.SetBytes(int64(len(ordinary)))
	b.ReportAllocs()
	for b.Loop() {
		if len(buf)+len(ordinary)+1 > cap(buf) {
			if _, err := nc.Write(buf); err != nil {
				b.Fatal(err)
			}
			buf = buf[:0]
		}
		buf = append(append(buf, ordinary...), '\n')
	}
	_, _ = nc.Write(buf)
	_ = nc.(*net.TCPConn).CloseWrite()
	<-done
	_ = nc.Close()
}
