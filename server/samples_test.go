package server

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

// of are the lines of a log that have all of the parts.
func (l *logBuffer) of(parts ...string) (lines []string) {
next:
	for line := range strings.Lines(l.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// logged gives a rig a log in text.
func logged(o *rigOptions) *logBuffer {
	log := &logBuffer{}
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	return log
}

// TestStormOfOneReasonHidesNoOther: on the same listener or another, in the log and in Rejects; and the
// lines say how many events they stand for.
func TestStormOfOneReasonHidesNoOther(t *testing.T) {
	var log *logBuffer
	r := newRig(t, func(o *rigOptions) {
		log = logged(o)
		l := Listener{Network: "tcp", Address: loopback.Any(), Framing: codec.Newline}
		o.Listeners = []Listener{l, l}
	})
	const storm = 5000
	nc, other := r.dial(), r.dialListener(1)
	r.send(nc, strings.Repeat("{\"numbr\":1}\n", storm)+"not json\n"+strings.Repeat("{\"numbr\":2}\n", storm)+"{\"number\":[]}\n")
	r.eventually("the storm", func() bool { return r.Stats().Received == 2*storm+2 })
	r.send(other, "{\"numbr\":3}\n")
	for _, reason := range []string{"missing_field", "bad_json", "bad_number"} {
		r.eventually("a line for "+reason, func() bool { return len(log.of("record rejected", "reason="+reason)) > 0 })
	}
	url := r.Listeners()[1].Listener
	r.eventually("a line for the other listener", func() bool { return len(log.of("reason=missing_field", "listener="+url)) == 1 })
	first := log.of("reason=missing_field", "listener="+r.Listeners()[0].Listener)
	if len(first) > r.linesMost() {
		t.Errorf("%d lines for a storm", len(first))
	}
	stand := len(first) // the events that lines stand for, and those that wait for the next line
	for _, line := range first {
		if _, n, found := strings.Cut(strings.TrimSpace(line), "suppressed="); found {
			suppressed, err := strconv.Atoi(n)
			if err != nil {
				t.Fatal(err)
			}
			stand += suppressed
		}
	}
	r.eventually("all to be accounted for", func() bool {
		return stand+int(r.registry.listeners[0].lines[codec.MissingField].suppressed.Load()) == 2*storm
	})
	want := map[string]string{"missing_field": `{"numbr":3}`, "bad_json": "not json", "bad_number": `{"number":[]}`}
	for _, s := range r.Rejects() {
		if s.Sample != want[s.Reason] || s.At.IsZero() || s.Bytes != len(s.Sample) {
			t.Errorf("%+v", s)
		}
		delete(want, s.Reason)
	}
	if len(want) > 0 {
		t.Errorf("no sample of %v", want)
	}
}

// TestRejectsHaveTheLastOfEachReason: who sent it, how it came, when, and how large it was; of those
// that Kafka refused, all but their bytes.
func TestRejectsHaveTheLastOfEachReason(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.framing, o.dead = codec.Newline, true
		o.refuse = func(s *Server, conn uint64, rec shard.Record) {
			if conn != 0 && strings.HasPrefix(string(rec.Value), `{"number":2}`) {
				s.Refused(conn, rec.Ordinal, codec.RefusedByKafka)
			}
		}
	})
	if list := r.Rejects(); len(list) > 0 {
		t.Fatalf("of nothing: %+v", list)
	}
	one, two := r.dial(), r.dial()
	long := `{"numbr":"` + strings.Repeat("é", 200) + `"}`
	for i, nc := range []io.Writer{one, two, one, two} {
		fmt.Fprintf(nc, "{\"numbr\":%d}\n", i)
		r.eventually("it", func() bool { return r.Stats().Rejected["missing_field"] == uint64(i+1) })
	}
	r.send(two, long+"\n{\"number\":2}\n")
	r.eventually("all", func() bool {
		st := r.Stats()
		return st.Rejected["missing_field"] == 5 && st.Rejected["refused_by_kafka"] == 1 && !r.Rejects()[1].At.IsZero()
	})
	list, url := r.Rejects(), r.Listeners()[0].Listener
	a, b := list[0], list[1]
	if a.Reason != "missing_field" || a.Count != 5 || a.Remote != two.LocalAddr().String() || a.Listener != url || a.Bytes != len(long) {
		t.Errorf("%+v", a)
	}
	if want := long[:sampleBytes]; a.Sample != want || b.Sample != "" {
		t.Errorf("sample %q, want %q", a.Sample, want)
	}
	if b.Reason != "refused_by_kafka" || b.Count != 1 || b.Remote != two.LocalAddr().String() || b.Listener != url {
		t.Errorf("%+v", b)
	}
}

// TestUnauthorizedIsNeverShown: what came in place of a token is in no sample and no line.
func TestUnauthorizedIsNeverShown(t *testing.T) {
	var log *logBuffer
	r := newRig(t, func(o *rigOptions) { log = wantsToken(o); o.framing = codec.Newline })
	nc := r.dial()
	r.send(nc, tokenFrame(codec.Newline, wrongToken))
	r.eventually("its end", func() bool { return r.Stats().Closed["unauthorized"] == 1 })
	r.eventually("a line", func() bool { return len(log.of("connection closed", "reason=unauthorized")) == 1 })
	list := r.Rejects()
	if len(list) != 1 || list[0] != (RejectSample{Reason: "unauthorized", Count: 1}) {
		t.Errorf("%+v", list)
	}
	if text := fmt.Sprintf("%+v %s", list, log); strings.Contains(text, "wrong-one") {
		t.Errorf("shown: %s", text)
	}
	if text, err := json.Marshal(list); err != nil || strings.Contains(string(text), `"at"`) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestClientBytesAreQuotedOnce: by whoever shows them, and nothing gets through that does something to
// a terminal.
func TestClientBytesAreQuotedOnce(t *testing.T) {
	for sent, want := range map[string]struct{ text, json, shown string }{
		`{"numbr": 5}`:    {`"{\"numbr\": 5}"`, `"{\"numbr\": 5}"`, `{"numbr": 5}`},
		`{"a":"<&>\n"}`:   {`"{\"a\":\"<&>\\n\"}"`, `"{\"a\":\"<&>\\n\"}"`, `{"a":"<&>\n"}`},
		"plain":           {"plain", `"plain"`, "plain"},
		"\x1b[31m\xff":    {`"\x1b[31m\xff"`, `"\\x1b[31m\\xff"`, `\x1b[31m\xff`},
		"a\u202eb\u009bc": {`"a\u202eb\u009bc"`, `"a\\xe2\\x80\\xaeb\\xc2\\x9bc"`, `a\xe2\x80\xaeb\xc2\x9bc`},
		"größe":           {"größe", `"größe"`, "größe"},
		"cut \xc3":        {`"cut \xc3"`, `"cut \\xc3"`, `cut \xc3`},
		"":                {`""`, `""`, ""},
	} {
		var text, inJSON logBuffer
		sample := sampleOf([]byte(sent))
		slog.New(slog.NewTextHandler(&text, nil)).Warn("m", "sample", sample)
		slog.New(slog.NewJSONHandler(&inJSON, nil)).Warn("m", "sample", sample)
		if got := strings.TrimSpace(text.String()); !strings.HasSuffix(got, " sample="+want.text) {
			t.Errorf("%q in text: %s", sent, got)
		}
		if got := inJSON.String(); !strings.Contains(got, `"sample":`+want.json+"}") {
			t.Errorf("%q in JSON: %s", sent, got)
		}
		if got := sample.String(); got != want.shown {
			t.Errorf("%q is shown as %s", sent, got)
		}
	}
	if got := len(sampleOf(make([]byte, 1000))); got != 64 {
		t.Errorf("%d bytes", got)
	}
}

// TestEachKindOfWarningHasItsOwnSecond: kinds are messages and their reasons.
func TestEachKindOfWarningHasItsOwnSecond(t *testing.T) {
	var log logBuffer
	clock := &servedClock{}
	l := &limitedLog{log: slog.New(slog.NewTextHandler(&log, nil)), clock: clock}
	for range 10 {
		l.warn("refused", "denied", "remote", "a")
		l.warn("refused", "tls", "remote", "b")
		l.warn("memory", "", "bytes", 1)
	}
	clock.ns.Add(limiterInterval)
	l.warn("refused", "denied", "remote", "c")
	for _, tc := range []struct {
		n     int
		parts []string
	}{
		{4, []string{"msg="}},
		{1, []string{"msg=refused reason=denied remote=a\n"}},
		{1, []string{"msg=refused reason=tls remote=b\n"}},
		{1, []string{"msg=memory bytes=1\n"}},
		{1, []string{"msg=refused reason=denied remote=c suppressed=9\n"}},
	} {
		if got := log.of(tc.parts...); len(got) != tc.n {
			t.Errorf("%q: %d lines, want %d:\n%s", tc.parts, len(got), tc.n, log.String())
		}
	}
}

// TestFloodOfOneRefusalHidesNoOther: who is denied, again and again, does not keep the reason of others
// out of the log.
func TestFloodOfOneRefusalHidesNoOther(t *testing.T) {
	var log *logBuffer
	r := newRig(t, func(o *rigOptions) {
		log = logged(o)
		denied, open := Listener{Network: "tcp", Address: loopback.Any()}, Listener{Network: "tcp", Address: loopback.Any()}
		denied.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.Listeners, o.MaxConnectionsPerIP = []Listener{denied, open}, 1
	})
	for range 50 {
		closedByServer(t, r.dial())
	}
	r.dialListener(1)
	r.eventually("one", func() bool { return r.Stats().Opened == 1 })
	second := r.dialListener(1)
	closedByServer(t, second)
	remote, url := "remote="+second.LocalAddr().String(), "listener="+r.Listeners()[1].Listener
	r.eventually("a line", func() bool {
		return len(log.of("connection refused", "reason=max_connections_per_ip", remote, url)) == 1
	})
	if n := len(log.of("reason=denied")); n < 1 || n > r.linesMost() {
		t.Errorf("%d lines about who is denied", n)
	}
}
