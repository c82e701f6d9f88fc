//go:build cgo

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/wire"
)

// serve measures a server process under the load of this one.
func serve(o options) (measure, error) {
	args := []string{"--framing", o.Framing, "--log-level", "warn", "-X", "linger.ms=" + o.Linger}
	if !slices.Contains(o.ServeArgs, "--sink") {
		args = append(args, "--brokers", o.Brokers, "--topic", o.Topic)
	}
	if o.Rate > 0 {
		args = append(args, "--ack", "kafka")
	}
	s := e2e.StartBinary(o.tb, o.Binary, append(args, o.ServeArgs...)...)
	defer s.Stop()
	s.AwaitReady()
	if o.Idle > 0 {
		return idle(o, s)
	}
	return load(o, s)
}

// serveWith is serve with more flags of ringtail serve.
func serveWith(args ...string) func(options) (measure, error) {
	return func(o options) (measure, error) {
		o.ServeArgs = append(slices.Clone(o.ServeArgs), args...)
		return serve(o)
	}
}

func serveOther(o options) (measure, error) {
	o.Binary = o.Other
	return serve(o)
}

func serveOneDigit(o options) (measure, error) {
	o.OneDigit = true
	return serve(o)
}

// idle measures a server whose clients have sent a record each, and are silent since.
func idle(o options, s *e2e.Server) (measure, error) {
	pool := bench.NewPool(1, o.Size, -1)
	for i := range o.Connections {
		nc, err := net.Dial("tcp", strings.TrimPrefix(s.Target, "tcp://"))
		if err != nil {
			return measure{}, err
		}
		defer nc.Close()
		if _, err := nc.Write(append(pool.Append(nil, i, 1), '\n')); err != nil {
			return measure{}, err
		}
	}
	awaitDelivered(s, o.Connections)
	time.Sleep(o.Idle / 10) // what the records have woken comes to rest
	before, begun := s.CPU(), time.Now()
	time.Sleep(o.Idle)
	seconds := time.Since(begun).Seconds()
	return measure{Seconds: seconds, CPUMsPerSecond: (s.CPU() - before).Seconds() * 1e3 / seconds, PeakMiB: float64(s.PeakRSS()) / (1 << 20)}, nil
}

func load(o options, s *e2e.Server) (measure, error) {
	lo := bench.Defaults()
	lo.Target, lo.Connections, lo.Records, lo.Rate, lo.Size = s.Target, o.Connections, int64(o.Records), o.Rate, o.Size
	lo.Ack = o.Rate > 0
	if o.OneDigit {
		lo.Digit = 7
	}
	var err error
	if lo.Framing, err = wire.ParseFraming(o.Framing); err != nil {
		return measure{}, err
	}
	before, begun := s.CPU(), time.Now()
	res, err := bench.Run(context.Background(), lo)
	if err != nil {
		return measure{}, err
	}
	if err := res.Err(); err != nil {
		return measure{}, err
	}
	awaitDelivered(s, o.Records)
	m := measure{
		Seconds: time.Since(begun).Seconds(), CPUNanos: float64(s.CPU()-before) / float64(o.Records),
		PeakMiB: float64(s.PeakRSS()) / (1 << 20), LoaderNs: res.CPUNanosPerRecord,
	}
	if res.LatencyMs != nil {
		m.P50, m.P99 = res.LatencyMs.P50, res.LatencyMs.P99
	}
	return m, nil
}

// awaitDelivered waits until /status says that so many records are in Kafka. It does not give up: a
// slow machine takes as long as it takes.
func awaitDelivered(s *e2e.Server, records int) {
	var status struct {
		Kafka struct{ Delivered int } `json:"kafka"`
	}
	for {
		_, body := s.Get("/status")
		if json.Unmarshal([]byte(body), &status) == nil && status.Kafka.Delivered >= records {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func machine() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`model name\s*:\s*(.*)`).FindSubmatch(b); m != nil {
			model = string(m[1])
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), runtime.Version())
}
