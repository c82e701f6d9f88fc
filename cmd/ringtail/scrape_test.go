package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkScrape is what a scrape costs a server with ten shards, dead letters, two listeners and a
// broker: to gather all metrics; and all of GET /metrics, with the client, which is in the same
// process. %core is what ten a second take of one processor, in user and system time.
func BenchmarkScrape(b *testing.B) {
	s := embedded(b, "--dead-letter-topic", "dead", "--listen", "tcp://127.0.0.1:0?framing=json&ack=kafka", "--log-level", "error")
	send(b, s.listen[0], "{\"number\":1}\n{}\n")
	gather := func() error {
		_, err := s.metrics.Gather()
		return err
	}
	httpGet := func() error {
		r, err := http.Get(s.admin + "/metrics")
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		return err
	}
	for i, how := range []struct {
		name   string
		scrape func() error
	}{{"gather", gather}, {"get", httpGet}, {"gather 5000 connections", gather}} {
		if i == 2 {
			crowd(b, s, 5000)
		}
		b.Run(how.name, func(b *testing.B) {
			b.ReportAllocs()
			before := processors()
			for b.Loop() {
				if err := how.scrape(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((processors()-before).Seconds()/float64(b.N)*10*100, "%core")
		})
	}
}

// crowd opens n connections, each of which has sent a record.
func crowd(b *testing.B, s *server, n int) {
	b.Helper()
	_, address, _ := strings.Cut(s.listen[0], "://")
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, "{\"number\":1}\n"); err != nil {
			b.Fatal(err)
		}
	}
	until(b, "all are there", func() bool {
		_, text := get(b, s.admin+"/metrics")
		return strings.Contains(text, fmt.Sprintf("\nringtail_connections %d\n", n))
	})
}

// processors is the time that this process has taken of them.
func processors() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestLossIsScraped: what the last line calls lost, a scrape has seen before the process is gone.
func TestLossIsScraped(t *testing.T) {
	kafka := embedded(t, "--topic", "far")
	s := serve(t, "--brokers", kafka.brokers, "--topic", "far", "--drain-timeout", "1s", "-X", "socket.timeout.ms=2000")
	kafka.terminate()
	send(t, s.listen[0], strings.Repeat("{\"number\":1}\n", 7))
	seen := make(chan string)
	go func() {
		last := ""
		for {
			r, err := http.Get(s.admin + "/metrics")
			if err != nil {
				seen <- last // the process is gone
				return
			}
			text, _ := io.ReadAll(r.Body)
			_ = r.Body.Close()
			if _, after, found := strings.Cut(string(text), "\nringtail_records_lost_total "); found {
				last, _, _ = strings.Cut(after, "\n")
			}
			time.Sleep(300 * time.Millisecond) // as Prometheus does, more often
		}
	}()
	if code := s.terminate(); code != exitFailed || !strings.HasSuffix(s.drained(), "lost=7") {
		t.Errorf("exit %d: %s", code, s.drained())
	}
	if last := <-seen; last != "7" {
		t.Errorf("the last scrape saw %s records lost", last)
	}
}
