package kafkatools

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestTopicMadeAgainWhileRead: a reader goes on in the new topic, from its first record, and says that
// the one before is gone.
func TestTopicMadeAgainWhileRead(t *testing.T) {
	for _, group := range []string{"", "g"} {
		t.Run("group "+group, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			var out, told said
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				ended <- Consume(ctx, b.Cluster, ConsumeOptions{Topics: config.List{"t"}, Group: group, From: "end", Partition: -1, Format: "value"}, Streams{Out: &out, Err: &told})
			}()
			lines := func() int { return strings.Count(out.String(), "\n") }
			eventually(t, "the first topic is read", func() bool { b.write(0, 10); return lines() > 0 })
			b.remake()
			b.write(0, 30)
			eventually(t, "the second topic is read", func() bool { return strings.HasSuffix(out.String(), "{\"n\":28}\n{\"n\":29}\n") })
			if !strings.Contains(out.String(), "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n{\"n\":6}\n{\"n\":7}\n{\"n\":8}\n{\"n\":9}\n{\"n\":10}\n") {
				t.Errorf("the first of the second are not in %s", out.String())
			}
			cancel()
			if err := <-ended; err == nil || !strings.Contains(err.Error(), "topic t: 1 position behind the end") {
				t.Errorf("it ends with %v", err)
			}
			if strings.Count(told.String(), " is behind the partition's end: the topic was truncated or made again; reading goes on at offset 0\n") != 1 {
				t.Errorf("it says %q", told.String())
			}
			if got := b.committed("g"); group != "" && got != 30 {
				t.Errorf("%d is committed", got)
			}
		})
	}
}

// TestTopicDeletedWhileRead: a reader ends, and commits nothing.
func TestTopicDeletedWhileRead(t *testing.T) {
	for name, o := range map[string]ConsumeOptions{"no group": {}, "a group": {Group: "g"}, "until the end": {UntilEnd: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.write(0, 20_000)
			reader, writer := io.Pipe() // it waits, and has not got to the end
			o.Topics, o.From, o.Partition, o.Format = config.List{"t"}, "beginning", -1, "value"
			b.Properties = map[string]string{"max.partition.fetch.bytes": "1000"}
			ended := make(chan error, 1)
			go func() {
				ended <- Consume(context.Background(), b.Cluster, o, Streams{Out: writer, Err: &said{}})
				_ = writer.Close()
			}()
			_, err := io.ReadFull(reader, make([]byte, 1))
			b.check(err)
			_, err = b.admin.DeleteTopic(context.Background(), "t")
			b.check(err)
			_, err = io.Copy(io.Discard, reader)
			b.check(err)
			if err := <-ended; err == nil || !strings.Contains(err.Error(), "topic t was deleted while it was read") {
				t.Errorf("it ends with %v", err)
			}
			if got := b.committed("g"); got > 0 {
				t.Errorf("%d is committed", got)
			}
		})
	}
}

// TestBrokerAway: a reader and a writer say that a broker is away, where it is and why, and go on when
// it is there again.
func TestBrokerAway(t *testing.T) {
	for verb, run := range map[string]func(ctx context.Context, c Cluster, s Streams) error{
		"consume": func(ctx context.Context, c Cluster, s Streams) error {
			return Consume(ctx, c, ConsumeOptions{Topics: config.List{"t"}, From: "end", Partition: -1, Format: "value"}, s)
		},
		"produce": func(ctx context.Context, c Cluster, s Streams) error {
			return Produce(ctx, c, ProduceOptions{Topic: "t", Generate: "stream", Rate: 100, Partition: -1}, s)
		},
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			link, listen := kafkatest.Front(t)
			kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.ListenFn(listen))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(kafka.Close)
			address := kafka.ListenAddrs()[0]
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			asked, begun := Asking(ctx)
			var told said
			ended := make(chan error, 1)
			go func() { ended <- run(asked, Cluster{Brokers: address}, Streams{Out: io.Discard, Err: &told}) }()
			eventually(t, "it has begun", begun)
			link.Cut()
			eventually(t, "it says why", func() bool {
				return strings.Contains(told.String(), address+": ") && strings.Contains(told.String(), "; trying on\n")
			})
			link.Heal()
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

// TestBrokersAway: one that is there again is no trouble any more; one that refuses us for good is
// hopeless.
func TestBrokersAway(t *testing.T) {
	b := newBrokers(Cluster{})
	one, two := kgo.BrokerMetadata{NodeID: 1, Host: "a", Port: 1}, kgo.BrokerMetadata{NodeID: 2, Host: "b", Port: 2}
	b.OnBrokerConnect(one, 0, nil, io.EOF)
	b.OnBrokerConnect(two, 0, nil, kerr.SaslAuthenticationFailed)
	if err := b.trouble(); !errors.Is(err, io.EOF) || !strings.HasPrefix(err.Error(), "broker 1 at a:1: ") {
		t.Errorf("the trouble is %v", err)
	}
	if err := b.hopeless(); !errors.Is(err, kerr.SaslAuthenticationFailed) || !strings.HasPrefix(err.Error(), "broker 2 at b:2: ") {
		t.Errorf("hopeless is %v", err)
	}
	b.OnBrokerConnect(kgo.BrokerMetadata{NodeID: -1, Host: "a", Port: 1}, 0, nil, io.EOF) // as --brokers has it
	if err := b.trouble(); strings.Count(err.Error(), "a:1: ") != 1 || strings.Count(err.Error(), "broker 2 at b:2: ") != 1 {
		t.Errorf("the trouble is %v", err)
	}
	b.OnBrokerConnect(one, 0, nil, nil)
	b.OnBrokerConnect(two, 0, nil, nil)
	if err := errors.Join(b.trouble(), b.hopeless()); err != nil {
		t.Errorf("both are there, and it says %v", err)
	}
}

// TestTroubleOnce: a trouble is told once, however long it lasts; another one, or one that was away,
// is told too.
func TestTroubleOnce(t *testing.T) {
	var told said
	p := newProgress(Streams{Err: &told}, "read", endless)
	later := func(by time.Duration) { // as if that time had passed
		p.said = p.said.Add(-by)
		for text := range p.told {
			p.told[text] = p.told[text].Add(-by)
		}
	}
	for range 30 {
		p.trouble(io.EOF)
		later(toldAgain / 2)
	}
	p.trouble(io.ErrUnexpectedEOF)
	p.trouble(io.ErrNoProgress) // so soon after another: later
	later(sayEvery)
	p.trouble(io.ErrNoProgress)
	later(2 * toldAgain)
	p.trouble(io.EOF)
	want := ""
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrNoProgress, io.EOF} {
		want += "ringtail: " + err.Error() + "; trying on\n"
	}
	if told.String() != want {
		t.Errorf("told %q, want %q", told.String(), want)
	}
}
