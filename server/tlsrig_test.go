package server

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/ringtail/ringtail/internal/certs/certtest"
)

// TestOverTLS is what holds of connections, with each of them encrypted: what a client gets to see,
// and what its records become, must not depend on that.
func TestOverTLS(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"hello":            TestHello,
		"order":            TestRecordsReachTheirRingsInOrder,
		"cut anywhere":     TestCutAtEveryOffset,
		"rejects":          TestRejectedRecordsBecomeDeadLetters,
		"refused by Kafka": TestRefusedByKafkaIsTold,
		"bad streams":      TestStreamThatCannotBeFollowedIsClosed,
		"stuck ring":       TestStuckRingStopsOnlyThoseThatNeedIt,
		"hand-over":        TestHandOverIsByteExact,
		"reset":            TestResetMidRecordLeavesNoPartOfIt,
		"half-close":       TestHalfClosedClientsGetLateAcks,
		"largest records":  TestLargestRecordsThroughTheSmallestRing,
		"pauser":           TestPauserIsByteExact,
		"pauser, ends":     TestPauserEndsConnections,
		"pauser, in turn":  TestPauserReadsOneAfterTheOther,
		"hogs":             TestHogsAreEndedByFrameTimeout,
		"large records":    TestLargeRecordsDoNotWaitForEachOther,
		"last records":     TestLastRecordsWithoutMemory,
		"frame timeout":    TestFrameTimeout,
		"no acks, idle":    TestClientThatNeverReadsItsAcksIsEndedByIdleTimeout,
		"unread rejects":   TestUnreadRejectsAreClientMemory,
		"unread lines":     TestUnreadLinesEndForOthers,
		"resets":           TestResetConnectionsHaveNoPlaces,
		"farewell":         TestFarewellReadsWhatIsUnderWay,
		"drain":            TestDrainLosesNothingOfClientsThatHadFinished,
		"drain, cut off":   TestDrainCutsOffThoseThatGoOnSending,
		"last acks":        TestFinishSaysTheLastAcks,
		"soak":             TestSoak,
		"soak, no memory":  TestSoakWithoutMemory,
	} {
		t.Run(name, test)
	}
}

// overTLS returns whether a test is one of TestOverTLS.
func overTLS(t testing.TB) bool { return strings.HasPrefix(t.Name(), "TestOverTLS/") }

// useTLS has a test's listeners speak TLS.
func (o *rigOptions) useTLS(t testing.TB) {
	for i := range o.Listeners {
		o.Listeners[i].TLS = o.Listeners[i].Network == "tcp"
	}
	if o.TLS == nil {
		o.TLS = testTLS(t)
	}
}

// testCA is one for all tests.
var testCA = struct {
	sync.Once
	ca   *certtest.CA
	pair tls.Certificate
}{}

func authority(t certtest.TB) *certtest.CA {
	testCA.Do(func() {
		testCA.ca = certtest.NewCA(t)
		testCA.pair = testCA.ca.Pair(t, certtest.Leaf{Name: "server", Hosts: []string{"server.test"}})
	})
	return testCA.ca
}

func testTLS(t certtest.TB) *tls.Config {
	authority(t)
	return &tls.Config{Certificates: []tls.Certificate{testCA.pair}, MinVersion: tls.VersionTLS12}
}

// connect connects to one of the listeners, as it wants it.
func (r *rig) connect(listener int, d net.Dialer) (net.Conn, error) {
	a := r.Addrs()[listener]
	if !r.opt.Listeners[listener].TLS {
		return d.Dial(a.Network(), a.String())
	}
	return tls.DialWithDialer(&d, a.Network(), a.String(), clientTLS(r.t))
}

func clientTLS(t certtest.TB) *tls.Config {
	return &tls.Config{RootCAs: authority(t).Pool(), ServerName: "server.test"}
}

// tcpOf is a client's socket, nil if it is another kind.
func tcpOf(nc net.Conn) *net.TCPConn {
	if c, ok := nc.(*tls.Conn); ok {
		nc = c.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}
