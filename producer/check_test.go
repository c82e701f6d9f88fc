package producer

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/shard"
)

// fakeWriter is a Writer of two memory rings before a fake cluster.
func fakeWriter(t *testing.T, o Options, shards int, cluster ...kfake.Opt) (*Writer, *kfake.Cluster, []*shard.Ring) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(int32(shards), "records")}, cluster...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var set shard.Set
	for i := range shards {
		r, err := shard.New(shard.Options{Name: strconv.Itoa(i), Bytes: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Release() })
		set.Rings = append(set.Rings, r)
	}
	if o.Properties == nil {
		o.Properties = map[string]string{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Brokers, o.Topic, o.Producers, o.MaxRecordBytes = strings.Join(c.ListenAddrs(), ","), "records", max(o.Producers, 1), 900_000
	w, err := Open(o, set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, c, set.Rings
}

func minute(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// atLocalhost says that it is at localhost, which is a name.
type atLocalhost struct{ net.Listener }

type localhost int

func (localhost) Network() string  { return "tcp" }
func (l localhost) String() string { return "localhost:" + strconv.Itoa(int(l)) }

func (l atLocalhost) Addr() net.Addr { return localhost(l.Listener.Addr().(*net.TCPAddr).Port) }

// TestWriterThatGetsThrough: what OpenSSL takes and Go does not is librdkafka's: auto goes over to
// it before the first record, aloud; native says what is in the way; neither says ready and is not.
func TestWriterThatGetsThrough(t *testing.T) {
	certificate, ca := kafkatest.CommonName(t, "localhost")
	for _, writer := range []string{WriterLibrdkafka, WriterAuto, WriterNative} {
		t.Run(writer, func(t *testing.T) {
			var log logText
			w, _, rings := fakeWriter(t, Options{
				Writer: writer, Properties: map[string]string{"security.protocol": "ssl", "ssl.ca.location": ca}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			}, 2, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}}), kfake.ListenFn(func(network, address string) (net.Listener, error) {
				l, err := net.Listen(network, address)
				return atLocalhost{l}, err
			}))
			err := w.Check(minute(t))
			if writer == WriterNative {
				if err == nil || !strings.Contains(err.Error(), "cannot be reached") || !strings.Contains(err.Error(), "certificate") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || w.Native() {
				t.Fatalf("%v, native %v", err, w.Native())
			}
			if aloud := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "certificate"); aloud != (writer == WriterAuto) {
				t.Errorf("said: %s", log.String())
			}
			w.Start()
			put(t, rings[0], 1, 10, nil)
			until(t, "delivery", func() bool { return w.Stats().Delivered == 1 })
			until(t, "readiness", func() bool { ready, _ := w.Ready(); return ready })
		})
	}
}

// TestBrokerThatIsDown: a leader that nobody can reach is no matter of libraries. Nothing is ready,
// and auto stays native.
func TestBrokerThatIsDown(t *testing.T) {
	w, c, _ := fakeWriter(t, Options{Writer: WriterAuto}, 2, kfake.NumBrokers(2))
	if err := c.MoveTopicPartition("records", 1, 1); err != nil {
		t.Fatal(err)
	}
	var down atomic.Bool
	down.Store(true)
	c.ControlKey(int16(kmsg.Metadata), func(q kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if !down.Load() {
			return nil, nil, false
		}
		a := q.ResponseKind().(*kmsg.MetadataResponse)
		host, port, _ := net.SplitHostPort(c.ListenAddrs()[0])
		n, _ := strconv.Atoi(port)
		for id, p := range []int32{int32(n), 1} { // nobody listens at port 1
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port = int32(id), host, p
			a.Brokers = append(a.Brokers, b)
		}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("records")
		for i := range int32(2) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = i, i
			topic.Partitions = append(topic.Partitions, p)
		}
		a.Topics = append(a.Topics, topic)
		return a, nil, true
	})
	err := w.Check(minute(t))
	if err == nil || !strings.Contains(err.Error(), "broker 1 at 127.0.0.1:1") || !w.Native() {
		t.Fatalf("%v, native %v", err, w.Native())
	}
	w.Start()
	until(t, "the reason", func() bool {
		ready, why := w.Ready()
		if ready {
			t.Fatal("ready, and one leader cannot be reached")
		}
		return strings.Contains(why, "broker 1 at 127.0.0.1:1")
	})
	down.Store(false)
	until(t, "readiness", func() bool { ready, _ := w.Ready(); return ready })
}

// TestNobodyMayWrite: where librdkafka gets no further either, auto stays native and says why.
func TestNobodyMayWrite(t *testing.T) {
	w, c, _ := fakeWriter(t, Options{Writer: WriterAuto}, 1)
	c.ControlKey(int16(kmsg.InitProducerID), func(q kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		a := q.ResponseKind().(*kmsg.InitProducerIDResponse)
		a.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return a, nil, true
	})
	if err := w.Check(minute(t)); err == nil || !strings.Contains(err.Error(), "CLUSTER_AUTHORIZATION_FAILED") || !w.Native() {
		t.Errorf("%v, native %v", err, w.Native())
	}
}
