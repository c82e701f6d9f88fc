//go:build cgo

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// rsyslogConfig has rsyslog do what serve does, as near as it comes: lines over TCP, each parsed as
// JSON and written as it came, acks=all, keyed by the last digit of its number, so that each digit
// has its partition and its order. It has no property that would tell clients what is in Kafka.
// %[1]s is a directory, %[2]s the port, %[3]s the broker, %[4]s the topic, %[5]s linger.ms.
const rsyslogConfig = `
global(workDirectory="%[1]s" maxMessageSize="1m")
module(load="imptcp" threads="2")
module(load="mmjsonparse")
module(load="omkafka")
template(name="whole" type="string" string="%%rawmsg%%")
template(name="digit" type="list") { property(name="$!number" position.from="1" position.to="1" position.relativeToEnd="on") }
ruleset(name="records" queue.type="FixedArray" queue.size="100000" queue.dequeueBatchSize="1024" queue.workerThreads="1") {
	action(type="mmjsonparse" cookie="" useRawMsg="on")
	action(type="omkafka" broker="%[3]s" topic="%[4]s" template="whole" dynaKey="on" key="digit" partitions.auto="on"
		confParam=["acks=all", "enable.idempotence=true", "linger.ms=%[5]s", "queue.buffering.max.messages=100000", "batch.size=1000000"]
		action.resumeRetryCount="-1" action.resumeInterval="1")
}
input(type="imptcp" address="127.0.0.1" port="%[2]s" ruleset="records" supportOctetCountedFraming="off")
`

// rsyslog measures Debian's rsyslog under the same load.
func rsyslog(o options) (measure, error) {
	dir, err := os.MkdirTemp("", "ringtail-rsyslog")
	if err != nil {
		return measure{}, err
	}
	defer os.RemoveAll(dir)
	address := fmt.Sprintf("127.0.0.1:%d", kafkatest.ReservePorts(o.tb, 1))
	_, port, _ := net.SplitHostPort(address)
	config := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, rsyslogConfig, dir, port, o.Brokers, o.Topic, o.Linger), 0o600); err != nil {
		return measure{}, err
	}
	cmd := exec.Command("rsyslogd", "-n", "-f", config, "-i", filepath.Join(dir, "pid"))
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := kafkatest.Spawn(cmd); err != nil {
		return measure{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() { // said is ours again behind it
		_ = cmd.Process.Kill()
		<-ended
	}
	for {
		nc, err := net.Dial("tcp", address)
		if err == nil {
			_ = nc.Close()
			break
		}
		select {
		case err := <-ended:
			return measure{}, fmt.Errorf("it has ended: %w\n%s", err, &said)
		case <-time.After(10 * time.Millisecond):
		}
	}
	defer stop()
	lo := bench.Defaults()
	lo.Target, lo.Connections, lo.Records, lo.Size = "tcp://"+address, o.Connections, int64(o.Records), o.Size
	before, begun := processCPU(cmd.Process.Pid), time.Now()
	res, err := bench.Run(context.Background(), lo)
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		return measure{}, err
	}
	for o.kafka.Ends(o.Topic) < int64(o.Records) {
		time.Sleep(2 * time.Millisecond)
	}
	return measure{
		Seconds: time.Since(begun).Seconds(), CPUNanos: float64(processCPU(cmd.Process.Pid)-before) / float64(o.Records),
		PeakMiB: peakMiB(cmd.Process.Pid), LoaderNs: res.CPUNanosPerRecord,
	}, nil
}

// processCPU is the user and system time of a process (clock_getcpuclockid(3)).
func processCPU(pid int) time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(int32(^pid<<3|2), &t)
	return time.Duration(t.Nano())
}
