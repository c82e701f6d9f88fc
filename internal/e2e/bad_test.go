package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/wire"
)

const maxRecordBytes = 5000

// bad are records that must be refused, in every framing that can carry them.
var bad = []struct {
	record, reason string
	frames         bool // needs a framing that does not look for braces
}{
	{`{"number":1,"s":"` + "\xff\xfe" + `"}`, "bad_utf8", false},
	{`{"number":1,"s":"` + "\xed\xa0\x80" + `"}`, "bad_utf8", false},
	{`{"number":01}`, "bad_json", false},
	{`{"number":1,}`, "bad_json", false},
	{`{"number":1,"s":"\x"}`, "bad_json", false},
	{`{"number":NaN}`, "bad_json", false},
	{`{"other":1}`, "missing_field", false},
	{`{"nested":{"number":1}}`, "missing_field", false},
	{`{}`, "missing_field", false},
	{`{"number":null}`, "bad_number", false},
	{`{"number":"12a"}`, "bad_number", false},
	{`{"number":"1.5"}`, "bad_number", false},
	{`{"number":[1]}`, "bad_number", false},
	{`{"number":1e999}`, "bad_number", false},
	{`{"number":1,"pad":"` + strings.Repeat("x", maxRecordBytes) + `"}`, "too_large", false},
	{`{"number":1,"s":"é` + strings.Repeat("x", 3*maxRecordBytes) + `"}`, "too_large", false},
	{`[1]`, "not_object", true},
	{`7`, "not_object", true},
	{`"number"`, "not_object", true},
	{`{"number":1`, "bad_json", true},
	{`GET / HTTP/1.1`, "bad_json", true},
	{`{"number":1} x`, "bad_json", true},
	{`{"number":1,"deep":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, "too_deep", true},
}

// testBadRecords mixes each kind of bad record with good ones: the bad are
// answered by reason and counted, the good all arrive.
func testBadRecords(t *testing.T, c *kafkatest.Cluster) {
	for _, test := range []struct {
		framing wire.Framing
		frames  bool
	}{{wire.Newline, true}, {wire.Length, true}, {wire.JSON, false}, {wire.Auto, false}} {
		t.Run(test.framing.String(), func(t *testing.T) {
			kinds := bad[:0:0]
			for _, b := range bad {
				if test.frames || !b.frames {
					kinds = append(kinds, b)
				}
			}
			pick := func(conn int, seq uint64) int {
				if seq == 1 || (seq+uint64(conn))%7 != 0 { // auto wants a good record first
					return -1
				}
				return int((seq/7 + uint64(conn)) % uint64(len(kinds)))
			}
			o := bench.Defaults()
			o.Framing, o.Ack, o.Records, o.Connections = test.framing, true, 20_000, 8
			o.Odd = func(conn int, seq uint64) []byte {
				if i := pick(conn, seq); i >= 0 {
					return []byte(kinds[i].record)
				}
				return nil
			}
			topic := newTopic(t, c)
			s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--framing", test.framing.String(),
				"--ack", "kafka", "--max-record-bytes", fmt.Sprint(maxRecordBytes))
			o.Target = s.Target
			l := load(t, o)
			r := l.Wait()
			CheckFlawless(t, c, topic, l, r)

			byReason := map[string]int64{}
			for _, out := range r.Outcomes {
				answered := map[uint64]string{}
				for _, rejection := range out.Rejected {
					answered[rejection.Seq] = rejection.Reason
				}
				for seq := uint64(1); seq <= out.Sent; seq++ {
					want := ""
					if i := pick(out.Conn, seq); i >= 0 {
						want = kinds[i].reason
						byReason[want]++
					}
					if got := answered[seq]; got != want {
						t.Fatalf("record %d of connection %d, %.60s: answered %q, want %q", seq, out.Conn, o.Odd(out.Conn, seq), got, want)
					}
				}
			}
			m := s.Metrics()
			for reason, want := range byReason {
				if got := m.With("records_rejected_total", "reason", reason); got != want {
					t.Errorf("%d counted as %s, want %d", got, reason, want)
				}
			}
			m.CheckSettled(t)
			ledger := s.Stop().Ledger(t)
			if want := (Ledger{Received: r.Records, Delivered: r.Records - r.Rejected, Rejected: r.Rejected}); ledger != want {
				t.Errorf("ledger %+v, want %+v", ledger, want)
			}
		})
	}
}

// testTruncated ends connections inside a record. The good one before it
// arrives, no part of the other does.
func testTruncated(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "kafka", "--framing", "auto")
	good, cut := `{"number":1,"whole":true}`, `{"number":2,"whole":`
	frame := func(text string, length int) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(length))) + text
	}
	for name, test := range map[string]struct {
		framing wire.Framing
		sent    string
	}{
		"length": {wire.Length, frame(good, len(good)) + frame(cut, len(cut)+5)},
		"text":   {wire.Auto, good + cut},
	} {
		t.Run(name, func(t *testing.T) {
			answers := talk(t, s, test.framing, test.sent)
			want := []wire.Answer{{Rejected: 2, Reason: "truncated"}, {Acked: 2}}
			if len(answers) > 2 { // the first record may be acked by itself
				answers = answers[len(answers)-2:]
				if answers[0].Acked == 1 {
					t.Fatalf("answers out of order: %+v", answers)
				}
			}
			if len(answers) != 2 || !contains(answers, want[0]) || answers[len(answers)-1] != want[1] {
				t.Errorf("answers %+v, want %+v", answers, want)
			}
		})
	}
	values := readAll(t, c, topic)
	if len(values) != 2 || string(values[0]) != good || string(values[1]) != good {
		t.Errorf("the topic holds %q", values)
	}
	if got := s.Metrics().With("records_rejected_total", "reason", "truncated"); got != 2 {
		t.Errorf("%d counted as truncated", got)
	}
	s.Stop().Ledger(t)
}

func contains(answers []wire.Answer, a wire.Answer) bool {
	for _, b := range answers {
		if a == b {
			return true
		}
	}
	return false
}

// talk sends bytes, closes its half and returns every answer.
func talk(t *testing.T, s *Server, f wire.Framing, sent string) []wire.Answer {
	t.Helper()
	socket, err := net.Dial("tcp", strings.TrimPrefix(s.Target, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if _, err := io.WriteString(socket, sent); err != nil {
		t.Fatal(err)
	}
	if err := socket.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var all []wire.Answer
	for answers := (wire.Answers{Framing: f}); ; {
		answer, err := answers.Read(socket)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, answer)
	}
}

func readAll(t *testing.T, c *kafkatest.Cluster, topic string) [][]byte {
	t.Helper()
	var values [][]byte
	back := bench.Readback{Options: c.ClientOptions(), Topic: topic}
	err := back.Each(context.Background(), map[int32]int64{}, func(r *kgo.Record) { values = append(values, bytes.Clone(r.Value)) })
	if err != nil {
		t.Fatal(err)
	}
	return values
}
