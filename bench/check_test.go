package bench

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// kept is one record of a topic.
type kept struct {
	partition int
	value     []byte
}

// topic is what a flawless server makes of a load of 3 connections.
func topic(pool *Pool, records uint64) ([]kept, []Outcome) {
	var all []kept
	var sent []Outcome
	for conn := range 3 {
		for seq := uint64(1); seq <= records; seq++ {
			all = append(all, kept{pool.Shard(conn, seq, 10), pool.Append(nil, conn, seq)})
		}
		sent = append(sent, Outcome{Conn: conn, Sent: records, Acked: records / 2})
	}
	return all, sent
}

func verdict(pool *Pool, all []kept, sent []Outcome) Verdict {
	c := NewChecker(pool, 10, nil)
	for _, record := range all {
		c.Add(record.partition, record.value)
	}
	return c.Verdict(sent)
}

func TestCheckerIsContentWithAFlawlessTopic(t *testing.T) {
	pool := NewPool(7, 220, -1)
	all, sent := topic(pool, 1000)
	other := NewPool(8, 220, -1)
	all = append(all, kept{0, other.Append(nil, 0, 1)}, kept{0, []byte("not ours")})
	v := verdict(pool, all, sent)
	if err := v.Err(); err != nil || v.Read != 3000 || v.Foreign != 2 {
		t.Fatalf("%v: %+v", err, v)
	}
}

// The negative controls: one record is harmed, and the checker must see it.
func TestCheckerSees(t *testing.T) {
	pool := NewPool(7, 220, -1)
	at := func(all []kept, conn int, seq uint64) int {
		return slices.IndexFunc(all, func(k kept) bool {
			return bytes.Equal(k.value, pool.Append(nil, conn, seq))
		})
	}
	// Two records of one connection and digit.
	first := uint64(600)
	second := first + 1
	for pool.Shard(1, second, 10) != pool.Shard(1, first, 10) {
		second++
	}
	cases := map[string]struct {
		harm func([]kept) []kept
		want Verdict
	}{
		"a record dropped": {func(all []kept) []kept {
			i := at(all, 1, 600)
			return slices.Delete(all, i, i+1)
		}, Verdict{Missing: 1, Read: 2999}},
		"an acked record dropped": {func(all []kept) []kept {
			i := at(all, 2, 500)
			return slices.Delete(all, i, i+1)
		}, Verdict{Missing: 1, AckedMissing: 1, Read: 2999}},
		"the last record dropped": {func(all []kept) []kept {
			return all[:len(all)-1]
		}, Verdict{Missing: 1, Read: 2999}},
		"a connection dropped": {func(all []kept) []kept {
			return all[:2000]
		}, Verdict{Missing: 1000, AckedMissing: 500, Read: 2000}},
		"a record twice": {func(all []kept) []kept {
			i := at(all, 0, 1)
			return append(all, all[i])
		}, Verdict{Duplicates: 1, Read: 3001}},
		"a record thrice": {func(all []kept) []kept {
			i := at(all, 0, 64)
			return slices.Insert(all, i, all[i], all[i])
		}, Verdict{Duplicates: 2, Read: 3002}},
		"two swapped": {func(all []kept) []kept {
			i, j := at(all, 1, first), at(all, 1, second)
			all[i], all[j] = all[j], all[i]
			return all
		}, Verdict{Reordered: 1, Read: 3000}},
		"a byte changed": {func(all []kept) []kept {
			k := &all[at(all, 1, 600)]
			k.value = bytes.Replace(k.value, []byte(`"number"`), []byte(`"numbed"`), 1)
			return all
		}, Verdict{Changed: 1, Missing: 1, Read: 3000}},
		"a byte lost": {func(all []kept) []kept {
			k := &all[at(all, 1, 600)]
			k.value = k.value[:len(k.value)-1]
			return all
		}, Verdict{Changed: 1, Missing: 1, Read: 3000}},
		"a run's mark destroyed": {func(all []kept) []kept {
			k := &all[at(all, 1, 600)]
			k.value = bytes.Replace(k.value, []byte(`"run"`), []byte(`"ran"`), 1)
			return all
		}, Verdict{Foreign: 1, Missing: 1, Read: 2999}},
		"a wrong partition": {func(all []kept) []kept {
			k := &all[at(all, 1, 600)]
			k.partition = (k.partition + 1) % 10
			return all
		}, Verdict{Misrouted: 1, Read: 3000}},
		"a record that was never sent": {func(all []kept) []kept {
			return append(all, kept{pool.Shard(0, 1001, 10), pool.Append(nil, 0, 1001)})
		}, Verdict{Changed: 1, Read: 3001}},
		"a connection that never was": {func(all []kept) []kept {
			return append(all, kept{pool.Shard(9, 1, 10), pool.Append(nil, 9, 1)})
		}, Verdict{Changed: 1, Read: 3001}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			all, sent := topic(pool, 1000)
			got := verdict(pool, c.harm(all), sent)
			failed := got.Err() != nil
			got.Examples = nil
			if got.String() != c.want.String() || !failed {
				t.Errorf("got  %s\nwant %s", got.String(), c.want.String())
			}
		})
	}
}

func TestCheckerExpectsNoOddRecord(t *testing.T) {
	pool := NewPool(7, 220, -1)
	odd := func(conn int, seq uint64) []byte {
		if conn == 1 && seq == 10 {
			return []byte("{}")
		}
		return nil
	}
	all, sent := topic(pool, 100)
	i := slices.IndexFunc(all, func(k kept) bool { return bytes.Equal(k.value, pool.Append(nil, 1, 10)) })
	for name, c := range map[string]struct {
		topic   []kept
		changed int64
	}{
		"absent": {slices.Delete(slices.Clone(all), i, i+1), 0},
		"there":  {all, 1},
	} {
		t.Run(name, func(t *testing.T) {
			checker := NewChecker(pool, 10, odd)
			for _, k := range c.topic {
				checker.Add(k.partition, k.value)
			}
			v := checker.Verdict(sent)
			if v.Changed != c.changed || v.Missing != 0 {
				t.Error(v.String())
			}
			if name == "there" && !strings.Contains(v.String(), "record 10 of connection 1") {
				t.Errorf("the finding does not say which record: %s", v.String())
			}
		})
	}
}
