package soak

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const testTopic = "records"

// newKafka is a broker in this process, and a client that writes to it.
func newKafka(t *testing.T) (*kgo.Client, []kgo.Opt) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(testShards, testTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	options := []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}
	client, err := kgo.NewClient(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, options
}

func produce(t *testing.T, kafka *kgo.Client, maker *Maker, from, to uint64) {
	t.Helper()
	var records []*kgo.Record
	for seq := from; seq <= to; seq++ {
		records = append(records, &kgo.Record{
			Topic: testTopic, Partition: int32(maker.Shard(0, seq, testShards)), Value: maker.Append(nil, ID{0, seq, 1}),
		})
	}
	if err := kafka.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not true after a minute: %s", what)
		}
	}
}

// TestReaderAndAudit read along, and see an ack that is not true.
func TestReaderAndAudit(t *testing.T) {
	kafka, options := newKafka(t)
	maker := NewMaker(7)
	checker := NewChecker(maker, 1, testShards, func(int) (uint64, uint32) { return 1000, 1 })
	reader, err := Read(t.Context(), options, testTopic, testShards, checker)
	if err != nil {
		t.Fatal(err)
	}
	fleet := &Fleet{clients: []*client{{}}}
	auditor := &Auditor{fleet: fleet, reader: reader, checker: checker}
	for upto := uint64(100); upto <= 300; upto += 100 {
		produce(t, kafka, maker, upto-99, upto)
		fleet.clients[0].acked.Store(upto)
		if !auditor.Once(t.Context()) {
			t.Fatal("no audit")
		}
		if v := checker.Verdict(); v.Err() != nil || v.First != int64(upto) {
			t.Fatalf("%d records, and the checker says: %s", upto, v.String())
		}
	}
	fleet.clients[0].acked.Store(301)
	if !auditor.Once(t.Context()) || checker.Verdict().FalseAcks != 1 || auditor.Audits() != 4 {
		v := checker.Verdict()
		t.Fatalf("after %d audits the checker says: %s", auditor.Audits(), v.String())
	}
}

// TestReaderThatIsLeftBehind: what the topic has forgotten unread is no small
// matter.
func TestReaderThatIsLeftBehind(t *testing.T) {
	kafka, options := newKafka(t)
	maker := NewMaker(7)
	produce(t, kafka, maker, 1, 1000)
	admin := kadm.NewClient(kafka)
	forget := kadm.Offsets{}
	forget.Add(kadm.Offset{Topic: testTopic, Partition: 3, At: 5})
	if _, err := admin.DeleteRecords(t.Context(), forget); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	checker := NewChecker(maker, 1, testShards, func(int) (uint64, uint32) { return 1000, 1 })
	reader, err := Read(ctx, options, testTopic, testShards, checker)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the reader says so", func() bool { return reader.Err() != nil })
	if text := reader.Err().Error(); !strings.Contains(text, testTopic) {
		t.Error(text)
	}
}
