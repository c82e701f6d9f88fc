package server

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
)

// hello is a blank record in a framing, and the framing of the answer.
type hello struct {
	framing, answers codec.Framing
	blank            string
}

func hellos() (list []hello) {
	for _, f := range everyFraming {
		list = append(list, hello{f, f, anyFrame(f, " ")})
	}
	return append(list, hello{codec.Newline, codec.Newline, "\n"}, hello{codec.NUL, codec.NUL, "\x00"},
		hello{codec.Auto, codec.Length, anyFrame(codec.Length, " ")})
}

func (r *rig) stick(stuck bool) {
	for i := range r.w.stuck {
		r.w.stuck[i].Store(stuck)
	}
}

// patient is a connection whose reads end, should an answer not come.
func (r *rig) patient() net.Conn {
	nc := r.dial()
	_ = nc.SetReadDeadline(time.Now().Add(60 * time.Second))
	return nc
}

// TestHello: who begins with a blank record is told {"acked":0}, in its own framing, once, before its
// first record comes and while no ring moves; however the bytes are cut, and where no loop reads.
func TestHello(t *testing.T) {
	for _, h := range hellos() {
		t.Run(fmt.Sprintf("%v %q", h.framing, h.blank), func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) { o.ack, o.framing = true, h.framing })
			stream := h.blank + h.blank + anyFrame(h.answers, record(1))
			for cut := 1; cut <= len(h.blank)+4; cut++ {
				r.stick(true)
				giveBack := func() {}
				if cut >= len(h.blank) && cut%2 == 0 {
					giveBack = r.useUp()
				}
				nc, before := r.patient(), r.Stats().Bytes
				r.send(nc, stream[:cut])
				if cut < len(h.blank) {
					r.eventually("the first part", func() bool { return r.Stats().Bytes == before+uint64(cut) })
					r.send(nc, stream[cut:len(h.blank)])
				}
				want := anyFrame(h.answers, `{"acked":0}`)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
					t.Errorf("cut at %d: told %q, %v; want %q", cut, got, err, want)
				}
				r.send(nc, stream[max(cut, len(h.blank)):])
				giveBack()
				halfClose(nc)
				r.eventually("all of it", func() bool { return r.Stats().Bytes == before+uint64(len(stream)) })
				r.stick(false)
				if rest, err := io.ReadAll(nc); err != nil || string(rest) != anyFrame(h.answers, `{"acked":1}`) {
					t.Errorf("cut at %d: then %q, %v", cut, rest, err)
				}
			}
		})
	}
}

// exchange sends all of stream, and returns all that the server says.
func (r *rig) exchange(stream string) string {
	r.t.Helper()
	nc := r.patient()
	r.send(nc, stream)
	halfClose(nc)
	told, err := io.ReadAll(nc)
	if err != nil {
		r.t.Errorf("%q: told %q, %v", stream, told, err)
	}
	return string(told)
}

// TestNoHello: who sends a record first, good or bad, hears of its records alone; who is not acked
// hears nothing.
func TestNoHello(t *testing.T) {
	for _, f := range everyFraming {
		blank, rec, bad := anyFrame(f, " "), anyFrame(f, record(1)), anyFrame(f, "{}")
		one := anyFrame(f, `{"acked":1}`)
		acking := newRig(t, func(o *rigOptions) { o.ack, o.framing = true, f })
		silent := newRig(t, func(o *rigOptions) { o.framing = f })
		for stream, want := range map[string]string{
			rec: one, rec + blank: one, blank: anyFrame(f, `{"acked":0}`),
			bad + blank: anyFrame(f, `{"rejected":1,"reason":"missing_field"}`) + one,
		} {
			if told := acking.exchange(stream); told != want {
				t.Errorf("%v, %q: told %q, want %q", f, stream, told, want)
			}
		}
		if told := silent.exchange(blank + rec); told != "" {
			t.Errorf("%v, without acks: told %q", f, told)
		}
	}
}

// TestHelloOnUnix: over a unix socket, too; with what is rejected behind it.
func TestHelloOnUnix(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		path := filepath.Join(t.TempDir(), "s")
		o.Listeners = []Listener{{Network: "unix", Address: path, Framing: codec.Auto, Ack: true}}
	})
	want := "{\"acked\":0}\n{\"rejected\":1,\"reason\":\"missing_field\"}\n{\"acked\":1}\n"
	if told := r.exchange("\n{}\n"); told != want {
		t.Errorf("told %q", told)
	}
}

// TestHelloBehindAToken: where a token is wanted, a blank record counts behind it, and who does not
// have the right one is told nothing else.
func TestHelloBehindAToken(t *testing.T) {
	for _, f := range everyFraming {
		blank, rec := anyFrame(f, " "), anyFrame(f, record(1))
		right, wrong := tokenFrame(f, rightToken), tokenFrame(f, wrongToken)
		zero, one := anyFrame(f, `{"acked":0}`), anyFrame(f, `{"acked":1}`)
		r := newRig(t, func(o *rigOptions) { wantsToken(o); o.framing = f })
		for stream, want := range map[string]string{
			right: "", right + rec: one, right + blank: zero, right + blank + rec: zero + one, right + rec + blank: one,
			blank + right + rec: one, blank + right + blank + rec: zero + one,
			blank + blank: "", blank + wrong + blank: anyFrame(f, `{"rejected":1,"reason":"unauthorized"}`),
		} {
			for _, paused := range []bool{false, true} {
				giveBack := func() {}
				if paused {
					giveBack = r.useUp()
				}
				if told := r.exchange(stream); told != want {
					t.Errorf("%v, %q, paused %v: told %q, want %q", f, stream, paused, told, want)
				}
				giveBack()
			}
		}
	}
}
