package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// sending writes to a server until stop is called. It does not end where the server stops to read,
// nor where it closes: then it connects again.
func sending(t *testing.T, listen, text string, every time.Duration) (stop func()) {
	t.Helper()
	_, address, _ := strings.Cut(listen, "://")
	ended, done := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var c net.Conn
	over := func() bool {
		select {
		case <-ended:
			return true
		case <-time.After(every): // a rate, no wait for anything
			return false
		}
	}
	go func() {
		defer close(done)
		for !over() {
			mu.Lock()
			if c == nil {
				c, _ = net.Dial("tcp", address)
			}
			to := c
			mu.Unlock()
			if to == nil {
				continue
			}
			if _, err := io.WriteString(to, text); err != nil {
				mu.Lock()
				_ = to.Close()
				c = nil
				mu.Unlock()
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(ended)
		mu.Lock()
		if c != nil {
			_ = c.Close()
		}
		mu.Unlock()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

// connections opens n that say something and stay.
func connections(t *testing.T, listen string, n int, text string) {
	t.Helper()
	_, address, _ := strings.Cut(listen, "://")
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		var wrote sync.WaitGroup
		wrote.Go(func() { _, _ = io.WriteString(c, text) }) // as much as the server reads
		t.Cleanup(func() {
			_ = c.Close()
			wrote.Wait()
		})
	}
}

// brokerDies: the only broker that has one of two shards, and of the dead letters, is killed. That shard's
// ring fills, its clients wait, a server that is told to stop loses its records; then the broker is
// back, and the records are late.
func (f *firing) brokerDies(t *testing.T) {
	kafka := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	kafka.CreateTopicOn("records", []int{2, 1})
	kafka.CreateTopicOn("dead", []int{2})
	args := []string{"--brokers", kafka.Bootstrap(), "--shards", "2", "--dead-letter-topic", "dead", "--ring-bytes", "5MiB"}
	s := serve(t, append(args, "--admin", f.at["kafka"])...)
	stopping := serve(t, append(args, "--admin", f.at["stopping"], "--drain-timeout", "6s")...)
	for _, to := range []*server{s, stopping} {
		send(t, to.listen[0], "{\"number\":0}\n{\"number\":1}\n{}\n")
		until(t, "all is delivered", func() bool {
			_, status := get(t, to.admin+"/status")
			return strings.Contains(status, `"delivered": 2,`) && strings.Contains(status, `"dead_lettered": 1,`)
		})
	}
	kafka.Kill(2)
	for _, to := range []*server{s, stopping} {
		send(t, to.listen[0], "{\"number\":0}\n{}\n")
	}
	flows := sending(t, s.listen[0], "{\"number\":1}\n", 100*time.Millisecond)
	f.fires(t, "RingtailStuckShard", "shard", "0", "instance", f.at["kafka"])
	f.fires(t, "RingtailStuckDeadLetters", "instance", f.at["kafka"])
	f.fires(t, "RingtailBrokerDown", "broker", "2", "instance", f.at["kafka"])
	stopping.signals <- syscall.SIGTERM
	fills := sending(t, s.listen[0], strings.Repeat(fmt.Sprintf("{\"number\":0,\"pad\":\"%0990d\"}\n", 0), 100), 100*time.Millisecond)
	f.fires(t, "RingtailRingsFullSoon", "instance", f.at["kafka"])
	f.fires(t, "RingtailStopsWithRecords", "instance", f.at["stopping"])
	if code := stopping.wait(); code != exitFailed || !strings.HasSuffix(stopping.drained(), "lost=2") {
		t.Errorf("exit %d: %s", code, stopping.drained())
	}
	f.fires(t, "RingtailRecordsLost", "instance", f.at["stopping"])
	f.fires(t, "RingtailRingFilling", "shard", "0", "instance", f.at["kafka"])
	f.fires(t, "RingtailClientsWait", "instance", f.at["kafka"])
	if f.fired("RingtailStuckShard", "shard", "1") {
		t.Error("the shard that flows is called stuck")
	}
	kafka.Restart(2)
	f.fires(t, "RingtailSlow", "instance", f.at["kafka"])
	flows()
	fills()
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}

// noKafka: a server that waits for Kafka to be there.
func (f *firing) noKafka(t *testing.T) {
	c := start(t, "", "serve", "--brokers", closedPort(t), "--listen", "tcp://127.0.0.1:0", "--admin", f.at["starting"], "--start-timeout", "0")
	f.fires(t, "RingtailNotReady", "instance", f.at["starting"])
	if code := c.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, c.err.String())
	}
}

// crowd: more connections than one address may have, and too little memory for what they begin.
func (f *firing) crowd(t *testing.T) {
	s := serve(t, "--admin", f.at["crowded"], "--sink", "discard", "--client-memory", "1MiB", "--frame-timeout", "10m", "--max-connections-per-ip", "6")
	f.watches(t, f.at["crowded"])
	connections(t, s.listen[0], 8, `{"number":1,"pad":"`+strings.Repeat("x", 900_000))
	f.fires(t, "RingtailWaitingForMemory", "instance", f.at["crowded"])
	f.fires(t, "RingtailRefusesConnections", "reason", "max_connections_per_ip", "instance", f.at["crowded"])
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}

// rudeClients do not finish their records, or send none; and somebody has forgotten a certificate.
func (f *firing) rudeClients(t *testing.T) {
	cert, key := certtest.NewCA(t).Files(t, certtest.Leaf{Name: "tomorrow"})
	s := serve(t, "--admin", f.at["rude"], "--sink", "discard", "--frame-timeout", "1s", "--listen", "tls://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	f.watches(t, f.at["rude"])
	connections(t, s.listen[0], 10, `{"number":`)
	bad := sending(t, s.listen[0], strings.Repeat("{}\n", 20), 100*time.Millisecond)
	f.fires(t, "RingtailClosesConnections", "reason", "frame_timeout", "instance", f.at["rude"])
	f.fires(t, "RingtailRejects", "reason", "missing_field", "instance", f.at["rude"])
	bad()
	f.fires(t, "RingtailCertificateExpires", "certificate", "tomorrow", "instance", f.at["rude"])
	f.fires(t, "RingtailCertificateExpiresToday", "certificate", "tomorrow", "instance", f.at["rude"])
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}

// ringFiles: a process that does not get its processor while it writes them, that is killed, and
// that finds one of them damaged when it is back.
func (f *firing) ringFiles(t *testing.T) {
	dir, listen := filepath.Join(t.TempDir(), "rings"), closedPort(t)
	args := []string{"serve", "--sink", "discard", "--ring-dir", dir, "--ring-bytes", "8MiB", "--shards", "2", "--listen", "tcp://" + listen, "--admin", f.at["files"]}
	c := worker(t, nil, args...)
	f.watches(t, f.at["files"])
	load := strings.Repeat(fmt.Sprintf("{\"number\":0,\"pad\":\"%0200000d\"}\n{\"number\":1,\"pad\":\"%0200000d\"}\n", 0, 0), 5)
	for range 4 {
		sending(t, "tcp://"+listen, load, time.Millisecond)
	}
	until(t, "RingtailRingStall fires", func() bool {
		_ = c.Process.Signal(syscall.SIGSTOP)
		time.Sleep(100 * time.Millisecond) // the fault: no processor for so long
		_ = c.Process.Signal(syscall.SIGCONT)
		time.Sleep(20 * time.Millisecond)
		return f.fired("RingtailRingStall", "instance", f.at["files"])
	})
	_ = c.Process.Kill()
	_ = c.Wait()
	f.fires(t, "RingtailDown", "instance", f.at["files"])
	file := filepath.Join(dir, "shard-00.ring")
	ring := []byte(contents(t, file))
	ring[41] ^= 1
	if err := os.WriteFile(file, ring, 0o600); err != nil {
		t.Fatal(err)
	}
	worker(t, nil, args...)
	f.fires(t, "RingtailRingFilesDamaged", "instance", f.at["files"])
}

// writerFails: a broker loses connections and forgets who the writer is, again and again. Kafka does so when it has lost its
// log, which a test cannot have without losing everything else.
func (f *firing) writerFails(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(10, "records"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	s := serve(t, "--brokers", kafka.ListenAddrs()[0], "--admin", f.at["rebuilt"])
	f.watches(t, f.at["rebuilt"])
	asked := 0
	kafka.ControlKey(int16(kmsg.Produce), func(q kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		if f.fired("RingtailRebuilds") {
			return nil, nil, false
		}
		if asked++; asked%2 == 1 {
			return nil, errors.New("cut"), true // so that nobody knows whether it is written
		}
		request := q.(*kmsg.ProduceRequest)
		response := request.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range request.Topics {
			t := kmsg.NewProduceResponseTopic()
			t.Topic, t.TopicID = topic.Topic, topic.TopicID
			for _, partition := range topic.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode = partition.Partition, kerr.UnknownProducerID.Code
				t.Partitions = append(t.Partitions, p)
			}
			response.Topics = append(response.Topics, t)
		}
		return response, nil, true
	})
	send(t, s.listen[0], "{\"number\":0}\n")
	f.fires(t, "RingtailRebuilds", "instance", f.at["rebuilt"])
	f.fires(t, "RingtailPossibleDuplicates", "instance", f.at["rebuilt"])
	if code := s.terminate(); code != 0 || !strings.Contains(s.drained(), "delivered=1") {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}

// full is a pipe that nobody reads, until it is closed.
type full chan struct{}

func (f full) Write(p []byte) (int, error) {
	<-f
	return len(p), nil
}

// nobodyReads: a consumer's output takes nothing, so its group stands still, and falls behind.
func (f *firing) nobodyReads(t *testing.T, well *server) {
	pipe, errs, signals, exit := make(full), &output{}, make(chan os.Signal, 1), make(chan int, 1)
	go func() {
		exit <- run([]string{"consume", "--brokers", well.brokers, "--topic", "records", "--group", "stuck", "--from", "beginning", "--metrics", f.consumer["stuck"]},
			&process{In: strings.NewReader(""), Out: pipe, Err: errs, Signals: signals, Abort: func(int) {}})
	}()
	more := sending(t, well.listen[0], strings.Repeat("{\"number\":1}\n", 100), 100*time.Millisecond)
	f.fires(t, "RingtailConsumerLagGrows", "group", "stuck")
	f.fires(t, "RingtailConsumerStuck", "group", "stuck")
	more()
	signals <- syscall.SIGTERM
	close(pipe)
	select {
	case code := <-exit:
		if code != 0 {
			t.Errorf("exit %d: %s", code, errs)
		}
	case <-time.After(patience):
		t.Errorf("the consumer goes on: %s", errs)
	}
}

// consumers: records without the field that is counted; and a consumer that is frozen while the
// records that it has not read are removed.
func (f *firing) consumers(t *testing.T, well *server) {
	must(t, "topics", "create", "clicks", "--partitions", "1", "--brokers", well.brokers)
	clicks := func() {
		must(t, "produce", "--topic", "clicks", "--generate", "clicks", "--count", "50", "--brokers", well.brokers)
	}
	counting := start(t, "", "consume", "--brokers", well.brokers, "--topic", "clicks", "--count-by", "missing", "--from", "beginning", "--metrics", f.consumer["uncounted"])
	frozen := worker(t, nil, "consume", "--brokers", well.brokers, "--topic", "clicks", "--group", "frozen", "--from", "beginning", "--metrics", f.consumer["frozen"])
	clicks()
	f.watches(t, f.consumer["uncounted"])
	until(t, "the group has read all", func() bool {
		values, _ := f.p.query(`sum(ringtail_consumer_records_total{group="frozen"}) == 50 and sum(ringtail_consumer_lag{group="frozen"}) == 0`)
		return len(values) == 1
	})
	if err := frozen.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	clicks() // these it finds in its socket
	clicks()
	f.fires(t, "RingtailConsumerUncounted", "topic", "clicks")
	f.fires(t, "RingtailConsumerGone", "instance", f.consumer["frozen"])
	f.fires(t, "RingtailGroupEmpty", "group", "frozen")
	client, err := kgo.NewClient(kgo.SeedBrokers(well.brokers))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var first kadm.Offsets
	first.Add(kadm.Offset{Topic: "clicks", At: 150})
	if answer, err := kadm.NewClient(client).DeleteRecords(t.Context(), first); err != nil || answer.Error() != nil {
		t.Fatal(err, answer.Error())
	}
	if err := frozen.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.fires(t, "RingtailRecordsGone", "group", "frozen")
	if code := counting.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, counting.err.String())
	}
}
