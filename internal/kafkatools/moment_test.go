package kafkatools

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 26, 17, 0, 0, 0, time.UTC)
	local := func(hour, minute int) time.Time { return time.Date(2026, 11, 26, hour, minute, 0, 0, time.Local) }
	for s, want := range map[string]moment{
		"beginning": {offset: -2}, "end": {offset: -1}, "0": {offset: 0}, "42": {offset: 42}, "-1": {last: 1}, "-10": {last: 10},
		"2026-11-26T16:30:00Z": {since: now.Add(-30 * time.Minute)}, "2026-11-26T18:30:00.5+02:00": {since: now.Add(-30*time.Minute + 500*time.Millisecond)},
		"2026-11-26T16:30": {since: local(16, 30)}, "2026-11-26 16:30:00": {since: local(16, 30)}, "2026-11-26 16:30": {since: local(16, 30)}, "2026-11-26": {since: local(0, 0)},
		"15m": {since: now.Add(-15 * time.Minute)}, "1h30m": {since: now.Add(-90 * time.Minute)},
	} {
		got, err := parseMoment("--from", s, now)
		if err != nil || got.offset != want.offset || got.last != want.last || !got.since.Equal(want.since) {
			t.Errorf("%s is %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-0", "-", "--1", "1.5", "+5", "0s", "-5m", "yesterday", "2026-13-01", "99999999999999999999"} {
		var usage *config.UsageError
		if got, err := parseMoment("--from", s, now); !errors.As(err, &usage) {
			t.Errorf("%q is %+v, %v", s, got, err)
		}
	}
}

func TestWhereAMomentIs(t *testing.T) {
	since := time.Unix(1, 0)
	for _, c := range []struct {
		m                     moment
		first, next, at, want int64
	}{
		{moment{offset: -2}, 10, 50, -1, 10}, {moment{offset: -1}, 10, 50, -1, 50}, {moment{offset: 30}, 10, 50, -1, 30},
		{moment{offset: 0}, 10, 50, -1, 10}, {moment{offset: 60}, 10, 50, -1, 50}, {moment{offset: 5}, 0, 0, -1, 0},
		{moment{last: 5}, 10, 50, -1, 45}, {moment{last: 100}, 10, 50, -1, 10}, {moment{last: 5}, 50, 50, -1, 50},
		{moment{since: since}, 10, 50, 20, 20}, {moment{since: since}, 10, 50, -1, 50}, {moment{since: since}, 10, 50, 10, 10},
	} {
		if got := c.m.in(c.first, c.next, c.at); got != c.want {
			t.Errorf("%+v of %d to %d is %d, want %d", c.m, c.first, c.next, got, c.want)
		}
	}
}

// TestFrom: what is shown of two partitions, of thirty records and four, a minute apart.
func TestFrom(t *testing.T) {
	b := startBroker(t)
	_, err := b.admin.UpdatePartitions(t.Context(), 2, "t")
	b.check(err)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	b.check(err)
	defer client.Close()
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for partition, count := range []int{30, 4} {
		for n := range count {
			b.check(client.ProduceSync(t.Context(), &kgo.Record{
				Partition: int32(partition), Value: fmt.Appendf(nil, "%d:%d", partition, n), Timestamp: begin.Add(time.Duration(n) * time.Minute),
			}).FirstErr())
		}
	}
	at := func(minutes int) string {
		return begin.Add(time.Duration(minutes) * time.Minute).UTC().Format(time.RFC3339)
	}
	for from, begins := range map[string][2]int{
		"-3": {27, 1}, "-29": {1, 0}, "-1000": {0, 0}, "beginning": {0, 0}, "end": {30, 4}, at(2): {2, 2}, at(20): {20, 4}, at(-60): {0, 0}, at(40): {30, 4}, "2h": {0, 0}, "1s": {30, 4},
	} {
		for _, group := range []string{"", "g" + from} {
			var want []string
			for partition, count := range []int{30, 4} {
				for n := begins[partition]; n < count; n++ {
					want = append(want, fmt.Sprintf("%d:%d", partition, n))
				}
			}
			shown, told, err := b.consume(ConsumeOptions{Group: group, From: from, UntilEnd: true})
			slices.Sort(shown)
			slices.Sort(want)
			if err != nil || told != "" || !slices.Equal(shown, want) {
				t.Errorf("--from %s shows %v, says %q and ends with %v", from, shown, told, err)
			}
		}
	}
}
