package producer

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// watched is a watcher of topic t, of three partitions, in a Kafka that says of its settings what a
// test wants.
type watched struct {
	*watcher
	cluster *kfake.Cluster
	says    atomic.Pointer[settings]
	told    int // looks
}

// settings are a topic's, or why they may not be read.
type settings struct {
	values map[string]string
	code   int16
}

func newWatched(t *testing.T, writer, name string, partitions int, keyed bool) *watched {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	l := &watched{cluster: cluster}
	cluster.ControlKey(int16(kmsg.DescribeConfigs), func(q kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		a, says := q.ResponseKind().(*kmsg.DescribeConfigsResponse), l.says.Load()
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ErrorCode, r.ResourceType, r.ResourceName = says.code, kmsg.ConfigResourceTypeTopic, "t"
		for k, v := range says.values {
			c := kmsg.NewDescribeConfigsResponseResourceConfig()
			c.Name, c.Value = k, kmsg.StringPtr(v)
			r.Configs = append(r.Configs, c)
		}
		a.Resources = append(a.Resources, r)
		return a, nil, true
	})
	o := Options{Brokers: cluster.ListenAddrs()[0], native: writer == WriterNative}
	a, err := newAdmin(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	l.watcher = newWatcher(name, partitions, keyed, a, newConnectivity(&o), slog.New(slog.DiscardHandler), func() { l.told++ })
	return l
}

// eachAsker runs a test with whoever asks for each writer.
func eachAsker(t *testing.T, f func(t *testing.T, writer string)) {
	for _, w := range writers() {
		t.Run(w, func(t *testing.T) { f(t, w) })
	}
}

// TestRefresh: what one refresh of a topic says of it.
func TestRefresh(t *testing.T) { eachAsker(t, refreshes) }

func refreshes(t *testing.T, writer string) {
	for _, c := range []struct {
		what       string
		topic      string
		partitions int
		keyed      bool
		settings   map[string]string
		code       int16
		want       topicState
		unfit      bool
	}{
		{"as it should be", "t", 3, false, map[string]string{"max.message.bytes": "2000", "cleanup.policy": "delete"}, 0, topicState{Limit: 2000}, false},
		{"a large limit", "t", 1, false, map[string]string{"max.message.bytes": "20000000", "cleanup.policy": "delete"}, 0, topicState{Limit: 20_000_000}, false},
		{"too few partitions", "t", 4, false, nil, 0, topicState{}, true},
		{"missing", "other", 1, false, nil, 0, topicState{}, true},
		{"compacted", "t", 3, false, map[string]string{"cleanup.policy": "compact"}, 0, topicState{}, true},
		{"compacted, with keys", "t", 3, true, map[string]string{"cleanup.policy": "compact"}, 0, topicState{Limit: limitDefault, Compacted: true}, false},
		{"compacted as well", "t", 3, true, map[string]string{"cleanup.policy": "compact,delete"}, 0, topicState{Limit: limitDefault, Compacted: true}, false},
		{"not compacted, with keys", "t", 3, true, map[string]string{"cleanup.policy": "delete"}, 0, topicState{Limit: limitDefault}, false},
		{"not permitted", "t", 3, true, map[string]string{"max.message.bytes": "2000"}, kerr.TopicAuthorizationFailed.Code, topicState{Limit: limitDefault, Assumed: true}, false},
		{"not told", "t", 3, true, map[string]string{"max.message.bytes": "2000"}, kerr.UnknownServerError.Code, topicState{Limit: limitDefault, Assumed: true}, false},
	} {
		l := newWatched(t, writer, c.topic, c.partitions, c.keyed)
		l.says.Store(&settings{c.settings, c.code})
		got := l.refreshNow()
		if unfit := errors.Is(got.Err, ErrTopic); unfit != c.unfit || got.Err != nil && !unfit || got.Refresh != 1 || l.told != 1 {
			t.Errorf("%s: %+v, told %d times", c.what, got, l.told)
			continue
		}
		if !c.unfit && (got.Limit != c.want.Limit || got.Compacted != c.want.Compacted || got.Assumed != c.want.Assumed || got.Partitions != 3) {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

// TestLaterRefreshes: what is known stays known as long as a later refresh cannot tell better.
func TestLaterRefreshes(t *testing.T) { eachAsker(t, laterRefreshes) }

func laterRefreshes(t *testing.T, writer string) {
	l := newWatched(t, writer, "t", 3, true)
	l.says.Store(&settings{map[string]string{"max.message.bytes": "2000", "cleanup.policy": "compact"}, 0})
	known := l.refreshNow()
	l.says.Store(&settings{nil, kerr.TopicAuthorizationFailed.Code})
	if got := l.refreshNow(); got.Err != nil || got.Limit != 2000 || !got.Compacted || got.Assumed || got.Refresh != known.Refresh+1 {
		t.Errorf("settings may not be read any more: %+v", got)
	}
	l.cluster.ControlKey(int16(kmsg.Metadata), func(q kmsg.Request) (kmsg.Response, error, bool) {
		l.cluster.KeepControl()
		a := q.ResponseKind().(*kmsg.MetadataResponse)
		r := kmsg.NewMetadataResponseTopic()
		r.Topic, r.ErrorCode = kmsg.StringPtr("t"), kerr.TopicAuthorizationFailed.Code
		a.Topics = append(a.Topics, r)
		return a, nil, true
	})
	got := l.refreshNow()
	if got.Err == nil || errors.Is(got.Err, ErrTopic) || got.Limit != 2000 || !got.Compacted || got.Partitions != 3 || got.Refresh != known.Refresh+2 {
		t.Errorf("the topic may not be seen any more: %+v", got)
	}
	if l.topic() != got || l.told != 3 {
		t.Errorf("told %d times; the newest refresh is %+v", l.told, l.topic())
	}
}

// TestSilentAndTaken: while Kafka takes records, a broker that cannot be asked about the topic does
// not make it one that cannot be written; when it takes none, it does.
func TestSilentAndTaken(t *testing.T) { eachAsker(t, silentAndTaken) }

func silentAndTaken(t *testing.T, writer string) {
	l := newWatched(t, writer, "t", 3, false)
	l.says.Store(&settings{})
	if seen := l.refreshNow(); seen.Err != nil || seen.Refresh != 1 {
		t.Fatalf("%+v", seen)
	}
	l.cluster.Close()
	l.admin.limit = metadataSoon
	records := uint64(0)
	l.taken = func() uint64 { records++; return records }
	if seen := l.refreshNow(); seen.Err != nil || seen.Refresh != 1 || l.topic().Err != nil {
		t.Errorf("records come into Kafka: %+v", seen)
	}
	l.taken = func() uint64 { return records }
	if seen := l.refreshNow(); seen.Err == nil || seen.Refresh != 2 || l.topic().Err == nil {
		t.Errorf("no records come into Kafka: %+v", seen)
	}
}
