package node

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/verdict"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/shard"
)

// toldSink is a sink that says what a test wants.
type toldSink struct {
	sink
	out  producer.Stats
	in   producer.Insight
	well bool
}

func (s *toldSink) stats() producer.Stats     { return s.out }
func (s *toldSink) insight() producer.Insight { return s.in }
func (s *toldSink) ready() (bool, string)     { return s.well, "" }
func (s *toldSink) choice() string            { return "native: it may: yes" }

// sampled is a node of two shards that has a sampler and no server.
func sampled(t *testing.T, dead bool) (*node, *toldSink, *bytes.Buffer, *prometheus.Registry) {
	t.Helper()
	told, out, reg := &toldSink{well: true}, &bytes.Buffer{}, prometheus.NewRegistry()
	n := &node{sink: told, started: time.Now(), events: newEvents(nil, nil, nil)}
	n.warnings, n.env.Log = newWarnings(slog.New(slog.NewTextHandler(out, nil)))
	names := []string{"0", "1"}
	if dead {
		names = append(names, verdict.DeadLetters)
	}
	for i, name := range names {
		r, err := shard.New(shard.Options{Name: name, Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Release() })
		if i == 2 {
			n.rings.Dead = r
		} else {
			n.rings.Rings = append(n.rings.Rings, r)
		}
		told.in.Streams = append(told.in.Streams, producer.StreamInsight{Name: name, Partition: int32(i % 2), Leader: -1, State: "running"})
	}
	var err error
	if n.seen, err = newSampler(n, reg); err != nil {
		t.Fatal(err)
	}
	return n, told, out, reg
}

// TestLook: rates, times and shares are of what has changed since the look before.
func TestLook(t *testing.T) {
	n, told, _, reg := sampled(t, false)
	first := n.seen.last.Load()
	if first.delivery != nil || first.rates != (rates{}) {
		t.Errorf("the first look says %+v", first.rates)
	}
	told.out.Delivered = 1000
	told.out.Delivery[4] = 1000 // 5 to 7.5 ms
	broken := &producer.Trouble{At: time.Now(), Text: "NOT_ENOUGH_REPLICAS"}
	told.in.Streams[1] = producer.StreamInsight{
		Name: "1", Partition: 1, Leader: 2, State: "running", Delivered: 900, Refused: 100, LastError: broken,
		Stages: producer.StageTimes{Ring: 1000 * time.Second, Writer: 2000 * time.Second, Broker: 5000 * time.Second},
	}
	told.in.Brokers = []producer.BrokerInsight{{ID: 2, Address: "k:1", State: "up", UnderWay: 1, Oldest: time.Second, Requests: 7, P50: time.Millisecond, P99: 2 * time.Millisecond, LastError: broken}}
	n.seen.look()
	v := n.seen.last.Load()
	seconds := v.at.Sub(first.at).Seconds()
	if v.rates.Acked != 1000/seconds {
		t.Errorf("%v acked a second, want %v", v.rates.Acked, 1000/seconds)
	}
	if d := v.delivery; d == nil || d.P50 < 0.005 || d.P50 > 0.0075 || d.P99 <= d.P50 {
		t.Errorf("the delivery is %+v", d)
	}
	if r := v.rings[1]; r.Out != 1000/seconds || r.Leader != 2 || r.Partition != 1 || r.LastError != broken || r.Capacity != 1<<20 || r.Records != 0 {
		t.Errorf("ring 1 is %+v", r)
	}
	want := brokerStatus{ID: 2, Address: "k:1", State: "up", UnderWay: 1, Oldest: 1, Requests: 7, P50: 0.001, P99: 0.002, Share: 1, LastError: broken}
	if !reflect.DeepEqual(v.brokers, []brokerStatus{want}) {
		t.Errorf("the broker is %+v", v.brokers)
	}
	n.env.Log.Warn("one")
	for series, want := range map[string]float64{
		"stage_seconds_total broker": 5000, "stage_seconds_total parse": 0, "stage_seconds_total ring": 1000,
		"stage_seconds_total socket": 0, "stage_seconds_total writer": 2000, "warnings_total": 1, "ready": 1, "rings_full_seconds": math.Inf(1),
		"verdict ok": 1, "verdict stuck": 0, "verdict slow": 0, "verdict clients": 0, "verdict starting": 0, "verdict draining": 0,
	} {
		if got, ok := gathered(t, reg)["ringtail_"+series]; !ok || got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	if told.well = false; gathered(t, reg)["ringtail_ready"] != 0 {
		t.Error("not ready, and the metric says it is")
	}
}

// gathered are all series, by name and label.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			series[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return series
}

// TestMarks: the process, leaders and the writer, and nothing twice.
func TestMarks(t *testing.T) {
	n, told, _, _ := sampled(t, true)
	lead := func(leaders ...int32) {
		for i, id := range leaders {
			told.in.Streams[i].Leader = id
		}
		n.seen.look()
	}
	lead(1, 1, 1)
	lead(1, 1, 1)
	lead(-1, 1, 1) // while nobody leads there is an error
	lead(2, 2, 3)
	lead(2, 2, 3)
	told.out.Rebuilds = 1
	lead(2, 1, 3)
	lead(2, 1, 3)
	var texts []string
	for _, m := range n.history().Marks {
		texts = append(texts, m.Text)
	}
	want := []string{"the process began", "leader of partition 0, partition 1: 1 -> 2", "leader of the dead letters: 1 -> 3", "the writer began anew", "leader of partition 1: 2 -> 1"}
	if !reflect.DeepEqual(texts, want) {
		t.Errorf("got %q\nwant %q", texts, want)
	}
}

// TestHistory: a column each, ten minutes, a value a second, also where two looks fell into one.
func TestHistory(t *testing.T) {
	n := &node{seen: &sampler{}}
	begin := time.Unix(1e9, 0)
	n.seen.timeline.mark(begin, "the process began")
	for i := range 700 {
		at := begin.Add(time.Duration(i) * time.Second)
		v := &view{facts: facts{at: at, rings: []ringFacts{{used: i}, {used: 1}}}, rates: rates{Received: float64(i), Acked: 2, Rejected: 3}}
		v.facts.rings[1].Oldest = time.Minute
		if i%2 == 0 {
			v.delivery = &quantiles{0.1, 0.2}
		}
		n.seen.timeline.add(&view{facts: facts{at: at}})
		n.seen.timeline.add(v)
	}
	h := n.history()
	columns := reflect.ValueOf(h)
	for i := range columns.NumField() - 1 {
		if got := columns.Field(i).Len(); got != 600 {
			t.Errorf("%s has %d values", columns.Type().Field(i).Name, got)
		}
	}
	if h.At[0] != begin.Unix()+100 || h.At[599] != begin.Unix()+699 || h.Received[599] != 699 || h.Waiting[599] != 700 || h.Oldest[0] != 60 ||
		h.Acked[5] != 2 || h.Rejected[5] != 3 || h.P50[0] == nil || *h.P99[0] != 0.2 || h.P50[1] != nil {
		t.Errorf("the columns are wrong: at %d to %d", h.At[0], h.At[599])
	}
	if len(h.Marks) != 0 {
		t.Errorf("marks of before: %v", h.Marks)
	}
	for i := range 1000 {
		n.seen.timeline.mark(begin.Add(700*time.Second), fmt.Sprint(i))
	}
	if m := n.history().Marks; len(m) != marksMax || m[marksMax-1].Text != "999" {
		t.Errorf("%d marks", len(m))
	}
}

// TestSayVerdict: one line at INFO that has all of it.
func TestSayVerdict(t *testing.T) {
	n, _, out, _ := sampled(t, false)
	n.sayVerdict()
	line := out.String()
	for _, want := range []string{"level=INFO", `msg="verdict: OK"`, "since=", "rings_full_in=never", "waiting=0", "connections=0", "advice=none"} {
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, want) {
			t.Errorf("no %s in %q", want, line)
		}
	}
	seconds := 38.2
	if got := fullIn(&seconds); got != "39 s" {
		t.Errorf("full in %s", got)
	}
}

// TestWarnings: those of WARN and above, with what belongs to them, the last fifty; the log has what
// it would have had.
func TestWarnings(t *testing.T) {
	out := &bytes.Buffer{}
	w, log := newWarnings(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelError})))
	log.Info("not this")
	log.With("topic", "a b").WithGroup("g").Warn("first", "cause", errors.New("line\ntwo"), "level", 1)
	log.Error("second")
	got := w.list()
	if len(got) != 2 || got[0].Text != `first topic="a b" g.cause="line\ntwo" g.level=1` || got[1].Text != "second" || time.Since(got[0].At) > time.Minute {
		t.Errorf("got %+v", got)
	}
	if lines := out.String(); strings.Count(lines, "\n") != 1 || !strings.Contains(lines, "level=ERROR msg=second") {
		t.Errorf("the log is %q", lines)
	}
	for i := range 100 {
		log.Warn(fmt.Sprint(i))
	}
	if got := w.list(); len(got) != warningsMax || got[warningsMax-1].Text != "99" || w.counted() != 102 {
		t.Errorf("%d of %d, the last %+v", len(got), w.counted(), got[len(got)-1])
	}
}

// TestUsage: what the process takes, as the kernel says.
func TestUsage(t *testing.T) {
	before := usageNow()
	var open []*os.File
	for range 10 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, f)
	}
	for usageNow().cpu < before.cpu+20*time.Millisecond { // it works for as long
	}
	after := usageNow()
	for _, f := range open {
		_ = f.Close()
	}
	if more := after.descriptors - before.descriptors; more < 8 || more > 12 {
		t.Errorf("%d more descriptors, and 10 were opened", more)
	}
	s := after.status(before, 0.1)
	if s.CPU < 0.2 || s.Memory < 1<<20 || s.DescriptorsMax < uint64(s.Descriptors) || s.Goroutines < 1 {
		t.Errorf("%+v", s)
	}
	if p := processors("/"); p <= 0 || p > 1e5 {
		t.Errorf("%v processors", p)
	}
}
