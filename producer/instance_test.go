package producer

import (
	"strconv"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/producer/backend"
)

// TestWhatNobodyMayChange: the values that promises rest on, which only --unsafe changes, by
// whatever name or spelling; and those that follow from flags, which it does not either.
func TestWhatNobodyMayChange(t *testing.T) {
	o := Options{Brokers: "h:1", MaxRecordBytes: 1000}
	p := o.properties(topicState{}, 1)
	for name, want := range map[string]string{
		"acks": "all", "enable.idempotence": "true", "max.in.flight": "1", "enable.gapless.guarantee": "true", "message.timeout.ms": "0",
		"retries": "2147483647", "allow.auto.create.topics": "false", "log.queue": "true",
	} {
		if p[name] != want {
			t.Errorf("%s is %q, want %q", name, p[name], want)
		}
		if err := CheckProperties(map[string]string{name: want}, false); err != nil {
			t.Errorf("%s=%s: %v", name, want, err)
		}
		other := "7"
		if want == "false" {
			other = "true"
		}
		if err := CheckProperties(map[string]string{name: other}, false); err == nil {
			t.Errorf("%s=%s is taken", name, other)
		}
	}
	for value, ok := range map[string]bool{"false": true, "f": true, "0": true, "FALSE": true, "true": false, "1": false, "T": false} {
		for _, name := range []string{"allow.auto.create.topics", "delivery.report.only.error"} {
			if err := CheckProperties(map[string]string{name: value}, false); (err == nil) != ok {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	for _, name := range []string{"bootstrap.servers", "metadata.broker.list", "message.max.bytes", "queue.buffering.max.messages", "queue.buffering.max.kbytes"} {
		for _, unsafe := range []bool{false, true} {
			if err := CheckProperties(map[string]string{name: "1"}, unsafe); err == nil || !strings.Contains(err.Error(), "set --") {
				t.Errorf("%s is taken, unsafe: %v", name, unsafe)
			}
		}
	}
}

// TestRoomInLibrdkafka: it takes the largest record with its key, whether it comes or was found,
// and each stream's window.
func TestRoomInLibrdkafka(t *testing.T) {
	number := func(o Options, streams int, name string) int {
		n, err := strconv.Atoi(o.properties(topicState{}, streams)[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return n
	}
	o := Options{Brokers: "h:1", MaxRecordBytes: 100_000}
	keyed, found := o, o
	keyed.KeyField, found.largest = "k", 300_000
	for _, c := range []struct {
		o    Options
		most int
	}{{o, 100_000}, {keyed, 200_000}, {found, 300_000}} {
		if n := number(c.o, 1, "message.max.bytes"); n < c.most+recordSlack || n > c.most+4096 {
			t.Errorf("message.max.bytes %d, the largest record has %d", n, c.most)
		}
		for _, streams := range []int{1, 20} {
			if n, least := number(c.o, streams, "queue.buffering.max.messages"), streams*c.o.windowRecords(); n < least+backend.BatchMax*streams {
				t.Errorf("room for %d records in %d streams", n, streams)
			}
			if n, least := number(c.o, streams, "queue.buffering.max.kbytes"), streams*(c.o.windowBytes()+c.most); n*1024 < least {
				t.Errorf("room for %d KiB in %d streams", n, streams)
			}
		}
	}
}

// TestDebugIsAddedTo: without ours nobody learns when there is a producer id.
func TestDebugIsAddedTo(t *testing.T) {
	for user, want := range map[string]string{"broker": debugIDs + ",broker", "": ""} {
		o := Options{Brokers: "h:1", MaxRecordBytes: 1000, Properties: map[string]string{"debug": user}}
		if got := o.properties(topicState{}, 1)["debug"]; got != want {
			t.Errorf("debug=%q is %q, want %q", user, got, want)
		}
	}
}
