package backend

import (
	"slices"
	"testing"
	"time"
)

// TestRequests: requests are counted in the bucket of their time, and told of by quantiles.
func TestRequests(t *testing.T) {
	var r Requests
	if p50, p99 := r.Recent(); p50 != 0 || p99 != 0 {
		t.Errorf("before the first: %v, %v", p50, p99)
	}
	for _, took := range []time.Duration{400 * time.Microsecond, time.Millisecond, 3 * time.Second, time.Hour} {
		r.told.Store(0) // look at once
		r.Add(took)
	}
	buckets := make([]uint64, len(RequestBounds)+1)
	n, sum := r.Snapshot(buckets)
	want := []uint64{0: 1, 1: 1, 12: 1, len(RequestBounds): 1}
	if n != 4 || sum != time.Hour+3*time.Second+1400*time.Microsecond || !slices.Equal(buckets, want) {
		t.Errorf("%d requests of %v, %v", n, sum, buckets)
	}
	p50, p99 := r.Recent()
	if p50 < 990*time.Microsecond || p50 > 1010*time.Microsecond || p99 < 9*time.Minute || p99 > 11*time.Minute {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
	r.rotated -= 2 * recentWindow
	r.told.Store(0)
	r.Add(time.Second)
	if p50, _ := r.Recent(); p50 < 990*time.Millisecond {
		t.Errorf("p50 %v, which is older than the last seconds", p50)
	}
	r.told.Add(-recentMax)
	if p50, p99 := r.Recent(); p50 != 0 || p99 != 0 {
		t.Errorf("%v and %v of the last seconds, and nothing was answered in them", p50, p99)
	}
}

// TestAddSpread: of requests of which only quantiles are known, each counts once, and as the
// quantile above it.
func TestAddSpread(t *testing.T) {
	var r Requests
	r.AddSpread(10, 7*time.Second, []Quantile{{0.5, time.Millisecond}, {0.9, 20 * time.Millisecond}, {0.99, 40 * time.Millisecond}, {1, 6 * time.Second}})
	r.AddSpread(0, 0, []Quantile{{0.5, 0}, {1, 0}})
	buckets := make([]uint64, len(RequestBounds)+1)
	n, sum := r.Snapshot(buckets)
	if want := []uint64{1: 5, 5: 4, 6: 1, len(RequestBounds): 0}; n != 10 || sum != 7*time.Second || !slices.Equal(buckets, want) {
		t.Errorf("%d requests of %v, %v", n, sum, buckets)
	}
	if p50, p99 := r.Recent(); p50 != time.Millisecond || p99 != 40*time.Millisecond {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

// TestBrokerStates: what a broker does changes its state, and a broker that is down is so until it
// answers.
func TestBrokerStates(t *testing.T) {
	b := NewInsight(0).Broker(3)
	for i, step := range []struct {
		do   func()
		want BrokerState
	}{
		{func() {}, BrokerIdle},
		{b.Connecting, BrokerConnecting},
		{b.Up, BrokerUp},
		{b.Rest, BrokerIdle},
		{b.Still, BrokerIdle},
		{func() { b.Note("slow") }, BrokerIdle},
		{func() { b.Down("refused") }, BrokerDown},
		{b.Connecting, BrokerDown},
		{b.Rest, BrokerDown},
		{b.Still, BrokerDown},
		{b.Up, BrokerUp},
		{func() { b.Down("nothing") }, BrokerDown},
	} {
		step.do()
		if got, _, _ := b.State(); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
	if got := b.Trouble(); got == nil || got.Text != "nothing" || time.Since(got.At) > time.Minute {
		t.Errorf("%+v", got)
	}
}

// TestUnderWay: a request's age grows while it is under way, where it is known.
func TestUnderWay(t *testing.T) {
	b := NewInsight(0).Broker(3)
	for _, c := range []struct {
		n        int
		oldest   time.Duration
		at, most time.Duration
	}{{0, 0, 0, 0}, {1, 0, 1, time.Minute}, {2, time.Millisecond, time.Millisecond, time.Minute}, {1, -1, 0, 0}, {0, 0, 0, 0}} {
		b.SetUnderWay(c.n, c.oldest)
		if n, oldest := b.UnderWay(); n != c.n || oldest < c.at || oldest > c.most {
			t.Errorf("%+v: %d, %v", c, n, oldest)
		}
	}
}

// TestMetadataOfTheCluster: the newest counts, whoever tells it; a broker that is gone from it is
// down, and what is known to be wrong with it stays.
func TestMetadataOfTheCluster(t *testing.T) {
	in, now := NewInsight(0), time.Now()
	in.SetLeaders(map[int32]int32{0: 1}) // nobody knows the topic yet
	in.SetMetadata(&Metadata{At: now, Brokers: map[int32]string{1: "a:1", 2: "b:1", 3: "c:1"}, Partitions: []Partition{{1, []int32{1, 2}, 2}, {2, []int32{2}, 1}}})
	in.Broker(3).Down("broker 3 at c:1: connection refused")
	in.SetMetadata(&Metadata{At: now.Add(-1), Brokers: map[int32]string{7: "x:1"}})
	if in.Metadata().Brokers[7] != "" || in.Broker(2).Address() != "b:1" {
		t.Error("older metadata is believed")
	}
	in.SetLeaders(map[int32]int32{0: 2, 1: -1, 9: 1, -1: 3})
	if md := in.Metadata(); md.Leader(0) != 2 || md.Leader(1) != -1 || md.Leader(9) != -1 || md.Whole() || (*Metadata)(nil).Leader(0) != -1 {
		t.Errorf("%+v", md)
	}
	in.SetMetadata(&Metadata{At: now.Add(1), Brokers: map[int32]string{1: "a:1"}, Partitions: []Partition{{1, []int32{1, 2}, 2}}})
	for id, want := range map[int32]string{1: "", 2: "broker 2 at b:1: the cluster does not count it among its brokers any more", 3: "broker 3 at c:1: connection refused"} {
		got := ""
		if trouble := in.Broker(id).Trouble(); trouble != nil {
			got = trouble.Text
		}
		if got != want {
			t.Errorf("broker %d: %q, want %q", id, got, want)
		}
	}
	if !in.Metadata().Whole() {
		t.Error("a partition whose replicas are in sync is not whole")
	}
	in.SetMetadata(&Metadata{At: now.Add(2), Partitions: []Partition{{1, []int32{1, 2}, 1}}})
	if in.Metadata().Whole() {
		t.Error("a partition with a replica that lags is whole")
	}
}

// TestNote: the same error is noted anew once a second, another at once.
func TestNote(t *testing.T) {
	in := NewInsight(1)
	at := &in.Troubles[0]
	Note(at, "a")
	first := at.Load()
	if Note(at, "a"); at.Load() != first {
		t.Error("noted again at once")
	}
	if Note(at, "b"); at.Load().Text != "b" {
		t.Error("another error is not noted")
	}
	at.Store(&Trouble{At: time.Now().Add(-time.Hour), Text: "b"})
	if Note(at, "b"); time.Since(at.Load().At) > time.Minute {
		t.Error("it is not told that it is still so")
	}
}

// TestCodeName: codes have Kafka's names, also those that nobody knows.
func TestCodeName(t *testing.T) {
	for code, want := range map[int]string{19: "NOT_ENOUGH_REPLICAS", 6: "NOT_LEADER_OR_FOLLOWER", 56: "KAFKA_STORAGE_ERROR", -1: "UNKNOWN_SERVER_ERROR", 999: "error code 999"} {
		if got := CodeName(code); got != want {
			t.Errorf("%d: %q, want %q", code, got, want)
		}
	}
}

// TestErrorText: a broker's error has Kafka's name and text.
func TestErrorText(t *testing.T) {
	for code, want := range map[int]string{
		19: "NOT_ENOUGH_REPLICAS: Messages are rejected since there are fewer in-sync replicas than required.", ErrTimedOut: "_TIMED_OUT: Local: Timed out", 999: "error code 999",
	} {
		if got := ErrorText(code); got != want {
			t.Errorf("%d: %q, want %q", code, got, want)
		}
	}
}
