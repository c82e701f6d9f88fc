package producer

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestLeaderThatIsElsewhere: librdkafka has its producer id of the broker that it was told of, and
// would be ready; that its leader is advertised where nobody is says the refresh.
func TestLeaderThatIsElsewhere(t *testing.T) {
	gone, there := kafkatest.Nobody(t), ""
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err == nil {
			there = l.Addr().String()
		}
		return kafkatest.Elsewhere(l, gone), err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, writer := range writers() {
		o, want := Options{Brokers: there, native: writer == WriterNative}, ""
		if !o.native {
			want = gone + ": connection refused"
		}
		a, err := newAdmin(&o)
		if err != nil {
			t.Fatal(err)
		}
		w := newWatcher("t", 1, false, a, newConnectivity(&o), slog.New(slog.DiscardHandler), nil)
		seen := w.refreshNow()
		a.close()
		if seen.Err != nil || (seen.Leaders != nil) != (want != "") {
			t.Errorf("%s: %v, %v", writer, seen.Err, seen.Leaders)
		} else if want != "" && !strings.Contains(seen.Leaders.Error(), want) {
			t.Errorf("%v", seen.Leaders)
		}
	}
	for _, writer := range writers() {
		o := Options{Brokers: gone, native: writer == WriterNative}
		a, err := newAdmin(&o)
		if err != nil {
			t.Fatal(err)
		}
		seen := newWatcher("t", 1, false, a, newConnectivity(&o), slog.New(slog.DiscardHandler), nil).refreshNow()
		a.close()
		if seen.Err == nil || !strings.Contains(seen.Err.Error(), o.Brokers+": connection refused") {
			t.Errorf("%s: %v", writer, seen.Err)
		}
	}
}
