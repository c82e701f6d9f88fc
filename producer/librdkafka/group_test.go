package librdkafka

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/embedded"
)

// member is a Reader in a group of one topic with two partitions, with what a program
// that uses it would remember.
type member struct {
	t    *testing.T
	r    *Reader
	mine []Partition
	next map[Partition]int64
	got  []string
}

func join(t *testing.T, b *embedded.Broker, more map[string]string) *member {
	t.Helper()
	properties := map[string]string{
		"bootstrap.servers": b.Address(), "group.id": "g", "enable.auto.commit": "false", "enable.auto.offset.store": "false",
		"auto.offset.reset": "earliest", "session.timeout.ms": "6000", "heartbeat.interval.ms": "200", "enable.metrics.push": "false",
	}
	for k, v := range more {
		properties[k] = v
	}
	r, err := NewReader(properties, "t")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Subscribe(); err != nil {
		t.Fatal(err)
	}
	return &member{t: t, r: r, next: map[Partition]int64{}}
}

// poll reads what is there, commits what it read of partitions that are taken, and
// answers the group.
func (m *member) poll() {
	m.t.Helper()
	if _, err := m.r.Fetch(50, func(rec *Message) error {
		switch rec.Err {
		case kafka.ErrNoError:
			if !slices.Contains(m.mine, rec.Partition) {
				m.t.Errorf("a record of partition %v, which is not ours", rec.Partition)
			}
			m.got = append(m.got, string(rec.Value))
			m.next[rec.Partition] = rec.Offset + 1
		case kafka.ErrAssignPartitions:
			at, err := m.r.Committed(rec.Partitions, 10_000)
			if err != nil {
				return err
			}
			for i := range at {
				if at[i].Offset < 0 {
					at[i].Offset = int64(kafka.OffsetBeginning)
				}
			}
			m.mine = append(m.mine, rec.Partitions...)
			return m.r.Assign(at)
		case kafka.ErrRevokePartitions:
			var at []Position
			for _, p := range rec.Partitions {
				if next, ok := m.next[p]; ok {
					at = append(at, Position{p, next})
				}
				delete(m.next, p)
				m.mine = slices.DeleteFunc(m.mine, func(x Partition) bool { return x == p })
			}
			if !m.r.Lost() && len(at) > 0 {
				if err := m.r.Commit(at, 10_000); err != nil {
					return err
				}
			}
			return m.r.Unassign(rec.Partitions)
		}
		return nil
	}); err != nil {
		m.t.Fatal(err)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("still not true: %s", what)
		}
	}
}

// TestGroup: partitions move from one member to two and back, under both protocols,
// and no record is handed out twice or to nobody.
func TestGroup(t *testing.T) {
	for name, more := range map[string]map[string]string{
		"eager":       {"partition.assignment.strategy": "range"},
		"cooperative": {"partition.assignment.strategy": "cooperative-sticky"},
	} {
		t.Run(name, func(t *testing.T) {
			b := broker(t)
			c, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			sent := 0
			send := func() {
				var records []*kgo.Record
				for range 1000 {
					records = append(records, &kgo.Record{Value: fmt.Append(nil, sent), Partition: int32(sent % 2)})
					sent++
				}
				if err := c.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			send()
			first := join(t, b, more)
			until(t, "the first has read all", func() bool { first.poll(); return len(first.got) == sent })
			if low, high := first.r.Ends(Partition{0, 1}); low != 0 || high != 500 {
				t.Errorf("partition 1 has offsets %d to %d, want 0 to 500", low, high)
			}
			if low, high, err := first.r.Range([]Partition{{0, 1}, {0, 0}}, 10_000); err != nil || fmt.Sprint(low, high) != "[{{0 1} 0} {{0 0} 0}] [{{0 1} 500} {{0 0} 500}]" {
				t.Errorf("the partitions have offsets %v to %v, want 0 to 500: %v", low, high, err)
			}
			second := join(t, b, more)
			until(t, "each has one partition", func() bool { first.poll(); second.poll(); return len(first.mine) == 1 && len(second.mine) == 1 })
			send()
			until(t, "both have read all", func() bool { first.poll(); second.poll(); return len(first.got)+len(second.got) >= sent })
			if len(second.got) != 500 {
				t.Errorf("the second has read %d, want half of the new ones", len(second.got))
			}
			if err := second.r.Commit([]Position{{second.mine[0], second.next[second.mine[0]]}}, 10_000); err != nil {
				t.Fatal(err)
			}
			second.r.Close()
			until(t, "the first has both", func() bool { first.poll(); return len(first.mine) == 2 })
			send()
			until(t, "the first has read the rest", func() bool { first.poll(); return len(first.got)+len(second.got) >= sent })
			first.r.Close()
			all := append(first.got, second.got...)
			slices.Sort(all)
			if n := len(slices.Compact(all)); n != sent || len(all) != sent {
				t.Errorf("%d records were handed out, %d different ones, want %d", len(all), n, sent)
			}
		})
	}
}

// TestCloseUnanswered: a reader that is closed while the group waits for its answer, be it to what
// is given or to what is taken, leaves the group all the same.
func TestCloseUnanswered(t *testing.T) {
	for _, strategy := range []string{"range", "cooperative-sticky"} {
		for name, change := range map[string]kafka.ErrorCode{"given": kafka.ErrAssignPartitions, "taken": kafka.ErrRevokePartitions} {
			t.Run(strategy+"/"+name, func(t *testing.T) {
				b := broker(t)
				more := map[string]string{"partition.assignment.strategy": strategy}
				m := join(t, b, more)
				next := m
				if change == kafka.ErrRevokePartitions {
					until(t, "it has both partitions", func() bool { m.poll(); return len(m.mine) == 2 })
					next = join(t, b, more)
				}
				asked := false
				until(t, "the group asks", func() bool {
					if next != m {
						next.poll()
					}
					if _, err := m.r.Fetch(50, func(rec *Message) error {
						asked = asked || rec.Err == change && rec.Value == nil && len(rec.Partitions) > 0
						return nil
					}); err != nil {
						t.Fatal(err)
					}
					return asked
				})
				m.r.Close()
				if next == m {
					next = join(t, b, more)
				}
				until(t, "the next member has both partitions", func() bool { next.poll(); return len(next.mine) == 2 })
				next.r.Close()
			})
		}
	}
}

func TestCommitWithoutBroker(t *testing.T) {
	b, err := embedded.Start(0, map[string]int{"t": 2})
	if err != nil {
		t.Fatal(err)
	}
	m := join(t, b, nil)
	until(t, "the group gives partitions", func() bool { m.poll(); return len(m.mine) == 2 })
	b.Close()
	if err := m.r.Commit([]Position{{Offset: 1}}, 100); err == nil {
		t.Error("committed, without a broker")
	}
	if _, err := m.r.Committed([]Partition{{}}, 100); err == nil {
		t.Error("asked, without a broker")
	}
	if _, _, err := m.r.Range([]Partition{{}}, 100); err == nil {
		t.Error("asked for the range, without a broker")
	}
	// Not closed: that may wait for the group's coordinator, which never comes.
}
