package native

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/backend"
)

// FuzzMetadata: whatever a broker says of a topic, there is a view of it, of bounded size, that
// can be asked for any partition.
func FuzzMetadata(f *testing.F) {
	for _, version := range []int16{1, 8} { // kmsg believes the number of tags, which later ones have
		r := kmsg.NewPtrMetadataResponse()
		r.Version = version
		r.Brokers = append(r.Brokers, kmsg.NewMetadataResponseBroker())
		t := kmsg.NewMetadataResponseTopic()
		t.Topic = kmsg.StringPtr("t")
		t.Partitions = append(t.Partitions, kmsg.NewMetadataResponseTopicPartition())
		r.Topics = append(r.Topics, t)
		f.Add(version, r.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, version int16, b []byte) {
		r := kmsg.NewPtrMetadataResponse()
		r.Version = max(1, min(version, 8))
		if r.ReadFrom(b) != nil {
			return
		}
		md := newMetadata(r, "t")
		if len(md.leaders) > partitionsMax {
			t.Fatalf("%d partitions", len(md.leaders))
		}
		old := newMetadata(r, "t")
		md.retainNewerLeaders(old)
		md.leader(int32(len(md.leaders)))
	})
}

// FuzzResponse: whatever a broker answers to a produce request, nothing is acked that it does not
// call written, and the client is left in a state that it can go on from.
func FuzzResponse(f *testing.F) {
	good := kmsg.NewPtrProduceResponse()
	good.Version = 12
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "t"
	for i := range int32(2) {
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition = i
		p.ErrorRecords = append(p.ErrorRecords, kmsg.NewProduceResponseTopicPartitionErrorRecord())
		topic.Partitions = append(topic.Partitions, p)
	}
	good.Topics = append(good.Topics, topic)
	for version := int16(produceMin); version <= produceMax; version++ {
		good.Version = version
		f.Add(version, headed(version, good.AppendTo(nil)))
	}
	f.Fuzz(func(t *testing.T, version int16, b []byte) {
		r := kmsg.NewPtrProduceResponse()
		r.Version = max(produceMin, min(version, produceMax))
		if readResponse(r, b) != nil {
			return
		}
		called := map[int32]bool{}
		for _, topic := range r.Topics {
			for _, p := range topic.Partitions {
				called[p.Partition] = called[p.Partition] || classify(p.ErrorCode).kind == codeWritten
			}
		}
		w := &withheld{}
		c := newClient(options(), []uint64{0, 0}, w, func() time.Duration { return 0 })
		c.id.Store(&producerID{7, 0})
		c.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1"}, leaders: []leader{{0, -1}, {0, -1}}})
		for stream := range 2 {
			c.Produce(stream, int32(stream), 0, records(3), nil)
		}
		c.Send()
		w.answered(r, nil)
		c.Poll(0)
		for stream := range 2 {
			track := c.Progress(stream)
			if track.Acked > 0 && !called[int32(stream)] {
				t.Fatalf("stream %d is acked, and nobody called it written", stream)
			}
			if track.Reports > 3 || track.Acked > 0 && track.Failed != backend.None {
				t.Fatalf("stream %d: %+v", stream, track)
			}
			for _, n := range track.Invalid {
				if n >= 3 {
					t.Fatalf("record %d is marked, of 3", n)
				}
			}
		}
		c.Purge(true)
		if got := c.Progress(0).Reports + c.Progress(1).Reports; got != 6 {
			t.Fatalf("%d reports of 6 records", got)
		}
	})
}

// headed puts the tags of a response's header before it.
func headed(version int16, body []byte) []byte {
	if flexible(version) {
		return append([]byte{0}, body...)
	}
	return body
}

// TestResponse: what is read is what kmsg reads.
func TestResponse(t *testing.T) {
	for version := int16(produceMin); version <= produceMax; version++ {
		want := kmsg.NewPtrProduceResponse()
		want.Version, want.ThrottleMillis = version, 77
		for i := range 2 {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = "t", [16]byte{1, 2, byte(i)}
			for j := range int32(3) {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = j, int16(j), 5, 6, 7
				for k := range int32(i) {
					e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
					e.RelativeOffset, e.ErrorMessage = k, kmsg.StringPtr("wrong")
					p.ErrorRecords = append(p.ErrorRecords, e)
				}
				p.ErrorMessage = kmsg.StringPtr("why")
				p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 3, 4 // a tag
				topic.Partitions = append(topic.Partitions, p)
			}
			want.Topics = append(want.Topics, topic)
		}
		body := headed(version, want.AppendTo(nil))
		got := kmsg.NewPtrProduceResponse()
		got.Version = version
		if err := readResponse(got, body); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		again := kmsg.NewPtrProduceResponse()
		again.Version = version
		if err := again.ReadFrom(body[len(body)-len(want.AppendTo(nil)):]); err != nil {
			t.Fatal(err)
		}
		if said(again) != said(got) {
			t.Fatalf("version %d:\n%s\n%s", version, said(again), said(got))
		}
		for cut := range body {
			short := kmsg.NewPtrProduceResponse()
			short.Version = version
			if readResponse(short, body[:cut]) == nil {
				t.Fatalf("version %d: %d of %d bytes are taken for a response", version, cut, len(body))
			}
		}
	}
}

// said is what a response says that anybody here looks at.
func said(r *kmsg.ProduceResponse) string {
	var b strings.Builder
	for _, t := range r.Topics {
		fmt.Fprintln(&b, t.Topic, t.TopicID)
		for _, p := range t.Partitions {
			fmt.Fprint(&b, p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime)
			for _, e := range p.ErrorRecords {
				fmt.Fprint(&b, e.RelativeOffset, *e.ErrorMessage)
			}
			if p.ErrorMessage != nil {
				fmt.Fprint(&b, *p.ErrorMessage)
			}
			fmt.Fprintln(&b)
		}
	}
	fmt.Fprint(&b, r.ThrottleMillis)
	return b.String()
}

// withheld is a wire that keeps the last request.
type withheld struct {
	late
	answered func(*kmsg.ProduceResponse, error)
}

func (w *withheld) produce(_ int32, _ string, _ *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	w.answered = answered
	return func() {}
}

// FuzzBroker: whatever bytes come from a broker, being let in and a produce request end, with
// an error or an answer.
func FuzzBroker(f *testing.F) {
	frame := func(correlation uint32, r kmsg.Response) []byte {
		b := binary.BigEndian.AppendUint32(make([]byte, 4), correlation)
		b = r.AppendTo(b)
		binary.BigEndian.PutUint32(b, uint32(len(b)-4))
		return b
	}
	versions := kmsg.NewPtrApiVersionsResponse()
	k := kmsg.NewApiVersionsResponseApiKey()
	k.MinVersion, k.MaxVersion = 3, 8
	versions.ApiKeys = append(versions.ApiKeys, k)
	produce := kmsg.NewPtrProduceResponse()
	produce.Version = 8
	f.Add(append(frame(1, versions), frame(2, produce)...))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := net.Pipe()
		var broker sync.WaitGroup
		broker.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
		broker.Go(func() { _, _ = theirs.Write(b); _ = theirs.Close() })
		c := &conn{nc: ours, r: bufio.NewReader(ours), address: "a:1"}
		o := options()
		if err := c.handshake(t.Context(), o); err == nil {
			q := &produceRequest{topic: "t", timeout: time.Second, batches: []requestBatch{{data: chunks{make([]byte, headerBytes)}, bytes: headerBytes}}}
			_, _ = c.produce(t.Context(), q, o)
		}
		_ = ours.Close()
		broker.Wait()
	})
}
