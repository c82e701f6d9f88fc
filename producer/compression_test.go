package producer

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// codecs by the number that a batch's attributes have for them.
var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// TestCompression: Kafka takes every codec from either writer, another client reads it, and the
// log has it: a writer that forgot to compress would pass for one that does not.
func TestCompression(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{})
	eachWriter(t, func(t *testing.T, writes func(*Options)) {
		for number, codec := range codecs {
			t.Run(codec, func(t *testing.T) {
				c.CreateTopic("records", shards, 1, nil)
				defer c.DeleteTopic("records")
				r := newRig(t, c.Bootstrap(), "records", "", 1<<20, writes, func(o *Options) {
					o.Properties = map[string]string{"compression.type": codec}
				})
				const records = 2000
				for i := range shards {
					r.push(i, records, r.size)
				}
				r.drain()
				for p, numbers := range readBack(t, c, "records") {
					if extra := inOrder(t, int(p), numbers, all, records); extra > 0 {
						t.Errorf("partition %d: %d records twice", p, extra)
					}
				}
				for p := range shards {
					n, bytes := 0, 0
					for _, b := range batches(t, c, "records", p) {
						if got := int(b.Attributes & 7); got != number {
							t.Errorf("partition %d: the batch at %d says codec %d, want %d", p, b.FirstOffset, got, number)
						}
						n, bytes = n+int(b.NumRecords), bytes+len(b.Records)
					}
					plain := records * r.size
					if small := bytes < plain/2; n != records || small != (number > 0) {
						t.Errorf("partition %d: %d records in %d bytes, want %d records; they are %d bytes", p, n, bytes, records, plain)
					}
				}
			})
		}
	})
}

// batches are a partition's record batches as the broker has them.
func batches(t *testing.T, c *kafkatest.Cluster, topic string, partition int) (all []kmsg.RecordBatch) {
	t.Helper()
	// Later versions name topics by id.
	cl := c.Client(t, kgo.MaxVersions(kversion.V2_8_0()))
	for offset, end := int64(0), int64(1); offset < end; {
		request := kmsg.NewPtrFetchRequest()
		request.MaxBytes = 64 << 20
		wanted := kmsg.NewFetchRequestTopic()
		wanted.Topic = topic
		wantedPartition := kmsg.NewFetchRequestTopicPartition()
		wantedPartition.Partition, wantedPartition.FetchOffset, wantedPartition.PartitionMaxBytes = int32(partition), offset, 16<<20
		wanted.Partitions = append(wanted.Partitions, wantedPartition)
		request.Topics = append(request.Topics, wanted)
		answer, err := cl.Broker(c.Leader(topic, partition)).Request(context.Background(), request)
		if err != nil {
			t.Fatal(err)
		}
		got := answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
			t.Fatal(err)
		}
		end = got.HighWatermark
		for raw := got.RecordBatches; len(raw) > 0; {
			var b kmsg.RecordBatch
			if err := b.ReadFrom(raw); err != nil {
				t.Fatal(fmt.Errorf("partition %d, offset %d: %w", partition, offset, err))
			}
			all, offset, raw = append(all, b), b.FirstOffset+int64(b.LastOffsetDelta)+1, raw[12+b.Length:]
		}
	}
	return all
}
