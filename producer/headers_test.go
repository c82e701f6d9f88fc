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
	c, err := h.rings[i].Claim(count, count*(size+len(headers)))
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetHeaders(headers)
	for k := range count {
		c.Append(make([]byte, size), nil, uint32(k))
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

// stubborn takes nothing: its queue is full.
type stubborn struct {
	*reporting
	t     *testing.T
	calls int
}

func (c *stubborn) Produce(int, int32, uint64, []backend.Record, []byte) (taken, code int) {
	if c.calls++; c.calls > 100 {
		c.t.Fatal("the engine asks again and again, and does not wait")
	}
	return 0, backend.ErrQueueFull
}

// TestHeadersAndAFullQueue: what is not taken waits, though records of other headers come behind.
func TestHeadersAndAFullQueue(t *testing.T) {
	h := newHands(t, 1)
	c := &stubborn{reporting: h.c, t: t}
	h.e.client = c
	h.putWith(0, 3, 100, "a")
	h.putWith(0, 3, 100, "b")
	if h.e.step(); c.calls != 1 {
		t.Errorf("%d calls in a step, want 1", c.calls)
	}
}

// TestHeadersCount: for the topic's limit a record has the size of its value and its headers,
// wherever in a batch it lies; and so it has for what a refusal teaches.
func TestHeadersCount(t *testing.T) {
	headers := shard.AppendHeader(shard.AppendHeaderCount(nil, 1), "h", make([]byte, 50))
	for _, lead := range []int{0, 1, 2} { // records before it in its batch
		h := newHands(t, 1)
		h.topic.Limit = 200_000
		most := h.topic.recordMax() - len(headers)
		c, err := h.rings[0].Claim(lead+2, lead*10+most+most+1+(lead+2)*len(headers))
		if err != nil {
			t.Fatal(err)
		}
		c.SetHeaders(headers)
		for i := range lead {
			c.Append(make([]byte, 10), nil, uint32(i))
		}
		c.Append(make([]byte, most), nil, 7)
		c.Append(make([]byte, most+1), nil, 8)
		c.Publish()
		if steps(h.e, 3); !slices.Equal(h.refused, []uint64{8}) || len(h.c.values) != lead+1 {
			t.Errorf("behind %d others: refused %v, want the one that is too large; %d handed over", lead, h.refused, len(h.c.values))
		}
		record, all := h.e.streams[0].sizes(uint64(lead))
		if want := most + len(headers); record != want || all != want {
			t.Errorf("behind %d others: sizes %d and %d, want %d", lead, record, all, want)
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
