package kafkatools

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/config"
)

// squeezed is text with one space for any run of them.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func run(f func(s Streams) error) (out, told string, err error) {
	var o bytes.Buffer
	var e said
	err = f(Streams{Out: &o, Err: &e})
	return squeezed(o.String()), e.String(), err
}

// reset sets group g's offsets in t.
func (b *broker) reset(to string, partition int) (out, told string, err error) {
	return run(func(s Streams) error {
		return ResetGroup(context.Background(), b.Cluster, ResetOptions{Group: "g", Topic: "t", To: to, Partition: partition}, s)
	})
}

func TestGroups(t *testing.T) {
	b := startBroker(t)
	_, err := b.admin.UpdatePartitions(t.Context(), 2, "t")
	b.check(err)
	b.write(0, 100)
	b.write(1, 10)
	b.forget(60)
	ctx := t.Context()
	reset := b.reset
	var usage *config.UsageError
	if _, _, err := run(func(s Streams) error { return DescribeGroup(ctx, b.Cluster, "g", false, s) }); !errors.As(err, &usage) || !strings.Contains(err.Error(), "group g does not exist") {
		t.Errorf("describe of a group that is not there: %v", err)
	}
	was := "- -" // by partition, as the last reset left them
	for _, c := range []struct {
		to        string
		partition int
		now, told string
	}{
		{"beginning", -1, "60 0", ""},
		{"end", 1, "60 10", ""},
		{"-5", -1, "95 5", ""},
		{"70", -1, "70 10", "t:1 has offsets 0 to 10; set to 10 instead of 70"},
		{"3", -1, "60 3", "t:0 has offsets 60 to 100; set to 60 instead of 3"},
		{"1h", -1, "60 0", ""},
		{"2199-01-01", -1, "100 10", ""},
	} {
		out, told, err := reset(c.to, c.partition)
		a, n := strings.Fields(was), strings.Fields(c.now)
		want := "PARTITION FROM TO\n0 " + a[0] + " " + n[0] + "\n1 " + a[1] + " " + n[1]
		if c.partition == 1 {
			want = "PARTITION FROM TO\n1 " + a[1] + " " + n[1]
		}
		if err != nil || out != want || strings.Contains(told, "instead") != (c.told != "") || !strings.Contains(told, c.told) {
			t.Errorf("reset to %s prints %q, want %q; it says %q and ends with %v", c.to, out, want, told, err)
		}
		was = c.now
	}
	if out, _, err := run(func(s Streams) error { return ListGroups(ctx, b.Cluster, false, s) }); err != nil || out != "GROUP STATE\ng empty" {
		t.Errorf("list prints %q and ends with %v", out, err)
	}
	if _, _, err := reset("end", 0); err != nil {
		t.Error(err)
	}
	b.write(1, 2)
	out, _, err := run(func(s Streams) error { return DescribeGroup(ctx, b.Cluster, "g", false, s) })
	if want := "group g: empty, 0 members\nTOPIC PARTITION COMMITTED FIRST NEXT LAG MEMBER\nt 0 100 60 100 0 -\nt 1 10 0 12 2 -"; err != nil || out != want {
		t.Errorf("describe prints %q, want %q, and ends with %v", out, want, err)
	}
	for _, c := range []struct {
		to        string
		partition int
	}{{"yesterday", -1}, {"end", 2}} {
		if _, _, err := reset(c.to, c.partition); !errors.As(err, &usage) {
			t.Errorf("reset to %s of partition %d: %v", c.to, c.partition, err)
		}
	}
}

// TestGroupsWhileElecting: before the brokers know which of them has a group, nobody is told that.
func TestGroupsWhileElecting(t *testing.T) {
	b := startBroker(t)
	var asked atomic.Int32
	b.fake.ControlKey(int16(kmsg.DescribeGroups), func(q kmsg.Request) (kmsg.Response, error, bool) {
		if asked.Add(1) > 2 {
			return nil, nil, false
		}
		b.fake.KeepControl()
		r := q.(*kmsg.DescribeGroupsRequest)
		answer := r.ResponseKind().(*kmsg.DescribeGroupsResponse)
		answer.Groups = []kmsg.DescribeGroupsResponseGroup{{Group: r.Groups[0], ErrorCode: kerr.CoordinatorLoadInProgress.Code}}
		return answer, nil, true
	})
	if _, _, err := run(func(s Streams) error { return DescribeGroup(t.Context(), b.Cluster, "g", false, s) }); err == nil || !strings.Contains(err.Error(), "group g does not exist") {
		t.Errorf("describe ends with %v", err)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("the broker was asked %d times, want 3", n)
	}
}

// TestResetBesideAMember: while a member runs, nothing is set.
func TestResetBesideAMember(t *testing.T) {
	b := startBroker(t)
	ctx := t.Context()
	member, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	var shown said
	go func() {
		ended <- Consume(member, b.Cluster, ConsumeOptions{Topics: config.List{"t"}, Group: "g", From: "end", Partition: -1, Format: "text"}, Streams{Out: &shown, Err: &said{}})
	}()
	eventually(t, "the member reads", func() bool { b.write(0, 1); return shown.String() != "" })
	if _, _, err := b.reset("beginning", -1); err == nil || !strings.Contains(err.Error(), "group g has 1 member") {
		t.Errorf("reset beside a member ends with %v", err)
	}
	out, _, err := run(func(s Streams) error { return DescribeGroup(ctx, b.Cluster, "g", false, s) })
	if err != nil || !strings.HasPrefix(out, "group g: stable, 1 member\n") || strings.Count(out, " on 127.0.0.1") != 1 {
		t.Errorf("describe beside a member prints %q and ends with %v", out, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestGroupOfTheNewerProtocol: its members are no less than others.
func TestGroupOfTheNewerProtocol(t *testing.T) {
	b := startBroker(t)
	member, err := b.client(map[string]string{"group.id": "g", "group.protocol": "consumer"}, kgo.ConsumeTopics("t"))
	b.check(err)
	defer member.Close()
	b.write(0, 1)
	b.check(member.PollFetches(t.Context()).Err())
	out, _, err := run(func(s Streams) error { return DescribeGroup(t.Context(), b.Cluster, "g", false, s) })
	if err != nil || !strings.HasPrefix(out, "group g: stable, 1 member\n") {
		t.Errorf("describe prints %q and ends with %v", out, err)
	}
	if _, _, err := b.reset("beginning", -1); err == nil || !strings.Contains(err.Error(), "group g has 1 member") {
		t.Errorf("reset beside a member ends with %v", err)
	}
}
