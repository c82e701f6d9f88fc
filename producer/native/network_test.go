package native

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/ringtail/ringtail/internal/leaktest"
	"github.com/ringtail/ringtail/producer/rdk"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

const patience = time.Minute

// rig is a client of a Kafka that is embedded.
type rig struct {
	t       *testing.T
	cluster *kfake.Cluster
	c       *Client
}

func options() Options {
	return Options{
		Topic: "t", ClientID: "test", BatchBytes: 1_000_000, BatchRecords: 10_000,
		RequestTimeout: 30 * time.Second, SocketTimeout: 60 * time.Second,
		Backoff: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond, LookEvery: 2 * time.Second, TellEvery: 5 * time.Second,
	}
}

func newRig(t *testing.T, o Options, lines int, more ...kfake.Opt) *rig {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "t")}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	o.Brokers = cluster.ListenAddrs()
	c, err := New(o, make([]uint64, lines))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Destroy)
	return &rig{t, cluster, c}
}

// until polls until something is so.
func (r *rig) until(what string, so func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !so(); r.c.Poll(10) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (r *rig) acked(line int, n uint64) func() bool {
	return func() bool {
		if t := r.c.Track(line); t.Failed != rdk.None {
			r.t.Fatalf("line %d failed: %v", line, kerr.ErrorForCode(int16(t.Err)))
		}
		return r.c.Track(line).Acked == n
	}
}

// TestWrites: keys, values and headers, small and large, are in the topic as they were handed
// over, whatever version the broker speaks, however it lets us in, compressed or not.
func TestWrites(t *testing.T) {
	certificate, roots := certificate(t)
	codec := func(c kgo.CompressionCodec) func(*Options) {
		return func(o *Options) { o.Compressor, _ = kgo.DefaultCompressor(c) }
	}
	login := func(name string) []kfake.Opt {
		return []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(name, "user", "secret")}
	}
	for name, c := range map[string]struct {
		kafka  []kfake.Opt
		change func(*Options)
		reader []kgo.Opt
	}{
		"newest": {},
		"2.8":    {kafka: []kfake.Opt{kfake.MaxVersions(kversion.V2_8_0())}},
		"2.0":    {kafka: []kfake.Opt{kfake.MaxVersions(kversion.V2_0_0())}},
		"gzip":   {change: codec(kgo.GzipCompression())},
		"snappy": {change: codec(kgo.SnappyCompression())},
		"lz4":    {change: codec(kgo.Lz4Compression())},
		"zstd":   {change: codec(kgo.ZstdCompression())},
		"plain": {
			login("PLAIN"),
			func(o *Options) { o.SASL = plain.Auth{User: "user", Pass: "secret"}.AsMechanism() },
			[]kgo.Opt{kgo.SASL(plain.Auth{User: "user", Pass: "secret"}.AsMechanism())},
		},
		"scram": {
			login("SCRAM-SHA-512"),
			func(o *Options) { o.SASL = scram.Auth{User: "user", Pass: "secret"}.AsSha512Mechanism() },
			[]kgo.Opt{kgo.SASL(scram.Auth{User: "user", Pass: "secret"}.AsSha512Mechanism())},
		},
		"tls": {
			[]kfake.Opt{kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}})},
			func(o *Options) { o.TLS = &tls.Config{RootCAs: roots} },
			[]kgo.Opt{kgo.DialTLSConfig(&tls.Config{RootCAs: roots})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			if c.change != nil {
				c.change(&o)
			}
			r := newRig(t, o, 3, c.kafka...)
			want := map[int32][]*kgo.Record{}
			for line := range 3 {
				var records []rdk.Record
				for i := range 100 {
					value := bytes.Repeat(fmt.Appendf(nil, "%d-%d;", line, i), 1+i*i)
					rec := rdk.Record{Value: value}
					if i%2 == 0 {
						rec.Key = fmt.Appendf(nil, "key %d", i)
					}
					records = append(records, rec)
					want[int32(line)] = append(want[int32(line)], &kgo.Record{Key: rec.Key, Value: value})
				}
				r.hand(line, records)
			}
			letter := rdk.Letter{Reason: "too_large", Remote: "1.2.3.4:5", Truncated: 70_000}
			r.until("room", func() bool { return r.c.ProduceLetter(0, 0, 100, []byte("letter"), letter) == 0 })
			want[0] = append(want[0], &kgo.Record{Value: []byte("letter"), Headers: []kgo.RecordHeader{
				{Key: "reason", Value: []byte("too_large")}, {Key: "remote", Value: []byte("1.2.3.4:5")}, {Key: "truncated", Value: []byte("70000")},
			}})
			r.c.Send()
			r.until("acks", func() bool { return r.acked(0, 101)() && r.acked(1, 100)() && r.acked(2, 100)() })
			r.compare(want, c.reader)
		})
	}
}

// hand hands records of a line over, from number 0, as the queue takes them.
func (r *rig) hand(line int, records []rdk.Record) {
	n := 0
	r.until("room", func() bool {
		taken, code := r.c.Produce(line, int32(line), uint64(n), records[n:])
		if n += taken; n < len(records) && code != rdk.ErrQueueFull {
			r.t.Fatalf("%d of %d records taken, code %d", n, len(records), code)
		}
		r.c.Send()
		return n == len(records)
	})
}

func (r *rig) compare(want map[int32][]*kgo.Record, more []kgo.Opt) {
	r.t.Helper()
	reader, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.cluster.ListenAddrs()...), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, more...)...)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	total := 0
	for _, p := range want {
		total += len(p)
	}
	got := map[int32][]*kgo.Record{}
	for n := 0; n < total; {
		f := reader.PollFetches(ctx)
		if err := f.Err(); err != nil {
			r.t.Fatal(err)
		}
		f.EachRecord(func(rec *kgo.Record) {
			got[rec.Partition] = append(got[rec.Partition], rec)
			n++
		})
	}
	for p := range want {
		if !slices.EqualFunc(got[p], want[p], func(a, b *kgo.Record) bool {
			return bytes.Equal(a.Key, b.Key) && (a.Key == nil) == (b.Key == nil) && bytes.Equal(a.Value, b.Value) &&
				slices.EqualFunc(a.Headers, b.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) })
		}) {
			r.t.Errorf("partition %d holds something else than was written", p)
		}
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func records(n int) []rdk.Record {
	out := make([]rdk.Record, n)
	for i := range out {
		out[i].Value = fmt.Append(nil, i)
	}
	return out
}

func values(n int) (out []*kgo.Record) {
	for i := range n {
		out = append(out, kgo.StringRecord(fmt.Sprint(i)))
	}
	return out
}

// refuse lets the broker answer the next produce request with a code for its partition.
func (r *rig) refuse(code int16, marks ...int32) {
	r.cluster.ControlKey(produceKey, func(q kmsg.Request) (kmsg.Response, error, bool) {
		p := q.(*kmsg.ProduceRequest)
		a := p.ResponseKind().(*kmsg.ProduceResponse)
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = p.Topics[0].Topic, p.Topics[0].TopicID
		for i := range p.Topics[0].Partitions {
			x := kmsg.NewProduceResponseTopicPartition()
			x.Partition, x.ErrorCode = p.Topics[0].Partitions[i].Partition, code
			for _, m := range marks {
				e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
				e.RelativeOffset = m
				x.ErrorRecords = append(x.ErrorRecords, e)
			}
			t.Partitions = append(t.Partitions, x)
		}
		a.Topics = append(a.Topics, t)
		return a, nil, true
	})
}

// TestTriedAgain: an error that passes, or a connection that is cut, costs nothing but
// time.
func TestTriedAgain(t *testing.T) {
	for _, err := range []*kerr.Error{nil, kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition} {
		t.Run(fmt.Sprint(err), func(t *testing.T) {
			r := newRig(t, options(), 1)
			if err != nil {
				r.refuse(err.Code)
			} else {
				r.cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("cut"), true })
			}
			r.hand(0, records(50))
			r.until("acks", r.acked(0, 50))
			if r.c.measure.retries == 0 {
				t.Error("nothing was tried again")
			}
			r.compare(map[int32][]*kgo.Record{0: values(50)}, nil)
		})
	}
}

// TestRefused: what a broker refuses for good is reported, with the records it marked, and
// nothing of that line or another is sent behind it.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		err   *kerr.Error
		marks []int32
		want  rdk.Track
	}{
		{kerr.TopicAuthorizationFailed, nil, rdk.Track{}},
		{kerr.OutOfOrderSequenceNumber, nil, rdk.Track{}},
		{kerr.MessageTooLarge, nil, rdk.Track{}},
		{kerr.InvalidRecord, []int32{3, 7}, rdk.Track{Invalids: 2, Different: 48, Invalid: []uint64{3, 7}}},
		{kerr.InvalidRecord, nil, rdk.Track{Invalids: 50}},
	} {
		t.Run(c.err.Message, func(t *testing.T) {
			r := newRig(t, options(), 2)
			r.refuse(c.err.Code, c.marks...)
			r.hand(0, records(50))
			r.until("the refusal", func() bool { return r.c.Track(0).Failed != rdk.None })
			want := c.want
			want.Err, want.Reports = int(c.err.Code), 50
			if got := r.c.Track(0); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			for line := range 2 {
				if taken, code := r.c.Produce(line, int32(line), 50*uint64(1-line), records(1)); taken != 0 || code == 0 {
					t.Errorf("line %d: %d records taken behind a failure", line, taken)
				}
			}
		})
	}
}

// TestQueueIsFull: a batch fills while the one before it is under way, and no more is taken.
func TestQueueIsFull(t *testing.T) {
	o := options()
	o.BatchRecords = 10
	r := newRig(t, o, 1)
	r.until("a producer id", func() bool { return r.c.Named() && r.c.newest.Load() != nil })
	release := make(chan struct{})
	r.cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	taken, code := r.c.Produce(0, 0, 0, records(100))
	if taken != 10 || code != rdk.ErrQueueFull {
		t.Fatalf("%d taken, code %d", taken, code)
	}
	r.c.Send()
	if taken, code = r.c.Produce(0, 0, 10, records(100)[10:]); taken != 10 || code != rdk.ErrQueueFull {
		t.Fatalf("%d taken while a batch is under way, code %d", taken, code)
	}
	close(release)
	r.until("acks", r.acked(0, 20))
}

// TestNewConnection: where a connection was idle for too long, or SASL wants to be done
// again, the next request goes over another.
func TestNewConnection(t *testing.T) {
	for name, age := range map[string]func(*conn){
		"idle":    func(c *conn) { c.used = time.Now().Add(-idleLimit) },
		"expired": func(c *conn) { c.until = time.Now().Add(-time.Second) },
		"moved":   func(c *conn) { c.address = "elsewhere:1" },
		"control": func(*conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, options(), 1)
			r.hand(0, records(1))
			r.until("an ack", r.acked(0, 1))
			n := r.c.wire.(*network)
			c := n.conns[0]
			age(c)
			r.c.Produce(0, 0, 1, records(1))
			r.c.Send()
			r.until("an ack", r.acked(0, 2))
			if other := n.conns[0] != c; other != (name != "control") || r.c.measure.retries > 0 {
				t.Errorf("another connection: %v, after %d retries", other, r.c.measure.retries)
			}
		})
	}
}

// TestSilentBroker: one that takes requests and never answers does not keep anybody: what is
// under way is given up by a purge, and Destroy returns.
func TestSilentBroker(t *testing.T) {
	r := newRig(t, options(), 1)
	r.until("a producer id", func() bool { return r.c.Named() && r.c.newest.Load() != nil })
	asked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	r.cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.SleepControl(func() { close(asked); <-release })
		return nil, nil, false
	})
	r.hand(0, records(50))
	<-asked
	r.c.Purge(false)
	if got := r.c.Track(0); got.Reports != 0 {
		t.Errorf("reported while under way: %+v", got)
	}
	r.c.Purge(true)
	if got := r.c.Track(0); got.Reports != 50 || got.Maybe != 50 || got.Failed != 0 {
		t.Errorf("given up: %+v", got)
	}
	r.until("the request's end", func() bool { return r.c.peers[0].flight == nil })
}

// TestNobodyThere: that no broker can be reached is told once, not every tenth of a second.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Brokers = []string{l.Addr().String()}
	_ = l.Close()
	c, err := New(o, []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	r := &rig{t: t, c: c}
	told := 0
	count := func() {
		events, _ := c.Events()
		for _, e := range events {
			if e.Code == errAllDown && strings.Contains(e.Text, "refused") {
				told++
			}
		}
	}
	r.until("to be told", func() bool { count(); return told > 0 })
	time.Sleep(5 * lookAgain) // more looks
	if count(); told != 1 || c.Named() {
		t.Errorf("told %d times; named: %v", told, c.Named())
	}
}

// TestNoProducerID: a refusal for good ends the client.
func TestNoProducerID(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cluster.ControlKey(int16(kmsg.InitProducerID), func(q kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		a := q.ResponseKind().(*kmsg.InitProducerIDResponse)
		a.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return a, nil, true
	})
	o := options()
	o.Brokers = cluster.ListenAddrs()
	c, err := New(o, []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	(&rig{t: t, c: c}).until("the refusal", func() bool { return c.Fatal() == int(kerr.ClusterAuthorizationFailed.Code) })
}

// TestStatistics: what requests took is told every TellEvery.
func TestStatistics(t *testing.T) {
	r := newRig(t, options(), 1)
	now := 5 * time.Second
	r.c.now = func() time.Duration { return now }
	r.hand(0, records(1))
	r.until("an ack", r.acked(0, 1))
	s, ok := r.c.Statistics()
	if !ok || s.Requests != 1 || len(s.Quantiles) != 3 {
		t.Errorf("%+v, %v", s, ok)
	}
	if _, ok := r.c.Statistics(); ok {
		t.Error("told twice")
	}
	now += 5 * time.Second
	if s, ok := r.c.Statistics(); !ok || s.Requests != 0 {
		t.Errorf("later: %+v, %v", s, ok)
	}
}

// TestNotSent: what no broker can have got is not said to be possibly written.
func TestNotSent(t *testing.T) {
	r := newRig(t, options(), 1)
	r.until("a producer id", func() bool { return r.c.Named() && r.c.newest.Load() != nil })
	r.cluster.Close()
	r.hand(0, records(50))
	r.until("a try", func() bool { return r.c.measure.retries > 0 })
	r.c.Purge(false)
	if got := r.c.Track(0); got.Reports != 50 || got.Maybe != 0 {
		t.Errorf("%+v", got)
	}
}

// TestPollEndsForARetry: nobody else wakes the engine for one.
func TestPollEndsForARetry(t *testing.T) {
	begun := time.Now()
	c := newClient(options(), []uint64{0}, nil, func() time.Duration { return time.Since(begun) })
	c.retryAt = 20 * time.Millisecond
	if c.Poll(60_000); time.Since(begun) > 30*time.Second {
		t.Error("it slept on")
	}
}
