package server

import (
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

func (r *rig) dialListener(listener int) net.Conn {
	r.t.Helper()
	nc, err := r.connect(listener, net.Dialer{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// nonzero is m without what did not happen.
func nonzero(m map[string]uint64) map[string]uint64 {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, n uint64) bool { return n == 0 })
	return m
}

// TestListenersAreCountedApart: whatever happens to the connections of one listener is counted there,
// and nowhere else; with the others' it is the server's sum; and the metrics say the same.
func TestListenersAreCountedApart(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	r := newRig(t, func(o *rigOptions) {
		o.Registerer, o.dead = reg, true
		plain := Listener{Network: "tcp", Address: loopback.Any(), Framing: codec.Newline}
		tls, denied := plain, plain
		tls.TLS, o.TLS = true, testTLS(t)
		denied.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		unix := Listener{Network: "unix", Address: filepath.Join(t.TempDir(), "s"), Framing: codec.Newline, Ack: true}
		o.Listeners = []Listener{plain, tls, denied, unix}
		o.refuse = func(s *Server, conn uint64, rec shard.Record) {
			if string(rec.Value) == `{"number":3}` {
				s.Refused(conn, rec.Ordinal, codec.RefusedByKafka)
			}
		}
	})
	const good, bad = "{\"number\":1}\n", "bad\n"
	r.send(r.dial(), strings.Repeat(good, 3)+bad)
	gone := r.dialListener(0)
	r.send(gone, good)
	_ = gone.Close()
	r.send(r.dialListener(1), strings.Repeat(good, 5)+"{}\n{\"number\":3}\n")
	closedByServer(t, r.dialListener(2))
	r.send(r.dialListener(3), good)
	foreign := r.dialListener(1).(interface{ NetConn() net.Conn }).NetConn()
	r.send(foreign, "no TLS at all, of no TLS at all\n")
	r.eventually("its end", func() bool { return r.Stats().Closed["tls"] == 1 })
	want := []ListenerStats{
		{Connections: 1, Opened: 2, Closed: map[string]uint64{"client": 1}, Records: 5, Bytes: uint64(4*len(good) + len(bad)),
			Rejected: map[string]uint64{"bad_json": 1}},
		{Connections: 1, Opened: 2, Closed: map[string]uint64{"tls": 1}, Records: 7, Bytes: uint64(6*len(good) + len("{}\n")),
			Rejected: map[string]uint64{"missing_field": 1, "refused_by_kafka": 1}},
		{Refused: map[string]uint64{"denied": 1}},
		{Connections: 1, Opened: 1, Records: 1, Bytes: uint64(len(good))},
	}
	urls := []string{"tcp://" + r.Addrs()[0].String(), "tls://" + r.Addrs()[1].String(), "tcp://" + r.Addrs()[2].String(),
		"unix://" + r.Addrs()[3].String()}
	r.eventually("all", func() bool {
		st := r.Stats()
		return st.Received == 13 && st.Rejected["refused_by_kafka"] == 1 && st.Connections == 3
	})
	for i, got := range r.Listeners() {
		w := want[i]
		if got.Listener != urls[i] || got.Connections != w.Connections || got.Opened != w.Opened || got.Records != w.Records ||
			got.Bytes != w.Bytes || !maps.Equal(nonzero(got.Refused), w.Refused) || !maps.Equal(nonzero(got.Closed), w.Closed) ||
			!maps.Equal(nonzero(got.Rejected), w.Rejected) {
			t.Errorf("%d: %+v\nwant %+v", i, got, w)
		}
	}
	r.sumsUp()
	r.metricsOfListeners(reg)
}

// sumsUp: the server has what its listeners have.
func (r *rig) sumsUp() {
	r.t.Helper()
	st, sum := r.Stats(), ListenerStats{}
	all := [3]map[string]uint64{{}, {}, {}}
	for _, l := range r.Listeners() {
		sum.Connections += l.Connections
		sum.Opened += l.Opened
		sum.Records += l.Records
		sum.Bytes += l.Bytes
		for i, m := range []map[string]uint64{l.Refused, l.Closed, l.Rejected} {
			for reason, n := range m {
				all[i][reason] += n
			}
		}
	}
	if st.Connections != sum.Connections || st.Opened != sum.Opened || st.Received != sum.Records || st.Bytes != sum.Bytes ||
		!maps.Equal(st.Refused, all[0]) || !maps.Equal(st.Closed, all[1]) || !maps.Equal(st.Rejected, all[2]) {
		r.t.Errorf("the server has %+v\nits listeners %+v %v", st, sum, all)
	}
}

// metricsOfListeners: each says what Listeners does.
func (r *rig) metricsOfListeners(reg prometheus.Gatherer) {
	families, err := reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			got[strings.TrimPrefix(metricKey(f.GetName(), m), "ringtail_")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	series := 0
	check := func(key string, want uint64) {
		if v, ok := got[key]; !ok || v != float64(want) {
			r.t.Errorf("%s is %v, %v, want %d", key, v, ok, want)
		}
		series++
	}
	for _, l := range r.Listeners() {
		check("listener_connections/"+l.Listener, uint64(l.Connections))
		check("listener_connections_opened_total/"+l.Listener, l.Opened)
		check("listener_records_received_total/"+l.Listener, l.Records)
		check("listener_bytes_received_total/"+l.Listener, l.Bytes)
		for name, m := range map[string]map[string]uint64{"connections_refused": l.Refused, "connections_closed": l.Closed, "records_rejected": l.Rejected} {
			for reason, n := range m {
				check("listener_"+name+"_total/"+l.Listener+"/"+reason, n)
			}
		}
	}
	for key := range got {
		if strings.HasPrefix(key, "listener_") {
			series--
		}
	}
	if series != 0 {
		r.t.Errorf("%d series are missing", series)
	}
	check("connections_max", uint64(r.Stats().ConnectionsMax))
}

// TestConnectionsMaxIsTheLimitInEffect: what is asked for, or what descriptors allow.
func TestConnectionsMaxIsTheLimitInEffect(t *testing.T) {
	most := int(descriptorCap(descriptorLimit(), descriptorsInUse()))
	for asked, want := range map[int]int{7: 7, 1 << 30: most, 0: most} {
		r := newRig(t, func(o *rigOptions) { o.MaxConnections = asked })
		if got := r.Stats().ConnectionsMax; got != want && (want == 7 || got > most || got < most-1000) {
			t.Errorf("asked for %d: %d", asked, got)
		}
	}
}

// TestListenersShareNoLabel: also where two have the same socket, as systemd can pass it.
func TestListenersShareNoLabel(t *testing.T) {
	s, _ := bareServer(t, codec.Newline, false)
	s.registry.listeners = newListenerCounts(3)
	l := s.listeners[0]
	url := l.url()
	for i, want := range []string{url, url + "#2", url + "#3"} {
		l.opt.index = i
		s.registry.nameListener(l)
		if got := s.registry.listeners[i].url; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
