//go:build cgo

package librdkafka

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// telling is a client that tells what statistics and log lines say, without a librdkafka.
func telling() (*Client, *backend.Insight) {
	in := backend.NewInsight(1)
	c := &Client{topic: "t"}
	c.Tell(in)
	return c, in
}

func (c *Client) takeText(t *testing.T, text string) {
	t.Helper()
	var s statistics
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	c.take(&s)
}

// TestStatistics: of each broker that has an id, its requests, spread by their quantiles; of all of
// them together, the tries.
func TestStatistics(t *testing.T) {
	c, in := telling()
	in.SetMetadata(&backend.Metadata{At: time.Now(), Partitions: make([]backend.Partition, 2)})
	c.takeText(t, `{"brokers": {
		"a:1/1": {"nodeid": 1, "nodename": "a:1", "state": "UP", "rx": 3, "txretries": 3, "waitresp_cnt": 1, "txidle": 700000, "throttle": {"sum": 300},
			"rtt": {"sum": 5000, "cnt": 10, "avg": 500, "p50": 100, "p75": 300, "p90": 900, "p95": 950, "p99": 2000, "max": 3000}},
		"b:1/2": {"nodeid": 2, "nodename": "b:1", "state": "CONNECT", "connects": 1, "txretries": 4, "waitresp_cnt": 2, "txidle": 7000000},
		"c:1/bootstrap": {"nodeid": -1, "nodename": "c:1", "state": "UP", "txretries": 1}},
		"topics": {"t": {"partitions": {"0": {"partition": 0, "leader": 2}, "1": {"partition": 1, "leader": -1}, "-1": {"partition": -1, "leader": 9}}},
			"other": {"partitions": {"0": {"partition": 0, "leader": 7}}}}}`)
	if c.retries != 8 {
		t.Errorf("%d tries", c.retries)
	}
	if all := in.Brokers(); len(all) != 2 || all[0].Address() != "a:1" {
		t.Errorf("%d brokers", len(all))
	}
	buckets := make([]uint64, len(backend.RequestBounds)+1)
	n, sum := in.Broker(1).Requests.Snapshot(buckets)
	if p50, p99 := in.Broker(1).Requests.Recent(); n != 10 || sum != 5*time.Millisecond || buckets[0] != 8 || buckets[1] != 2 || p50 != 100*time.Microsecond || p99 != 2*time.Millisecond {
		t.Errorf("%d requests of %v, %v; %v and %v", n, sum, buckets, p50, p99)
	}
	if got := in.Broker(1).Throttled(); got != 300*time.Millisecond {
		t.Errorf("throttled for %v", got)
	}
	for id, want := range map[int32]struct {
		n      int
		oldest time.Duration
	}{1: {1, 0}, 2: {2, 7 * time.Second}} { // the first has just been sent, and may end until the next statistics
		if n, oldest := in.Broker(id).UnderWay(); n != want.n || oldest < want.oldest || oldest > want.oldest+time.Minute || want.oldest == 0 && oldest != 0 {
			t.Errorf("broker %d: %d under way, for %v", id, n, oldest)
		}
	}
	if md := in.Metadata(); md.Leader(0) != 2 || md.Leader(1) != -1 {
		t.Errorf("%+v", md)
	}
}

// TestStateOfBrokers: a broker is up when it answers, and not because it is connected; one that
// nobody needs is not down.
func TestStateOfBrokers(t *testing.T) {
	c, in := telling()
	b := in.Broker(1)
	for i, step := range []struct {
		statistics string
		down       bool // before them
		want       backend.BrokerState
	}{
		{`"state": "CONNECT", "connects": 1`, false, backend.BrokerConnecting},
		{`"state": "UP", "connects": 1, "rx": 1`, false, backend.BrokerUp},
		{`"state": "UP", "connects": 1, "rx": 1`, true, backend.BrokerDown},
		{`"state": "UP", "connects": 1, "rx": 2`, true, backend.BrokerUp},
		{`"state": "INIT", "connects": 1, "rx": 2`, false, backend.BrokerIdle},
		{`"state": "TRY_CONNECT", "connects": 4, "rx": 2`, true, backend.BrokerDown},
	} {
		if step.down {
			b.Down("refused")
		}
		c.takeText(t, `{"brokers": {"a:1/1": {"nodeid": 1, "nodename": "a:1", `+step.statistics+`}}}`)
		if got, _, _ := b.State(); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

// TestShare: the brokers' share of the time is what requests wait and travel, against what records
// wait before; all of it while a broker throttles, and as long as it wants no requests after that;
// and the last that is known while nothing is sent.
func TestShare(t *testing.T) {
	c, _ := telling()
	if got, ok := c.BrokerShare(); got != 1 || !ok {
		t.Errorf("%v %v before anything is known", got, ok)
	}
	for i, step := range []struct {
		statistics string
		want       float64
	}{
		{`"int_latency": {"sum": 4000, "cnt": 4}, "outbuf_latency": {"avg": 1000}, "rtt": {"avg": 2000}`, 0.75},
		{``, 0.75},
		{`"int_latency": {"sum": 12000, "cnt": 4}, "rtt": {"avg": 1000}`, 0.25},
		{`"int_latency": {"sum": 12000, "cnt": 4}, "rtt": {"avg": 1000}, "throttle": {"sum": 900, "max": 800}`, 1},
		{`"int_latency": {"sum": 12000, "cnt": 4}, "rtt": {"avg": 1000}`, 1},
		{`"int_latency": {"sum": 12000, "cnt": 4}, "rtt": {"avg": 1000}`, 1},
		{`"int_latency": {"sum": 12000, "cnt": 4}, "rtt": {"avg": 1000}`, 0.25},
	} {
		if step.statistics != "" {
			step.statistics = ", " + step.statistics
		}
		c.takeText(t, fmt.Sprintf(`{"ts": %d, "brokers": {"a:1/1": {"nodeid": 1%s}}}`, 500_000*(i+1), step.statistics))
		if got, _ := c.BrokerShare(); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

// TestErrorsOfBrokers: what librdkafka says of a broker, in one form, with its address.
func TestErrorsOfBrokers(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)":                             "broker 1 at 127.0.0.1:9092: connection refused: nothing listens there",
		"[thrd:a:1/bootstrap]: a:1/bootstrap: Connect to ipv4#10.0.0.1:1 failed: Connection refused (after 2ms in state CONNECT, 5 identical)": "broker 1 at a:1: connection refused: nothing listens there",
		"sasl_ssl://a:1/1: SASL authentication error: Authentication failed (after 301ms in state AUTH_REQ)":                                   "broker 1 at a:1: SASL authentication error: Authentication failed",
		"[thrd:a:1/1]: a:1/1: Timed out ProduceRequest in flight (after 61000ms, timeout #0)":                                                  "broker 1 at a:1: request timed out, no answer: Timed out ProduceRequest in flight",
		"a:1/1: Disconnected (after 5000ms in state UP)":                                                                                       "broker 1 at a:1: it closed the connection",
		"[::1]:9092/1: Failed to resolve '[::1]:9092'":                                                                                         "broker 1 at [::1]:9092: Failed to resolve '[::1]:9092'",
		"x:1/bootstrap: Connect to ipv4#10.0.0.9:1 failed: Connection refused":                                                                 "", // nobody knows its id
		"Application maximum poll interval exceeded":                                                                                           "",
	} {
		c, in := telling()
		in.SetMetadata(&backend.Metadata{At: time.Now(), Brokers: map[int32]string{1: "a:1"}})
		c.tellBroker(text)
		got := ""
		if trouble := in.Broker(1).Trouble(); trouble != nil {
			got = trouble.Text
		}
		if state, _, _ := in.Broker(1).State(); got != want || (state == backend.BrokerDown) != (want != "" && want[len(want)-10:] != "connection") {
			t.Errorf("%s: %q, want %q; %v", text, got, want, state)
		}
		(&Client{}).tellBroker(text) // nobody asks
	}
}
