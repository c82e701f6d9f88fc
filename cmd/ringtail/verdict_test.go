package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/internal/verdict"
)

// judged is a server whose verdicts `ringtail status --watch` writes down.
type judged struct {
	*server
	t     *testing.T
	watch *command
}

func judge(t *testing.T, s *server) *judged {
	t.Helper()
	return &judged{s, t, start(t, "", "status", "--watch", s.admin)}
}

func judgedServer(t *testing.T, args ...string) *judged {
	t.Helper()
	return judge(t, serve(t, args...))
}

// status is what /status says.
func (j *judged) status() (s serverStatus) {
	j.t.Helper()
	code, text := newAsker(j.t, "").get(j.admin + "/status")
	if code != http.StatusOK {
		j.t.Fatalf("/status: %d %s", code, text)
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		j.t.Fatal(err)
	}
	return s
}

// says waits until the verdict is such a one and its advice has these words, and checks that whoever
// tells it tells the same.
func (j *judged) says(pattern string, advice ...string) verdict.Verdict {
	j.t.Helper()
	is := regexp.MustCompile("^(?:" + pattern + ")$")
	var v verdict.Verdict
	defer func() {
		if j.t.Failed() {
			j.t.Logf("it is %q: %s\n%+v", v.Text, v.Advice, j.status().Rings)
		}
	}()
	until(j.t, "the verdict is "+pattern, func() bool {
		v = j.status().Verdict
		if !is.MatchString(v.Text) {
			return false
		}
		for _, words := range advice {
			if !strings.Contains(v.Advice, words) {
				return false
			}
		}
		code, out, errs := ringtail(j.t, "status", j.admin)
		_, metrics := newAsker(j.t, "").get(j.admin + "/metrics")
		after := j.status().Verdict
		if after.State != v.State || !is.MatchString(after.Text) {
			return false // it has changed meanwhile
		}
		lines := strings.Split(out, "\n")
		if (code == exitDone) != (v.State == verdict.OK) || code > exitFailed || errs != "" || !is.MatchString(lines[0]) {
			j.t.Errorf("/status says %q, and ringtail status ends with %d: %q %q", v.Text, code, lines[0], errs)
		}
		if after.Advice == v.Advice && v.Advice != "" && lines[1] != v.Advice {
			j.t.Errorf("the advice is %q, and ringtail status says %q", v.Advice, lines[1])
		}
		for _, state := range verdict.States {
			if want := fmt.Sprintf("ringtail_verdict{state=%q} %d\n", state, map[bool]int{true: 1}[state == v.State]); !strings.Contains(metrics, want) {
				j.t.Errorf("%s: /metrics has no %s", v.Text, want)
			}
		}
		return true
	})
	return v
}

// said ends the watching, and returns an error for each verdict that was none of these states.
func (j *judged) said(states ...verdict.State) {
	j.t.Helper()
	j.watch.signals <- syscall.SIGINT
	j.watch.wait()
	allowed := map[string]bool{"GONE": true}
	for _, s := range states {
		allowed[strings.ToUpper(string(s))] = true
	}
	for _, line := range j.watch.out.lines() {
		if words := strings.Fields(line); len(words) < 3 || !allowed[strings.TrimSuffix(words[2], ":")] {
			j.t.Errorf("the wrong verdict: %s", line)
		}
	}
}

// feed sends what each call of next returns until stop is called, with a rest after each.
func feed(t *testing.T, listen string, rest time.Duration, next func(i int) string) (stop func()) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(listen, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	var stopped atomic.Bool
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; !stopped.Load(); i++ {
			if _, err := conn.Write([]byte(next(i))); err != nil {
				return
			}
			time.Sleep(rest)
		}
	})
	stop = sync.OnceFunc(func() {
		stopped.Store(true)
		_ = conn.Close()
		sending.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// numbers are records of all digits.
func numbers(i int) string { return fmt.Sprintf("{\"number\":%d}\n", i) }

// TestVerdictsOfClients: each by real clients, in /status, as a metric and by ringtail status; and at
// no time one that is not so.
func TestVerdictsOfClients(t *testing.T) {
	t.Parallel() // it waits for most of its time
	quiet, rejected, unread := judgedServer(t, "--sink", "discard"), judgedServer(t, "--sink", "discard"), judgedServer(t, "--sink", "discard", "--ack", "kafka")
	half := strings.Repeat("{\"number\":1}\n{\"nummer\":1}\n", 1000) // a line to read for each of the second
	feed(t, unread.listen[0], 0, func(int) string { return half })
	stop := feed(t, rejected.listen[0], time.Millisecond, func(int) string { return "{\"nummer\":1}\n" })
	rejected.says("CLIENTS: 100 % of records are rejected: missing_field", "Clients:", "--field")
	stop()
	if r, err := http.Get("http" + strings.TrimPrefix(quiet.listen[0], "tcp")); err == nil {
		_ = r.Body.Close()
		t.Error("it serves HTTP")
	}
	unread.says("CLIENTS: 1 of 1 does not read its acks", "Clients:")
	quiet.says("CLIENTS: nobody sends", "1 connection was closed")
	quiet.says("CLIENTS: nobody sends", "nobody is connected")
	feed(t, quiet.listen[0], 100*time.Millisecond, numbers)
	quiet.says("OK")
	for _, j := range []*judged{quiet, rejected, unread} {
		j.said(verdict.OK, verdict.Clients)
	}
}

// probes has another client write a record to each partition of a topic of two, again and again. What it
// returns ends that, and returns how long it took at most.
func probes(t *testing.T, brokers, topic string) func() time.Duration {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, cancel := context.WithCancel(t.Context())
	most := make(chan time.Duration, 1)
	go func() {
		longest := time.Duration(0)
		for n := int32(0); ctx.Err() == nil; n++ {
			begun := time.Now()
			_ = client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: n % 2, Value: []byte("x")}).FirstErr()
			longest = max(longest, time.Since(begun))
			time.Sleep(20 * time.Millisecond)
		}
		most <- longest
	}()
	return func() time.Duration {
		cancel()
		return <-most
	}
}

// TestVerdictsOfKafka: the same by a quota, full rings, a frozen leader, and too few replicas.
func TestVerdictsOfKafka(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3, Properties: map[string]string{
		"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500", "replica.lag.time.max.ms": "5000", // a frozen broker is soon called dead
	}})
	cluster.CreateTopicOn("well", []int{1, 2})
	cluster.CreateTopicOn("probe", []int{1, 2})
	cluster.CreateTopicOn("held", []int{1, 1})
	cluster.CreateTopicOn("frozen", []int{1, 2, 3})
	cluster.CreateTopicAcross("few", 2, [][]int32{{2, 3}})
	cluster.CreateTopicAcross("few-too", 2, [][]int32{{1, 3}})
	onKafka := func(topic string, shards int, args ...string) *judged {
		return judgedServer(t, append([]string{"--brokers", cluster.Bootstrap(), "--topic", topic, "--shards", fmt.Sprint(shards), "--ring-bytes", "5MiB"}, args...)...)
	}
	// A leader that waits for a replica answers after request.timeout.ms, and refuses what comes next.
	well, frozen, few, fewToo := onKafka("well", 2), onKafka("frozen", 3), onKafka("few", 1, "-X", "request.timeout.ms=5000"), onKafka("few-too", 1, "--writer", "librdkafka")
	all := []*judged{well, frozen, few, fewToo}
	probe := probes(t, cluster.Bootstrap(), "probe")
	for _, j := range all {
		feed(t, j.listen[0], 10*time.Millisecond, numbers)
	}
	cluster.SetProduceQuotaOf("held", 1<<20)
	held := onKafka("held", 2, "-X", "client.id=held")
	line := strings.Repeat(fmt.Sprintf("{\"number\":1,\"x\":%q}\n{\"number\":2,\"x\":%[1]q}\n", strings.Repeat("x", 400)), 100)
	stop := feed(t, held.listen[0], 0, func(int) string { return line })
	for _, j := range all {
		j.says("OK")
	}

	cluster.Freeze(3)
	held.says(`SLOW: broker 1, \d+ % of the time`, "Kafka: broker 1 ("+cluster.Address(1)+") holds this server to a quota")
	until(t, "the rings are full", func() bool {
		v := held.status().Verdict
		return v.FullIn != nil && *v.FullIn == 0 && v.Waiting == 1 && v.Connections == 1
	})
	frozen.says(`STUCK: partition 2 since \d+ (?:s|min): (broker 3 does not answer|no leader|LEADER_NOT_AVAILABLE)`, "broker 3")
	for _, j := range []*judged{few, fewToo} {
		j.says(`STUCK: partition 0 since \d+ (?:s|min): NOT_ENOUGH_REPLICAS.*`, "Kafka:", "min.insync.replicas")
		if r := j.status().Rings[0]; r.Records == 0 || r.Used == 0 || r.Oldest < 10 || r.Leader > 2 || r.LastError == nil {
			t.Errorf("its ring is %+v", r)
		}
	}
	cluster.Continue(3)
	for _, j := range all {
		j.says("OK")
	}

	stop()
	held.signals <- syscall.SIGTERM
	held.says("DRAINING", "records are on the way to Kafka")
	cluster.SetProduceQuotaOf("held", 0)
	if most := probe(); most > verdict.SlowOver/2 { // on a busy machine, that Kafka is slow may be true of any of them
		t.Logf("a record of another client's took %v", most)
		well.said(verdict.OK, verdict.Slow)
	} else {
		well.said(verdict.OK)
	}
	for _, j := range []*judged{frozen, few, fewToo} {
		j.said(verdict.OK, verdict.Slow, verdict.Stuck)
	}
	held.said(verdict.OK, verdict.Slow, verdict.Draining)
	for _, j := range append(all, held) {
		if j != held {
			j.signals <- syscall.SIGTERM
		}
		if code := j.wait(); code != exitDone {
			t.Errorf("exit %d: %s", code, j.drained())
		}
	}
}

// TestVerdictBeforeTheStart: what the server waits for.
func TestVerdictBeforeTheStart(t *testing.T) {
	nobody, admin := closedPort(t), closedPort(t)
	c := start(t, "", "serve", "--brokers", nobody, "--listen", "tcp://127.0.0.1:0", "--admin", admin)
	until(t, "the admin port is there", func() bool {
		conn, err := net.Dial("tcp", admin)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	j := judge(t, &server{command: c, admin: "http://" + admin})
	j.says("STARTING: .*"+regexp.QuoteMeta(nobody)+": connection refused.*", "No client can connect")
	j.said(verdict.Starting)
	c.terminate()
}
