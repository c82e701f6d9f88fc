package producer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// putWith publishes a batch of records of size bytes, each with a header of that value; "": none.
func (h *hands) putWith(i, count, size int, header string) {
	h.t.Helper()
	var headers []byte
	if header != "" {
		headers = shard.AppendHeader(shard.AppendHeaderCount(nil, 1), "h", header)
	}
	c, err := h.rings[i].Claim(count, count*size+shard.HeadersBytes(len(headers)))
	if err != nil {
		h.t.Fatal(err)
	}
	for k := range count {
		c.Append(make([]byte, size), nil, uint32(k))
	}
	if headers != nil {
		c.AppendHeaders(headers)
	}
	c.Publish()
}

// TestHeadersGoWithTheirRecords: records of several batches are handed over together, each with the
// headers of its own; after a failure as before it.
func TestHeadersGoWithTheirRecords(t *testing.T) {
	h := newHands(t, 1)
	var want []string
	for n := range 20 {
		header := fmt.Sprint(n)
		if n%3 == 0 {
			header = ""
		}
		h.putWith(0, 1+n%4, 100, header)
		for range 1 + n%4 {
			if header == "" {
				want = append(want, "")
			} else {
				want = append(want, fmt.Sprintf("\x02\x02h%c%s", 2*len(header), header))
			}
		}
	}
	h.c.most, h.c.code = 7, backend.ErrQueueFull
	for range 20 {
		h.e.step()
	}
	if !slices.Equal(h.c.headers, want) {
		t.Errorf("handed over with %q, want %q", h.c.headers, want)
	}
	h.c.progress[0].Acked = 5
	h.e.step()
	h.c.fails(0, 44, backend.Progress{})
	h.c.progress[0].Acked, h.c.progress[0].Failed = 5, 5
	h.renewed()
	if steps(h.e, 3); !slices.Equal(h.c.headers, want[5:]) {
		t.Errorf("handed over again with %q, want %q", h.c.headers, want[5:])
	}
}

// TestHeadersCount: for the topic's limit a record has the size of its value and its headers,
// wherever in a batch it lies; and so it has for what a refusal teaches.
func TestHeadersCount(t *testing.T) {
	const headers = len("\x02\x02h\x64") + 50
	header := string(make([]byte, 50))
	for _, lead := range []int{0, 1} { // records before it in its batch
		for _, over := range []int{0, 1} {
			h := newHands(t, 1)
			h.topic.Limit = 200_000
			n := h.topic.recordMax() - headers + over
			h.putWith(0, lead+1, n, header)
			if steps(h.e, 3); len(h.refused) != over*(lead+1) || len(h.c.values) != (1-over)*(lead+1) {
				t.Errorf("%d over the limit: %d refused, %d handed over", over, len(h.refused), len(h.c.values))
			}
			if record, all := h.e.streams[0].sizes(0); over == 0 && (record != n+headers || all != (lead+1)*(n+headers)) {
				t.Errorf("sizes %d and %d, want %d each", record, all, n+headers)
			}
		}
	}
}

// TestHeadersAtTheLimit: whoever writes, a topic takes the largest record that is let in with its
// headers, whether its own limit or --max-record-bytes is the lower one, and batches of many.
func TestHeadersAtTheLimit(t *testing.T) {
	for limit, refused := range map[string]uint64{"20000": 1, "": 0} {
		eachWriter(t, func(t *testing.T, writes func(*Options)) {
			o := Options{}
			writes(&o)
			w, c, rings := fakeWriter(t, o, 1)
			if limit != "" {
				limitTopic(t, c, limit)
			}
			if err := w.Check(minute(t)); err != nil {
				t.Fatal(err)
			}
			h := &hands{t: t, rings: rings}
			header := strings.Repeat("h", 3000)
			headers := len(shard.AppendHeader(shard.AppendHeaderCount(nil, 1), "h", header))
			h.putWith(0, 2, w.RecordLimit()-headers, header)
			for n := range 60 {
				h.putWith(0, 5, 100, header[:50*n])
			}
			if refused > 0 {
				h.putWith(0, 1, w.RecordLimit()-headers+1, header)
			}
			w.Start()
			until(t, "everything", func() bool { s := w.Stats(); return s.Delivered == 2+60*5 && s.Refused == refused })
			if n := w.Stats().Rebuilds; n > 0 {
				t.Errorf("%d instances were made anew", n)
			}
		})
	}
}

// limitTopic sets max.message.bytes of topic records.
func limitTopic(t *testing.T, c *kfake.Cluster, limit string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	setting.Name, setting.Value = "max.message.bytes", &limit
	topic := kmsg.NewIncrementalAlterConfigsRequestResource()
	topic.ResourceType, topic.ResourceName = kmsg.ConfigResourceTypeTopic, "records"
	topic.Configs = append(topic.Configs, setting)
	q := kmsg.NewPtrIncrementalAlterConfigsRequest()
	q.Resources = append(q.Resources, topic)
	if a, err := q.RequestWith(t.Context(), client); err != nil || a.Resources[0].ErrorCode != 0 {
		t.Fatalf("%v, %+v", err, a)
	}
}
