package kafkatools

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/loopback"
)

// TestStopWithoutAReader: a signal ends it though the server takes nothing any more.
func TestStopWithoutAReader(t *testing.T) {
	for _, ack := range []bool{false, true} {
		conn, server := net.Pipe()
		defer func() { _ = server.Close() }()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := ProduceOptions{To: "tcp://x:1", Generate: "numbers", Partition: -1, Ack: ack}
		src, err := newSource(ctx, o, Streams{Err: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		f := &tcpSender{o: o, s: Streams{Err: io.Discard}, conn: conn, patience: time.Millisecond}
		ended := make(chan error, 1)
		go func() { ended <- f.run(ctx, src) }()
		if _, err := server.Read(make([]byte, 1)); err != nil { // and no more than that
			t.Fatal(err)
		}
		cancel()
		select {
		case err = <-ended:
		case <-time.After(time.Minute):
			t.Fatal("it goes on writing")
		}
		if err == nil || !strings.Contains(err.Error(), "--to tcp://x:1: ") || !strings.Contains(err.Error(), "stopped, and not seen through within 1ms") {
			t.Errorf("ack %v: %v", ack, err)
		}
	}
}

// answerer is a server of one connection, which it answers as the test says.
func answerer(t *testing.T, serve func(c net.Conn)) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = ln.Close(); <-done })
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if n > 0 {
				t.Error("there is a second connection")
			}
			serve(c)
			_ = c.Close()
		}
	}()
	return "tcp://" + ln.Addr().String()
}

// hello answers a client's blank record.
func hello(t *testing.T, c net.Conn) {
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	_, _ = io.WriteString(c, "{\"acked\":0}\n")
}

// TestAcks: how many of the records are acked is said, whatever ends it; and nothing is sent twice.
func TestAcks(t *testing.T) {
	const three = "{\"number\":1}\n{\"number\":2}\n{\"number\":3}\n"
	lines := func(c net.Conn, n int) {
		in := bufio.NewReader(c)
		for range n {
			if _, err := in.ReadString('\n'); err != nil {
				t.Error(err)
			}
		}
	}
	for what, c := range map[string]struct {
		input string
		serve func(c net.Conn)
		want  string // of the error; "": none, and all are acked
	}{
		"all": {three, func(c net.Conn) { lines(c, 3); _, _ = io.WriteString(c, "{\"acked\":3}\n") }, ""},
		"rejects": {three, func(c net.Conn) {
			lines(c, 3)
			_, _ = io.WriteString(c, "{\"rejected\":1,\"reason\":\"bad_json\"}\n{\"rejected\":3,\"reason\":\"bad_number\"}\n{\"acked\":3}\n")
		}, "2 of 3 records were rejected: bad_json 1, bad_number 1"},
		"a connection that ends":  {three, func(c net.Conn) { lines(c, 3); _, _ = io.WriteString(c, "{\"acked\":2}\n") }, "2 of 3 records were acked: the server closed the connection, 1 records not acked"},
		"no Ringtail":             {three, func(c net.Conn) { lines(c, 3); _, _ = io.WriteString(c, "hello\n") }, "0 of 3 records were acked: answer \"hello\": "},
		"what cannot be a record": {"{\"number\":1}\nhello\n", func(c net.Conn) { lines(c, 1); _, _ = io.WriteString(c, "{\"acked\":1}\n") }, "1 of 1 records were acked: standard input, line 2: it is not one JSON object"},
		"two of them":             {"{\"number\":1}{\"number\":2}\n", func(c net.Conn) {}, "0 of 0 records were acked: standard input, line 1: it is not one JSON object"},
		"acks of others":          {three, func(c net.Conn) { lines(c, 3); _, _ = io.WriteString(c, "{\"acked\":4}\n") }, "0 of 3 records were acked: it answers {Acked:4"},
	} {
		t.Run(what, func(t *testing.T) {
			url := answerer(t, func(nc net.Conn) { hello(t, nc); c.serve(nc) })
			var told said
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := sendTCP(ctx, ProduceOptions{To: url, Partition: -1, Ack: true, Raw: true}, Streams{In: strings.NewReader(c.input), Err: &told})
			switch {
			case c.want == "" && (err != nil || !strings.Contains(told.String(), "all 3 are acked")):
				t.Errorf("%v; it says %q", err, told.String())
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "--to "+url+": "+c.want)):
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestNoAcks: a server that does not answer the blank record is sent no record.
func TestNoAcks(t *testing.T) {
	for what, c := range map[string]struct{ says, want string }{
		"silent":       {"", "the server does not say that it acks, so nothing is sent; is it set to --ack kafka? does it want a token (--token-file)?"},
		"no Ringtail":  {"{\"acked\":7}\n", "it answers otherwise than a Ringtail"},
		"unauthorized": {"{\"rejected\":1,\"reason\":\"unauthorized\"}\n", "the server does not know the token"},
	} {
		got := make(chan string, 1)
		url := answerer(t, func(nc net.Conn) {
			_, _ = nc.Read(make([]byte, 1))
			_, _ = io.WriteString(nc, c.says)
			_ = nc.(*net.TCPConn).CloseWrite()
			rest, _ := io.ReadAll(nc)
			got <- string(rest)
		})
		err := sendTCP(t.Context(), ProduceOptions{To: url, Partition: -1, Ack: true}, Streams{In: strings.NewReader("{\"number\":1}\n"), Err: io.Discard})
		if rest := <-got; err == nil || !strings.Contains(err.Error(), c.want) || rest != "" {
			t.Errorf("%s: %v, want %s; it is sent %q", what, err, c.want, rest)
		}
	}
}

// TestSentBeforeAnError: what stands before the line that is no record is sent, with acks or without.
func TestSentBeforeAnError(t *testing.T) {
	for _, ack := range []bool{false, true} {
		got := make(chan string, 1)
		url := answerer(t, func(c net.Conn) {
			if ack {
				hello(t, c)
			}
			in := bufio.NewReader(c)
			first, _ := in.ReadString('\n')
			if ack {
				_, _ = io.WriteString(c, "{\"acked\":1}\n")
			}
			rest, _ := io.ReadAll(in)
			got <- first + string(rest)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := sendTCP(ctx, ProduceOptions{To: url, Partition: -1, Ack: ack}, Streams{In: strings.NewReader("{\"number\":1}\nhello\n"), Err: io.Discard})
		if err == nil || !strings.Contains(err.Error(), "standard input, line 2 is no JSON") {
			t.Errorf("ack %v: %v", ack, err)
		}
		if sent := <-got; sent != "{\"number\":1}\n" {
			t.Errorf("ack %v: sent is %q", ack, sent)
		}
	}
}
