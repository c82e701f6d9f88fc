package node

import (
	"os"
	"time"

	"github.com/ringtail/ringtail/internal/verdict"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
)

// status is what /status returns. Counts are of the moment; the verdict, rates, and what is known of
// brokers and leaders are of the last look, which comes once a second.
type status struct {
	Verdict      verdict.Verdict        `json:"verdict"`
	Version      string                 `json:"version"`
	Host         string                 `json:"host"`
	PID          int                    `json:"pid"`
	Started      time.Time              `json:"started"`
	Ready        bool                   `json:"ready"`
	Reason       string                 `json:"reason,omitempty"` // why it is not ready
	Uptime       float64                `json:"uptime_seconds"`
	Sink         string                 `json:"sink"`
	Topic        string                 `json:"topic"`
	Brokers      string                 `json:"brokers,omitempty"`
	Writer       string                 `json:"writer,omitempty"` // native or librdkafka; "": not known yet, or none
	WriterReason string                 `json:"writer_reason,omitempty"`
	Listen       []string               `json:"listen"`
	Recovered    uint64                 `json:"recovered"` // records that ring files held at the start
	Process      processStatus          `json:"process"`
	Rates        rates                  `json:"rates"`
	Delivery     *quantiles             `json:"delivery"` // of the last ten seconds; nil: nothing came into Kafka
	Server       server.Stats           `json:"server"`
	Listeners    []server.ListenerStats `json:"listeners"`
	Rejects      []server.RejectSample  `json:"rejects"`
	Kafka        kafkaStatus            `json:"kafka"`
	Rings        []ringStatus           `json:"rings"`
	Warnings     []producer.Trouble     `json:"warnings"`
	Config       map[string]string      `json:"config"`
	Marks        []mark                 `json:"marks"` // as in /history
}

// rates are a second's.
type rates struct {
	Received float64 `json:"received"` // records, rejected ones included
	Acked    float64 `json:"acked"`    // records that came into Kafka
	Rejected float64 `json:"rejected"`
	Bytes    float64 `json:"bytes"` // from clients
}

// quantiles are of records, from ring entry to Kafka's ack.
type quantiles struct {
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
}

type processStatus struct {
	CPU            float64 `json:"cpu_cores"`
	Memory         int64   `json:"memory_bytes"` // resident
	Descriptors    int     `json:"descriptors"`
	DescriptorsMax uint64  `json:"descriptors_max"`
	Goroutines     int     `json:"goroutines"`
}

type kafkaStatus struct {
	Delivered          uint64                  `json:"delivered"`
	Refused            uint64                  `json:"refused"`
	DeadLettered       uint64                  `json:"dead_lettered"`
	PossibleDuplicates uint64                  `json:"possible_duplicates"`
	Rebuilds           uint64                  `json:"rebuilds"`
	Brokers            []brokerStatus          `json:"brokers"`
	Topics             []producer.TopicInsight `json:"topics"`
}

type brokerStatus struct {
	ID        int32             `json:"id"`
	Address   string            `json:"address"`
	State     string            `json:"state"` // up, connecting, down
	UnderWay  int               `json:"under_way"`
	Oldest    float64           `json:"oldest_seconds"` // since when its oldest request is under way; 0: none is
	Requests  uint64            `json:"requests"`
	P50       float64           `json:"p50_seconds"`
	P99       float64           `json:"p99_seconds"`
	Share     float64           `json:"share"` // of all records' time in the last minute, 0 to 1
	LastError *producer.Trouble `json:"last_error"`
}

type ringStatus struct {
	Name      string            `json:"name"`
	Records   uint64            `json:"records"` // in the ring now
	Used      int               `json:"used_bytes"`
	Capacity  int               `json:"capacity_bytes"`
	In        float64           `json:"in_per_second"`
	Out       float64           `json:"out_per_second"`
	Oldest    float64           `json:"oldest_seconds"`
	Partition int32             `json:"partition"`
	Leader    int32             `json:"leader"`          // -1: there is none, or it is not known
	State     string            `json:"state"`           // of its engine
	FullIn    *float64          `json:"full_in_seconds"` // nil: it does not fill
	LastError *producer.Trouble `json:"last_error"`
}

// history is what /history returns: ten minutes, a column each, a value a second, the oldest first.
type history struct {
	At       []int64    `json:"at"` // Unix seconds
	Received []float64  `json:"received"`
	Acked    []float64  `json:"acked"`
	P50      []*float64 `json:"p50_seconds"` // nil: nothing came into Kafka in the ten seconds before
	P99      []*float64 `json:"p99_seconds"`
	Waiting  []int      `json:"waiting_bytes"`
	Oldest   []float64  `json:"oldest_seconds"`
	Rejected []float64  `json:"rejected"`
	Marks    []mark     `json:"marks"`
}

// mark is a moment at which something changed.
type mark struct {
	At   int64  `json:"at"` // Unix seconds
	Text string `json:"text"`
}

func (n *node) status() status {
	v, out := n.seen.last.Load(), n.sink.stats()
	st := status{
		Verdict: v.verdict, Version: n.opt.Version, Host: n.seen.host, PID: os.Getpid(), Started: n.started,
		Uptime: time.Since(n.started).Seconds(), Sink: n.opt.Sink, Topic: n.opt.Topic, Brokers: n.brokers,
		Listen: []string{}, Recovered: uint64(n.recovered().Records),
		Process: v.process, Rates: v.rates, Delivery: v.delivery,
		Listeners: orEmpty(v.listeners), Rejects: orEmpty(v.rejects),
		Kafka: kafkaStatus{
			Delivered: out.Delivered, Refused: out.Refused, DeadLettered: out.DeadLetters, PossibleDuplicates: out.PossibleDuplicates,
			Rebuilds: out.Rebuilds, Brokers: v.brokers, Topics: orEmpty(v.insight.Topics),
		},
		Warnings: n.warnings.list(), Config: *n.config.Load(), Marks: n.seen.timeline.list(),
	}
	st.Writer, st.WriterReason = n.seen.choice()
	st.Ready, st.Reason = n.ready()
	if s := n.server.Load(); s != nil {
		st.Server = s.Stats()
		st.Listen = s.URLs()
	}
	for i, r := range n.rings.All() {
		ring := v.rings[i]
		ring.Used = r.Used()
		st.Rings = append(st.Rings, ring)
	}
	return st
}

// orEmpty is a list that is one in JSON too, when nothing is in it.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
