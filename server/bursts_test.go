package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
)

// BenchmarkBursts is what a record costs, all of this process's CPU, when it comes in
// small writes: by 16 connections or by 5,000, at the same rate and with as many
// records a write. What the second costs more is what many connections cost. The
// clients are another process. reads/record says whether reads were as small as writes.
func BenchmarkBursts(b *testing.B) {
	const rate = 150_000 // records a second: as many as are taken at once, or reads would be larger than writes
	for _, burst := range []int{15, 150} {
		for _, conns := range []int{16, 5000} {
			b.Run(fmt.Sprintf("records=%d/connections=%d", burst, conns), func(b *testing.B) { bursts(b, "tcp", conns, burst, rate) })
		}
	}
}

// BenchmarkBurstsTLS is the same over TLS, where each write is a TLS record.
func BenchmarkBurstsTLS(b *testing.B) {
	for _, burst := range []int{15, 150} {
		b.Run(fmt.Sprintf("records=%d/connections=16", burst), func(b *testing.B) { bursts(b, "tls", 16, burst, 150_000) })
	}
}

func bursts(b *testing.B, network string, conns, burst, rate int) {
	s := startDiscarding(b, network)
	c := startClients(b, network, s.Addrs()[0].String(), conns, burst, rate)
	s.until(b, func() bool { return s.Stats().Connections == conns })
	for b.Loop() {
		total := uint64(rate)
		received := s.Stats().Received
		reads, cpu := readCalls(b), processCPU(b)
		fmt.Fprintln(c.in, total)
		s.until(b, func() bool { return s.Stats().Received >= received+total })
		b.ReportMetric(float64(processCPU(b)-cpu)/float64(total), "cpu-ns/record")
		b.ReportMetric(float64(readCalls(b)-reads)/float64(total), "reads/record")
	}
}

// BenchmarkAccept is how many connections a second are taken while records come.
func BenchmarkAccept(b *testing.B) {
	const each = 2000
	s := startDiscarding(b, "tcp")
	addr := s.Addrs()[0].String()
	c := startClients(b, "tcp", addr, 16, 15, 150_000)
	s.until(b, func() bool { return s.Stats().Connections == 16 })
	fmt.Fprintln(c.in, 1<<40) // for as long as it takes
	s.until(b, func() bool { return s.Stats().Received > 0 })
	for b.Loop() {
		opened, received, start := s.Stats().Opened, s.Stats().Received, time.Now()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range each / 4 {
					nc, err := net.Dial("tcp", addr)
					if err != nil {
						b.Error(err)
						return
					}
					_ = nc.Close()
				}
			})
		}
		all.Wait()
		s.until(b, func() bool { return s.Stats().Opened >= opened+each })
		b.ReportMetric(each/time.Since(start).Seconds(), "connections/s")
		b.ReportMetric(float64(s.Stats().Received-received)/time.Since(start).Seconds(), "records/s")
	}
}

// discarding is a server whose rings are emptied, and nothing else.
type discarding struct{ *Server }

func startDiscarding(b *testing.B, network string) discarding {
	s, c := bareServer(b, codec.Newline, false)
	if network == "tls" {
		s.listeners[0].useTLS(testTLS(b), make(chan struct{}, 1))
	}
	s.registry.forget(c)
	s.registry.reading.Add(-1)
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for !isClosed(stop) {
			empty(s)
			s.AcksMoved()
			pause()
		}
	})
	b.Cleanup(func() {
		s.Finish(context.Background())
		close(stop)
		all.Wait()
	})
	return discarding{s}
}

func (s discarding) until(b *testing.B, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); pause() {
		if time.Now().After(deadline) {
			b.Fatalf("never: %+v", s.Stats())
		}
	}
}

func processCPU(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// readCalls is how many times this process has called read.
func readCalls(b *testing.B) (n int) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "syscr: ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

type clients struct{ in *os.File }

func startClients(b *testing.B, network, addr string, conns, burst, rate int) clients {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RINGTAIL_SERVER_TEST_CHILD=clients", "RINGTAIL_SERVER_TEST_CLIENTS="+
		fmt.Sprintf("%s %s %d %d %d", network, addr, conns, burst, rate))
	cmd.Stdin, cmd.Stderr = r, os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	_ = r.Close()
	b.Cleanup(func() {
		_ = w.Close()
		_ = cmd.Process.Kill() // it may be sending still
		_ = cmd.Wait()
	})
	return clients{w}
}

// clientsMain is the clients' process: for each number it reads, it sends so many
// records, a burst to one connection after the other, at the rate asked for.
func clientsMain() int {
	var network, addr string
	var conns, burst, rate int
	if _, err := fmt.Sscan(os.Getenv("RINGTAIL_SERVER_TEST_CLIENTS"), &network, &addr, &conns, &burst, &rate); err != nil {
		return childFails(err)
	}
	list := make([]net.Conn, conns)
	for i := range list {
		nc, err := net.Dial("tcp", addr)
		if err == nil && network == "tls" {
			c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			nc, err = c, c.Handshake()
		}
		if err != nil {
			return childFails(err)
		}
		list[i] = nc
	}
	bursts := make([][]byte, 64)
	for i := range bursts {
		for k := range burst {
			bursts[i] = append(bursts[i], numbered(100, i*burst+k)+"\n"...)
		}
	}
	sent := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var total int
		_, _ = fmt.Sscan(in.Text(), &total)
		start := time.Now()
		for n := 0; n < total; n += burst {
			for due := time.Duration(n) * time.Second / time.Duration(rate); time.Since(start) < due; {
				pause()
			}
			if _, err := list[sent%conns].Write(bursts[sent%len(bursts)]); err != nil {
				return childFails(err)
			}
			sent++
		}
	}
	return 0
}
