package producer

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// at puts a record into a shard that came at that time. It does not step.
func (h *hands) at(i int, taken time.Duration) {
	h.t.Helper()
	c, err := h.rings[i].Claim(1, 10)
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetTaken(int64(taken))
	c.Append([]byte("0123456789"), nil, 1)
	c.Publish()
}

func (h *hands) seen(i int) StreamInsight { return h.e.insight(i, int64(h.clock)) }

// TestOldestOfEachShard: each shard has an oldest record of its own, also where it was not handed
// over, and whatever the engine does meanwhile.
func TestOldestOfEachShard(t *testing.T) {
	h := newHands(t, 3)
	h.e.cfg.WindowRecords = 1
	h.clock = time.Hour
	ages := func(want ...time.Duration) {
		t.Helper()
		h.e.step()
		h.e.step() // a batch is done once the cursor has left it
		for i, w := range want {
			if got := h.seen(i).Oldest; got != w {
				t.Errorf("%v: shard %d: %v, want %v", h.e.state, i, got, w)
			}
		}
	}
	ages(0, 0, 0)
	h.at(0, h.clock-5*time.Second)
	h.at(0, h.clock-3*time.Second) // not handed over: the window is full
	h.at(1, h.clock-4*time.Second)
	ages(5*time.Second, 4*time.Second, 0)
	if n := h.seen(0).UnderWay; n != 1 {
		t.Errorf("%d records under way, with a window of one", n)
	}
	h.c.acks(0)
	ages(3*time.Second, 4*time.Second, 0)
	h.c.fails(1, 1, backend.Progress{})
	h.c.progress[0].Reports = h.c.next[0] - h.c.first[0] // purged
	ages(3*time.Second, 4*time.Second, 0)
	h.at(2, h.clock-time.Second) // while nothing is handed over
	ages(3*time.Second, 4*time.Second, time.Second)
	if got := time.Duration(h.e.oldest.Load()); got != h.clock-4*time.Second {
		t.Errorf("the oldest of all came at %v", got)
	}
	h.renewed()
	for range 3 {
		for i := range 3 {
			h.c.acks(i)
		}
		h.e.step()
	}
	ages(0, 0, 0)
	for i := range 3 {
		if n := h.seen(i).UnderWay; n != 0 {
			t.Errorf("shard %d: %d records under way, and kafka has all", i, n)
		}
	}
}

// TestSleepsShortlyWhenNotRunning: while an engine is not running nobody wakes it for a record, so
// it looks by itself.
func TestSleepsShortlyWhenNotRunning(t *testing.T) {
	h := newHands(t, 1)
	h.e.state = stateRebuilding
	if h.e.sleep(time.Minute); len(h.c.polls) == 0 || h.c.polls[0] > int(unseenMax/time.Millisecond) {
		t.Errorf("slept for %v ms", h.c.polls)
	}
}

// TestStagesOfRecords: a client that tells how long records were in it and in brokers is believed,
// and the time before is the ring's.
func TestStagesOfRecords(t *testing.T) {
	h := newHands(t, 1)
	h.clock = time.Hour
	h.at(0, h.clock-time.Second)
	h.at(0, h.clock-3*time.Second)
	h.e.step()
	h.clock += 8 * time.Second
	h.c.progress[0].InWriter, h.c.progress[0].InBroker = 5*time.Second, 11*time.Second
	h.c.acks(0)
	want := StageTimes{Ring: 4 * time.Second, Writer: 5 * time.Second, Broker: 11 * time.Second}
	if h.e.step(); h.seen(0).Stages != want {
		t.Errorf("%+v, want %+v", h.seen(0).Stages, want)
	}
}

// TestBrokerShare: of a client that tells a share, that share of the time from the hand-over on is
// the brokers', and all of it where something was wrong meanwhile.
func TestBrokerShare(t *testing.T) {
	for _, wrong := range []bool{false, true} {
		h := newHands(t, 1)
		h.clock = time.Hour
		h.c.share, h.c.told = 0.75, true
		h.at(0, h.clock-time.Second)
		h.e.step()
		h.clock += 8 * time.Second
		want := StageTimes{Ring: time.Second, Writer: 2 * time.Second, Broker: 6 * time.Second}
		if wrong {
			backend.Note(&h.e.cfg.Insight.Troubles[0], "NOT_ENOUGH_REPLICAS")
			want = StageTimes{Ring: time.Second, Broker: 8 * time.Second}
		}
		h.c.acks(0)
		if h.e.step(); h.seen(0).Stages != want {
			t.Errorf("wrong %v: %+v, want %+v", wrong, h.seen(0).Stages, want)
		}
	}
}

// TestNewClientTellsAnew: what a client tells of times only grows, and begins at 0 with each.
func TestNewClientTellsAnew(t *testing.T) {
	h := newHands(t, 1)
	for round := range 3 {
		for range 2 {
			h.push(0, 1)
			h.c.progress[0].InBroker += time.Duration(round+1) * time.Second
			h.c.acks(0)
			h.e.step()
		}
		h.push(0, 1)
		h.c.progress[0].Failed, h.c.progress[0].Err = h.c.next[0]-1, 1
		h.c.progress[0].Reports++
		h.renewed()
		h.c.acks(0)
		h.e.step()
	}
	if got := h.seen(0).Stages.Broker; got != 12*time.Second {
		t.Errorf("%v in brokers, want 12s", got)
	}
}

// TestDeliveredBytes: the bytes of values count, without keys, and without records that were set
// aside.
func TestDeliveredBytes(t *testing.T) {
	h := newHands(t, 1)
	h.e.cfg.Keyed = true
	dead := h.withDead(1<<20, 1000)
	h.topic.Limit = 1000
	h.renewed()
	for _, size := range []int{100, 5000, 50} {
		c, _ := h.rings[0].Claim(1, size+3)
		c.Append([]byte(strings.Repeat("x", size)), []byte("key"), 1)
		c.Publish()
	}
	h.e.step()
	h.c.acks(0)
	for range 2 {
		h.e.step()
		batch, ok := dead.Next()
		if ok {
			dead.Free(batch.End)
		}
	}
	h.e.step()
	if got := h.seen(0); got.DeliveredBytes != 150 || got.Delivered != 2 || got.Refused != 1 {
		t.Errorf("%+v", got)
	}
}

// TestTroublesOfShards: what is wrong is told of the shards that wait for it, and no others: the
// partition's own trouble first, then its leader's, and what the client said.
func TestTroublesOfShards(t *testing.T) {
	now := time.Now()
	md := func(p ...backend.Partition) *backend.Metadata {
		now = now.Add(time.Second)
		return &backend.Metadata{At: now, Brokers: map[int32]string{1: "a:1"}, Partitions: p}
	}
	for name, c := range map[string]struct {
		partition backend.Partition
		do        func(h *hands)
		tells     bool // the client tells what is wrong with partitions
		want      string
	}{
		"nothing":          {partition: backend.Partition{Leader: 1, Replicas: []int32{1, 2}, InSync: 2}},
		"no leader":        {partition: backend.Partition{Leader: -1, InSync: 2}, want: "LEADER_NOT_AVAILABLE: nobody leads the partition"},
		"too few replicas": {partition: backend.Partition{Leader: 1, Replicas: []int32{1, 2}, InSync: 1}, want: "NOT_ENOUGH_REPLICAS: 1 in sync, min.insync.replicas is 2"},
		"the client tells": {partition: backend.Partition{Leader: 1, Replicas: []int32{1, 2}, InSync: 1}, tells: true},
		"a dead leader": {partition: backend.Partition{Leader: 1, InSync: 2}, tells: true, want: "broker 1 at a:1: refused", do: func(h *hands) {
			h.e.cfg.Insight.Broker(1).Down("broker 1 at a:1: refused")
		}},
		"another broker is dead": {partition: backend.Partition{Leader: 1, InSync: 2}, do: func(h *hands) { h.e.cfg.Insight.Broker(2).Down("broker 2 at b:1: refused") }},
		"a refusal":              {partition: backend.Partition{Leader: 1, InSync: 2}, do: func(h *hands) { h.c.fails(0, 29, backend.Progress{}) }, want: "TOPIC_AUTHORIZATION_FAILED"},
		"the client's error":     {partition: backend.Partition{Leader: 1, InSync: 2}, do: func(h *hands) { h.c.fails(0, backend.ErrTimedOut, backend.Progress{}) }, want: "_TIMED_OUT: Local: Timed out"},
	} {
		h := newHands(t, 2)
		h.e.cfg.Traits.TellsTroubles = c.tells
		h.topic.MinInSync = 2
		h.e.streams[1].partition = 1
		h.e.cfg.Insight.SetMetadata(md(c.partition, c.partition))
		h.clock += time.Hour
		h.at(0, h.clock)
		h.e.step()
		h.clock += time.Hour
		if c.do != nil {
			c.do(h)
		}
		h.e.step()
		if got := textOf(h.seen(0).LastError); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got := h.seen(1).LastError; got != nil {
			t.Errorf("%s: of a shard that has nothing to wait for: %q", name, got.Text)
		}
		if h.e.state == stateRunning {
			h.c.acks(0)
			h.clock += time.Minute
			h.e.step()
			if got := textOf(h.seen(0).LastError); got != c.want {
				t.Errorf("%s: when it is over: %q, want %q", name, got, c.want)
			}
		}
	}
}

// TestTopicTroubleOfShards: while there is no client, what is wrong with the topic is wrong with the
// shards that wait.
func TestTopicTroubleOfShards(t *testing.T) {
	h := newHands(t, 2)
	h.at(0, h.clock)
	h.e.step()
	h.c.fails(0, 3, backend.Progress{})
	h.topic.Err = errors.New("topic t is missing")
	h.until(stateRebuilding)
	for range 3 {
		h.clock += time.Minute
		h.topic.Refresh++
		h.e.step()
	}
	if got := []string{textOf(h.seen(0).LastError), textOf(h.seen(1).LastError)}; !slices.Equal(got, []string{"topic t is missing", ""}) {
		t.Errorf("%q", got)
	}
}

// TestSilenceIsWanted: an engine whose records wait for long wants to know whether brokers are
// silent, once a second, and with librdkafka what the topic is.
func TestSilenceIsWanted(t *testing.T) {
	h := newHands(t, 1)
	wanted := 0
	h.e.seams.silence = func() { wanted++ }
	h.clock = time.Hour
	h.at(0, h.clock)
	before := h.refreshes
	for range 2000 { // 20 s
		h.e.step()
		h.clock += 10 * time.Millisecond
	}
	if wanted < 14 || wanted > 16 || h.refreshes-before < 2 || h.refreshes-before > 3 {
		t.Errorf("wanted %d times, %d looks at the topic", wanted, h.refreshes-before)
	}
}

// TestStatesAreTold: an engine is starting until its first client is ready, and that alone.
func TestStatesAreTold(t *testing.T) {
	h := newHands(t, 1)
	h.e.ready = make(chan struct{})
	if got := h.seen(0).State; got != "starting" {
		t.Errorf("%q before the first client is ready", got)
	}
	close(h.e.ready)
	for _, s := range []state{stateRunning, stateSettling, stateDestroying, stateRebuilding, stateEnded} {
		if h.e.enter(s); h.seen(0).State != s.String() {
			t.Errorf("%q, want %v", h.seen(0).State, s)
		}
	}
}

// TestUnstarted: Insight works before Start.
func TestUnstarted(t *testing.T) {
	set := shard.Set{Rings: []*shard.Ring{anyRing(t, 1<<20), anyRing(t, 1<<20)}, Dead: anyRing(t, 1<<20)}
	w, err := Open(Options{Brokers: "127.0.0.1:1", Topic: "t", DeadLetterTopic: "d", Producers: 1, MaxRecordBytes: 1000, Fold: true}, set)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	in := w.Insight()
	if len(in.Streams) != 3 || in.Streams[1].State != "starting" || in.Streams[1].Leader != -1 || in.Streams[1].Oldest != 0 || len(in.Brokers) != 0 ||
		len(in.Topics) != 2 || in.Topics[1].Name != "d" || in.Topics[0].RecordLimit != 1000 || !strings.Contains(in.Topics[0].Error, "not looked at yet") {
		t.Errorf("%+v", in)
	}
}
