package soak

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

const (
	testConns  = 4
	testShards = 10
	testEach   = 3000
)

// copied is one record of a topic.
type copied struct {
	partition int
	id        ID
	value     []byte
}

// topic is what a fleet of four makes of 3,000 records each, the second half of
// which it sends again from record 1,001 on, on another connection.
type topic struct {
	maker   *Maker
	records []copied
}

func newTopic() *topic {
	t := &topic{maker: NewMaker(7)}
	for _, stretch := range []struct {
		try         uint32
		first, last uint64
	}{{1, 1, 1500}, {2, 1001, testEach}} {
		for seq := stretch.first; seq <= stretch.last; seq++ {
			for conn := range testConns {
				t.records = append(t.records, t.make(ID{conn, seq, stretch.try}))
			}
		}
	}
	return t
}

func (t *topic) make(id ID) copied {
	return copied{t.maker.Shard(id.Conn, id.Seq, testShards), id, t.maker.Append(nil, id)}
}

// at is where a record is, and where the next one of its connection and digit.
func (t *topic) at(id ID) (at, next int) {
	same := func(c copied) bool { return c.id.Conn == id.Conn && c.partition == t.records[at].partition }
	at = slices.IndexFunc(t.records, func(c copied) bool { return c.id == id })
	for next = at + 1; next < len(t.records) && !same(t.records[next]); {
		next++
	}
	return at, next
}

// verdict of a checker that reads all of it and is then told that all was
// acked.
func (t *topic) verdict() Verdict {
	c := NewChecker(t.maker, testConns, testShards, func(int) (uint64, uint32) { return testEach, 2 })
	for _, r := range t.records {
		c.Add(r.partition, r.value)
	}
	for conn := range testConns {
		c.Audit(conn, testEach)
		c.Complete(conn, testEach)
	}
	return c.Verdict()
}

const testResent = testConns * 500 // 1,001 to 1,500, again

func TestNothingIsFoundWhereNothingWasHarmed(t *testing.T) {
	v := newTopic().verdict()
	if err := v.Err(); err != nil || v.Doubled != 0 || v.Resent != testResent || v.First != testConns*testEach {
		t.Fatalf("%v; %s", err, v.String())
	}
}

// TestCheckerSees: each harm a server could do, once, and what it is called.
func TestCheckerSees(t *testing.T) {
	victim := ID{Conn: 1, Seq: 2000, Try: 2}
	for name, harm := range map[string]struct {
		do   func(t *topic)
		want Verdict
	}{
		"dropped": {func(t *topic) {
			at, _ := t.at(victim)
			t.records = slices.Delete(t.records, at, at+1)
		}, Verdict{Missing: 1, FalseAcks: 1}},
		"the last one dropped": {func(t *topic) {
			at, _ := t.at(ID{Conn: 3, Seq: testEach, Try: 2})
			t.records = slices.Delete(t.records, at, at+1)
		}, Verdict{Missing: 1, FalseAcks: 1}},
		"doubled": {func(t *topic) {
			at, _ := t.at(victim)
			t.records = append(t.records, t.records[at])
		}, Verdict{Doubled: 1}},
		"doubled by an earlier try": {func(t *topic) {
			at, _ := t.at(ID{Conn: 1, Seq: 900, Try: 1})
			t.records = append(t.records, t.records[at])
		}, Verdict{Doubled: 1}},
		"swapped": {func(t *topic) {
			at, next := t.at(victim)
			t.records[at], t.records[next] = t.records[next], t.records[at]
		}, Verdict{Reordered: 1}},
		"late": {func(t *topic) {
			at, _ := t.at(victim)
			late := t.records[at]
			t.records = append(slices.Delete(t.records, at, at+1), late)
		}, Verdict{Reordered: 1}},
		"changed": {func(t *topic) {
			at, _ := t.at(victim)
			t.records[at].value = bytes.Replace(t.records[at].value, []byte("number"), []byte("nUmber"), 1)
		}, Verdict{Changed: 1, Missing: 1, FalseAcks: 1}},
		"cut": {func(t *topic) {
			at, _ := t.at(victim)
			t.records[at].value = t.records[at].value[:20]
		}, Verdict{Changed: 1, Missing: 1, FalseAcks: 1}},
		"another's number": {func(t *topic) {
			at, _ := t.at(victim)
			t.records[at].value = bytes.Replace(t.records[at].value, []byte("000000002000"), []byte("000000002001"), 1)
		}, Verdict{Changed: 1, Missing: 1, FalseAcks: 1}},
		"misrouted": {func(t *topic) {
			at, _ := t.at(victim)
			t.records[at].partition = (t.records[at].partition + 1) % testShards
		}, Verdict{Misrouted: 1, Missing: 1, FalseAcks: 1}},
		"invented": {func(t *topic) {
			t.records = append(t.records, t.make(ID{Conn: 1, Seq: testEach + 1, Try: 2}))
		}, Verdict{Changed: 1}},
		"invented try": {func(t *topic) {
			t.records = append(t.records, t.make(ID{Conn: 1, Seq: 5, Try: 3}))
		}, Verdict{Changed: 1}},
		"not of this soak": {func(t *topic) {
			t.records = append(t.records, copied{0, ID{}, NewMaker(8).Append(nil, victim)})
		}, Verdict{Changed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			topic := newTopic()
			harm.do(topic)
			got := topic.verdict()
			if got.Missing != harm.want.Missing || got.FalseAcks != harm.want.FalseAcks || got.Reordered != harm.want.Reordered ||
				got.Misrouted != harm.want.Misrouted || got.Changed != harm.want.Changed || got.Doubled != harm.want.Doubled {
				t.Errorf("the checker says: %s", got.String())
			}
			if (got.Err() == nil) != (harm.want.Doubled > 0) {
				t.Errorf("error %v", got.Err())
			}
		})
	}
}

// TestAuditSeesAnAckBeforeItsTime: the record comes, and came too late for its
// ack.
func TestAuditSeesAnAckBeforeItsTime(t *testing.T) {
	maker := NewMaker(7)
	c := NewChecker(maker, 1, testShards, func(int) (uint64, uint32) { return 100, 1 })
	for seq := uint64(1); seq <= 99; seq++ {
		c.Add(maker.Shard(0, seq, testShards), maker.Append(nil, ID{0, seq, 1}))
	}
	if c.Audit(0, 99); c.Verdict().FalseAcks != 0 {
		t.Fatal("all 99 are there")
	}
	c.Audit(0, 100)
	c.Audit(0, 100) // counts once
	c.Add(maker.Shard(0, 100, testShards), maker.Append(nil, ID{0, 100, 1}))
	c.Complete(0, 100)
	if v := c.Verdict(); v.FalseAcks != 1 || v.Missing != 0 || v.Err() == nil {
		t.Fatalf("the checker says: %s", v.String())
	}
}

// TestTriesThatAreForgotten: a copy that cannot be judged is not let pass.
func TestTriesThatAreForgotten(t *testing.T) {
	maker := NewMaker(7)
	c := NewChecker(maker, 1, testShards, func(int) (uint64, uint32) { return 100, 1000 })
	add := func(try uint32) { c.Add(maker.Shard(0, 1, testShards), maker.Append(nil, ID{0, 1, try})) }
	for try := range uint32(triesMax) {
		add(try + 1)
	}
	if v := c.Verdict(); v.Err() != nil || v.Resent != triesMax-1 {
		t.Fatalf("the checker says: %s", v.String())
	}
	add(triesMax + 1)
	add(1)
	if v := c.Verdict(); v.Changed != 1 {
		t.Fatalf("the checker says: %s", v.String())
	}
}

func TestRecordsSayWhoseTheyAre(t *testing.T) {
	maker := NewMaker(7)
	for _, id := range []ID{{0, 1, 1}, {31, 123_456_789_012, maxTry}, {99_999, 1, 17}} {
		record := maker.Append(nil, id)
		if len(record) < RecordBytesLeast || !json.Valid(record) {
			t.Errorf("%s", record)
		}
		if got, ok := maker.Identify(record); !ok || got != id {
			t.Errorf("%s: %+v, %v", record, got, ok)
		}
		for n := range record {
			if got, ok := maker.Identify(record[:n]); ok && got != id {
				t.Errorf("%s: %+v", record[:n], got)
			}
		}
	}
}
