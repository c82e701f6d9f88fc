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
	for native, want := range map[bool]string{true: "", false: gone + ": connection refused"} {
		o := Options{Brokers: there, native: native}
		a, err := newAdmin(o.common())
		if err != nil {
			t.Fatal(err)
		}
		w := newWatcher("t", 1, false, a, newConnectivity(&o), slog.New(slog.DiscardHandler), nil)
		seen := w.refreshNow()
		a.close()
		if seen.Err != nil || (seen.Leaders != nil) != (want != "") {
			t.Errorf("native %v: %v, %v", native, seen.Err, seen.Leaders)
		} else if want != "" && !strings.Contains(seen.Leaders.Error(), want) {
			t.Errorf("%v", seen.Leaders)
		}
	}
	o := Options{Brokers: kafkatest.Nobody(t)}
	a, err := newAdmin(o.common())
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if seen := newWatcher("t", 1, false, a, newConnectivity(&o), slog.New(slog.DiscardHandler), nil).refreshNow(); seen.Err == nil || !strings.Contains(seen.Err.Error(), o.Brokers+": connection refused") {
		t.Errorf("%v", seen.Err)
	}
}
