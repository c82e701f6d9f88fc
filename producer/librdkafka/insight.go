package librdkafka

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/ringtail/ringtail/producer/backend"
)

// #include "client.h"
import "C"

// What librdkafka tells of brokers: statistics every statistics.interval.ms, and errors and log lines
// as they come. It tells nothing of what partitions wait for: an error that it tries again it keeps
// to itself.

// Tell makes c tell in what it sees of brokers. Call it before the first Poll.
func (c *Client) Tell(in *backend.Insight) { c.insight, c.before = in, map[int32]counts{} }

// Retries returns what librdkafka counted, as of the last statistics.
func (c *Client) Retries() uint64 {
	if s := c.c.stats; s != nil {
		c.c.stats = nil
		raw := []byte(C.GoString(s))
		C.rd_kafka_mem_free(c.c.rk, unsafe.Pointer(s))
		var now statistics
		if json.Unmarshal(raw, &now) == nil {
			c.take(&now)
		}
	}
	return c.retries
}

// BrokerShare returns what the last statistics in which records were sent say: how long the average
// record was in librdkafka before it was put into a request (int_latency), how long the average
// request waited to be sent (outbuf_latency), and its round trip (rtt). Before there are any it
// returns 1.
func (c *Client) BrokerShare() (float64, bool) {
	if !c.shareKnown {
		return 1, true
	}
	return c.share, true
}

// statistics are the part of librdkafka's STATISTICS.md that is used.
type statistics struct {
	At      int64 `json:"ts"` // microseconds
	Brokers map[string]struct {
		ID        int32  `json:"nodeid"`
		Address   string `json:"nodename"`
		State     string
		Retries   uint64 `json:"txretries"`
		Connects  int64  // tries to, so far
		Responses int64  `json:"rx"`
		UnderWay  int    `json:"waitresp_cnt"`
		SentAgo   int64  `json:"txidle"` // microseconds; negative: nothing was sent
		Record    window `json:"int_latency"`
		Queued    window `json:"outbuf_latency"`
		RTT       window
		Throttle  window // milliseconds
	}
	Topics map[string]struct {
		Partitions map[string]struct {
			ID     int32 `json:"partition"`
			Leader int32
		}
	}
}

// counts are a broker's, as of the last statistics. leaveAlone is until when it wants no requests.
type counts struct{ connects, responses, leaveAlone int64 }

// window is about the time since the last statistics, in microseconds where nothing else is said.
type window struct {
	Min, Max, Avg, Sum, Cnt, P50, P75, P90, P95, P99 int64
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// take takes new statistics.
func (c *Client) take(now *statistics) {
	c.retries = 0
	inWriter, inBroker := 0.0, 0.0
	for _, b := range now.Brokers {
		c.retries += b.Retries
		before := c.before[b.ID]
		leaveAlone := before.leaveAlone
		if b.Throttle.Sum > 0 {
			leaveAlone = max(leaveAlone, now.At+1000*b.Throttle.Max)
		}
		inBroker += float64(b.Record.Cnt) * float64(b.Queued.Avg+b.RTT.Avg)
		if leaveAlone > c.statisticsAt { // then records waited in librdkafka for the broker
			inBroker += float64(b.Record.Sum)
		} else {
			inWriter += float64(b.Record.Sum)
		}
		if c.insight == nil || b.ID < 0 { // one of --brokers, whose id is not known yet, or none at all
			continue
		}
		seen := c.insight.Broker(b.ID)
		seen.SetAddress(b.Address)
		c.before[b.ID] = counts{b.Connects, b.Responses, leaveAlone}
		switch {
		case b.Responses > before.responses:
			seen.Up()
		case b.State == "UP": // it was connected; that alone says nothing
		case b.Connects > before.connects:
			seen.Connecting()
			seen.Still() // librdkafka tells the same error once in half a minute
		default: // it connects where there is something to send
			seen.Rest()
		}
		// With one request under way, as in our properties, that is the one that was sent last. Between
		// statistics it may end: only one that is old is told of.
		oldest := micros(b.SentAgo)
		if oldest < time.Second {
			oldest = -1
		}
		seen.SetUnderWay(b.UnderWay, oldest)
		r := b.RTT
		seen.Requests.AddSpread(uint64(max(r.Cnt, 0)), micros(r.Sum), []backend.Quantile{
			{Share: 0.5, Took: micros(r.P50)}, {Share: 0.75, Took: micros(r.P75)}, {Share: 0.9, Took: micros(r.P90)},
			{Share: 0.95, Took: micros(r.P95)}, {Share: 0.99, Took: micros(r.P99)}, {Share: 1, Took: micros(r.Max)},
		})
		seen.AddThrottled(time.Duration(b.Throttle.Sum) * time.Millisecond)
	}
	c.statisticsAt = now.At
	if all := inWriter + inBroker; all > 0 {
		c.share, c.shareKnown = inBroker/all, true
	}
	if c.insight != nil {
		c.insight.SetLeaders(now.leaders(c.topic))
	}
}

func (now *statistics) leaders(topic string) map[int32]int32 {
	out := map[int32]int32{}
	for _, p := range now.Topics[topic].Partitions {
		if p.ID >= 0 {
			out[p.ID] = p.Leader
		}
	}
	return out
}

// ofBroker matches an error or a log line about a broker: address, id and what is wrong.
var ofBroker = regexp.MustCompile(`^(?:\[thrd:[^\]]*\]: )?(?:[a-z_]+://)?([^/ ]+:\d+)/(\w+): (.*)$`)

// afterText is how long the broker was in its state, and how often the same was not told.
var afterText = regexp.MustCompile(` \(after \d+ms.*\)$`)

// tellBroker tells what an error or a log line says of a broker.
func (c *Client) tellBroker(text string) {
	m := ofBroker.FindStringSubmatch(text)
	if c.insight == nil || m == nil {
		return
	}
	address, what := m[1], afterText.ReplaceAllString(m[3], "")
	id, err := strconv.ParseInt(m[2], 10, 32)
	if err != nil { // one of --brokers: perhaps its id is known meanwhile
		if id = c.idOf(address); id < 0 {
			return
		}
	}
	seen, closed := c.insight.Broker(int32(id)), strings.HasPrefix(what, "Disconnected")
	switch {
	case strings.Contains(what, "Connection refused"):
		what = "connection refused: nothing listens there"
	case strings.Contains(what, "imed out") && strings.Contains(what, "equest"):
		what = "request timed out, no answer: " + what
	case closed:
		what = "it closed the connection"
	}
	seen.SetAddress(address)
	text = fmt.Sprintf("broker %d at %s: %s", id, address, what)
	if closed {
		seen.Note(text)
	} else {
		seen.Down(text)
	}
}

// idOf returns the id of the broker at an address, -1 where it is not known.
func (c *Client) idOf(address string) int64 {
	if md := c.insight.Metadata(); md != nil {
		for id, at := range md.Brokers {
			if at == address {
				return int64(id)
			}
		}
	}
	return -1
}
