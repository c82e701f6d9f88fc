package node

import (
	"io"
	"log"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/httpd"
	"github.com/ringtail/ringtail/internal/verdict"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
)

// hostile is what somebody may send, or name himself, who would like to run a script in the page.
const hostile = `<img src=x onerror="document.title='run'"><script>document.title='run'</script>`

// fake is a node as its page sees it. Its figures are what a test sets.
type fake struct {
	events *events

	mu          sync.Mutex
	now         status
	connections []server.Connection
}

// newFake is in trouble: shard 3 does not get its records into Kafka, and clients send all kinds.
func newFake() *fake {
	f := &fake{now: troubled(time.Now())}
	for i := range 25 {
		f.connections = append(f.connections, server.Connection{
			ID: uint64(i + 1), Remote: "10.0.0." + strconv.Itoa(i+1) + ":4711", Listener: "tcp://127.0.0.1:8888", Since: time.Now().Add(-time.Hour),
			State: "reading", Records: 1000, Bytes: 220_000, Rate: float64(100 - i),
		})
	}
	f.connections[1].State, f.connections[1].Ring, f.connections[1].Name = "room", "3", hostile
	f.events = newEvents(func() any { return f.status() }, func() any { return f.history() }, f.look)
	return f
}

func (f *fake) status() status {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.now
	st.Uptime = time.Since(st.Started).Seconds()
	return st
}

// set changes the figures, and sends them to all readers.
func (f *fake) set(change func(*status)) {
	f.mu.Lock()
	change(&f.now)
	f.mu.Unlock()
	f.events.publish()
}

func (f *fake) history() history {
	h := history{Marks: f.status().Marks}
	for i := range 600 {
		wave := 1000 * (2 + math.Sin(float64(i)/40))
		p50, p99 := wave/1e6, wave/1e5
		h.At = append(h.At, time.Now().Unix()-600+int64(i))
		h.Received, h.Acked, h.Rejected = append(h.Received, wave), append(h.Acked, wave-10), append(h.Rejected, wave/100)
		h.Waiting, h.Oldest = append(h.Waiting, int(wave)*100), append(h.Oldest, wave/1e4)
		if i > 100 {
			h.P50, h.P99 = append(h.P50, &p50), append(h.P99, &p99)
		} else {
			h.P50, h.P99 = append(h.P50, nil), append(h.P99, nil)
		}
	}
	return h
}

func (f *fake) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", servePage)
	mux.HandleFunc("GET /events", f.events.serve)
	mux.HandleFunc("GET /connections", f.events.serveConnections)
	return mux
}

// look returns the connections that are asked for.
func (f *fake) look(q server.ConnectionQuery) connections {
	c := connections{Open: len(f.connections), Limit: 10_000, Connections: []server.Connection{}}
	for _, one := range f.connections {
		if (q.ID == 0 || q.ID == one.ID) && strings.Contains(one.Remote, q.Search) && len(c.Connections) < q.Limit {
			c.Connections = append(c.Connections, one)
		}
	}
	return c
}

// serve serves the page at an address until the returned function is called, and looks often.
func (f *fake) serve(t *testing.T, address string) (url string, end func()) {
	t.Helper()
	s, err := httpd.Serve(httpd.Options{Address: address, ErrorLog: log.New(io.Discard, "", 0)}, f.mux())
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				f.events.publish()
			}
		}
	}()
	end = sync.OnceFunc(func() {
		close(stop)
		<-done
		s.Close()
	})
	t.Cleanup(end)
	return s.URL() + "/", end
}

func troubled(now time.Time) status {
	full := 38.4
	st := status{
		Verdict: verdict.Verdict{
			State: verdict.Stuck, Text: "STUCK: partition 3 since 4 min: NOT_ENOUGH_REPLICAS", Since: now.Add(-4 * time.Minute),
			Advice: "bring back the brokers that hold partition 3's replicas", FullIn: &full, Waiting: 3, Connections: 200,
			Stages: map[string]float64{"socket": .02, "parse": .01, "ring": .1, "writer": .05, "broker": .82},
		},
		Version: "1.2.3", Host: "gate-7", PID: 4711, Started: now.Add(-26 * time.Hour), Reason: "partition 3", Sink: SinkKafka, Topic: "records",
		Brokers: "k1:9092,k2:9092", Writer: "native", WriterReason: "all properties are known to it", Listen: []string{"tcp://127.0.0.1:8888"},
		Process: processStatus{CPU: .42, Memory: 240 << 20, Descriptors: 231, DescriptorsMax: 1 << 20, Goroutines: 37},
		Rates:   rates{Received: 15_000, Acked: 14_000, Rejected: 12, Bytes: 3.3e6}, Delivery: &quantiles{.0021, .0149},
		Server: server.Stats{
			Received: 1_234_567, Rejected: map[string]uint64{"bad_json": 1200, "missing_field": 34, "too_deep": 0}, Bytes: 271_604_740,
			Connections: 200, Opened: 512, Refused: map[string]uint64{"limit": 2}, Closed: map[string]uint64{"eof": 300, "idle": 10}, Waiting: 3, WaitingForMemory: 1, ConnectionsMax: 10_000,
			Clients: []server.Client{{Name: hostile, Connections: 1, Records: 5, Bytes: 1100}},
		},
		Listeners: []server.ListenerStats{{Listener: "tcp://127.0.0.1:8888", Connections: 200, Opened: 512, Records: 1_234_567, Bytes: 271_604_740}},
		Rejects: []server.RejectSample{
			{Reason: "bad_json", Count: 1200, At: now.Add(-3 * time.Second), Remote: "10.0.0.7:4711", Listener: "tcp://127.0.0.1:8888", Bytes: 91, Sample: hostile},
		},
		Kafka: kafkaStatus{
			Delivered: 1_200_345,
			Brokers: []brokerStatus{
				{ID: 1, Address: "k1:9092", State: "up", Requests: 7000, P50: .001, P99: .007, UnderWay: 1, Oldest: .002, Share: .7},
				{ID: 2, Address: "k2:9092", State: "down", Requests: 6000, P50: .002, P99: .01, Share: .12, LastError: &producer.Trouble{At: now.Add(-12 * time.Second), Text: hostile}},
			},
			Topics: []producer.TopicInsight{{Name: "records", Partitions: 10, Replicas: 3, MinInSyncReplicas: 2, BelowMin: []int32{3}, Shrunk: []int32{3, 4}, RecordLimit: 1 << 20}},
		},
		Warnings: []producer.Trouble{{At: now.Add(-time.Minute), Text: "first"}, {At: now.Add(-5 * time.Second), Text: "a record was rejected sample=" + hostile}},
		Config:   map[string]string{"topic": "records", "dead-letter-topic": "letters", "kafka-property": "sasl.password=[hidden]"},
	}
	st.Marks = []mark{{now.Unix() - 300, "leader of partition 3: 1 -> 2"}}
	for i := range 10 {
		st.Rings = append(st.Rings, ringStatus{
			Name: strconv.Itoa(i), Records: uint64(20 + i), Used: 100_000 * (i + 1), Capacity: 4 << 20, In: 1500, Out: 1500, Oldest: .002, Partition: int32(i), Leader: 1, State: "running",
		})
	}
	st.Rings[3] = ringStatus{
		Name: "3", Records: 20_000, Used: 3_600_000, Capacity: 4 << 20, In: 1500, Oldest: 245, Partition: 3, Leader: -1, State: "settling", FullIn: &full,
		LastError: &producer.Trouble{At: now.Add(-2 * time.Second), Text: "NOT_ENOUGH_REPLICAS"},
	}
	return st
}
