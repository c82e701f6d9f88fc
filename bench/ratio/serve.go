package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/wire"
)

// runner is a kafkatest.TB without a test around it.
type runner struct{ cleanup []func() }

func (r *runner) Helper()                   {}
func (r *runner) Logf(f string, a ...any)   { log.Printf(f, a...) }
func (r *runner) Cleanup(f func())          { r.cleanup = append(r.cleanup, f) }
func (r *runner) Fatalf(f string, a ...any) { r.end(); log.Fatalf(f, a...) }
func (r *runner) end() {
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		r.cleanup[i]()
	}
	r.cleanup = nil
}

// build makes the server's binary.
func build(r *runner) (string, error) {
	dir, err := os.MkdirTemp("", "ringtail-ratio")
	if err != nil {
		return "", err
	}
	r.Cleanup(func() { _ = os.RemoveAll(dir) })
	bin := filepath.Join(dir, "ringtail")
	cmd := exec.Command("go", "build", "-o", bin, "github.com/ringtail/ringtail/cmd/ringtail")
	cmd.Stderr = os.Stderr
	return bin, cmd.Run()
}

var readyLine = regexp.MustCompile(`tcp://(\S+)`)
var adminLine = regexp.MustCompile(`http://(\S+)`)

// serve measures a server process under the load of this one.
func serve(o options) (measure, error) {
	args := []string{"serve", "--listen", "tcp://127.0.0.1:0", "--framing", o.Framing, "--admin", "127.0.0.1:0", "--log-level", "warn", "-X", "linger.ms=" + o.Linger}
	if len(o.ServeArgs) == 0 || o.ServeArgs[0] != "--sink" {
		args = append(args, "--brokers", o.Brokers, "--topic", o.Topic)
	}
	if o.Rate > 0 {
		args = append(args, "--ack", "kafka")
	}
	cmd := exec.Command(o.Binary, append(args, o.ServeArgs...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return measure{}, err
	}
	if err := cmd.Start(); err != nil {
		return measure{}, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	address, admin := "", ""
	for sc := bufio.NewScanner(stdout); address == "" && sc.Scan(); {
		if strings.HasPrefix(sc.Text(), "ringtail: ready") {
			address = readyLine.FindStringSubmatch(sc.Text())[1]
			admin = adminLine.FindStringSubmatch(sc.Text())[1]
		}
	}
	if address == "" {
		return measure{}, errors.New("the server did not get ready")
	}
	if o.Idle > 0 {
		return idle(o, cmd.Process.Pid, address, admin)
	}
	return load(o, cmd.Process.Pid, address, admin)
}

// idle measures a server whose clients have sent a record each, and are silent since.
func idle(o options, pid int, address, admin string) (measure, error) {
	pool := bench.NewPool(1, o.Size, -1)
	for i := range o.Connections {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			return measure{}, err
		}
		defer nc.Close()
		if _, err := nc.Write(append(pool.Append(nil, i, 1), '\n')); err != nil {
			return measure{}, err
		}
	}
	for delivered(admin) < o.Connections {
		time.Sleep(2 * time.Millisecond)
	}
	time.Sleep(o.Idle / 10) // what the records have woken comes to rest
	before, begun := cpuOf(pid), time.Now()
	time.Sleep(o.Idle)
	seconds := time.Since(begun).Seconds()
	return measure{Seconds: seconds, CPUMsPerSecond: (cpuOf(pid) - before).Seconds() * 1e3 / seconds, PeakMiB: peakMiB(strconv.Itoa(pid))}, nil
}

func serveOther(o options) (measure, error) {
	o.Binary = o.Other
	return serve(o)
}

func serveLibrdkafka(o options) (measure, error) {
	o.ServeArgs = append(slices.Clone(o.ServeArgs), "--writer", "librdkafka")
	return serve(o)
}

func serveOneDigit(o options) (measure, error) {
	o.OneDigit = true
	return serve(o)
}

func load(o options, pid int, address, admin string) (measure, error) {
	lo := bench.Defaults()
	lo.Target, lo.Connections, lo.Records, lo.Rate, lo.Size = "tcp://"+address, o.Connections, int64(o.Records), o.Rate, o.Size
	lo.Ack = o.Rate > 0
	if o.OneDigit {
		lo.Digit = 7
	}
	var err error
	if lo.Framing, err = wire.ParseFraming(o.Framing); err != nil {
		return measure{}, err
	}
	before, begun := cpuOf(pid), time.Now()
	res, err := bench.Run(context.Background(), lo)
	if err != nil {
		return measure{}, err
	}
	if err := res.Err(); err != nil {
		return measure{}, err
	}
	for delivered(admin) < o.Records {
		time.Sleep(2 * time.Millisecond)
	}
	m := measure{
		Seconds: time.Since(begun).Seconds(), CPUNanos: float64(cpuOf(pid)-before) / float64(o.Records),
		PeakMiB: peakMiB(strconv.Itoa(pid)), LoaderNs: res.CPUNanosPerRecord,
	}
	if res.LatencyMs != nil {
		m.P50, m.P99 = res.LatencyMs.P50, res.LatencyMs.P99
	}
	return m, nil
}

// cpuOf is the user and system time of a process, by its processor clock
// (clock_getcpuclockid(3)); /proc has it in hundredths of a second only.
func cpuOf(pid int) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		log.Fatal(err)
	}
	return time.Duration(t.Nano())
}

func peakMiB(pid string) float64 {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return float64(kib) / 1024
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
