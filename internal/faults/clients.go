package faults

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/wire"
)

// stopWithoutKafka: without Kafka and without ring files the server
// cannot keep what it holds. It says how much that is, to the record, and its
// exit code says that there is something to say. Before is how many records
// are delivered first; with 0 the number lost is known from outside.
func stopWithoutKafka(before int64) func(*Case) {
	return func(c *Case) {
		c.Begin("--drain-timeout", "4s")
		if before > 0 {
			c.Send(1_000_000_000, loadRate)
			c.Flows(before)
			c.Kafka.Kill(1)
			c.Pause(c.Between(0, 3*time.Second))
		} else {
			c.Kafka.Kill(1)
			n := 50_000 + c.Rand.Int64N(50_000)
			c.Send(n, 0)
			c.Server.Await("it has taken all", func() bool { return c.Server.Metrics().Sum("records_received_total") == n })
		}
		exit := c.Server.Stop()
		ledger := exit.Ledger(c)
		r := c.Finish()
		if ledger.Lost == 0 || exit.Code != 1 {
			c.Fatalf("exit code %d, ledger %+v", exit.Code, ledger)
		}
		if before == 0 && (ledger.Lost != r.Records || ledger.Received != r.Records || r.Acked != 0) {
			c.Fatalf("%d records sent, %d acked, ledger %+v", r.Records, r.Acked, ledger)
		}
		c.Kafka.Restart(1)
		sent := r.Outcomes
		for i := range sent {
			sent[i].Unsure = sent[i].Sent - sent[i].Acked
		}
		v := c.Verify(sent)
		// Kafka may have what it could not say that it has, and no less.
		if v.Read < ledger.Delivered || v.Read > ledger.Delivered+ledger.Lost {
			c.Fatalf("the topic holds %d records, ledger %+v", v.Read, ledger)
		}
		c.Proved("lost", ledger.Lost)
	}
}

// dial opens a connection to the server, past bench.
func (c *Case) dial() (*net.TCPConn, error) {
	socket, err := net.Dial("tcp", strings.TrimPrefix(c.Server.Target, "tcp://"))
	if err != nil {
		return nil, err
	}
	return socket.(*net.TCPConn), nil
}

// rudeClients: whatever a client does with its connection, no partial
// record reaches Kafka, whole ones do, and others see nothing of it. The clients
// themselves report nothing: what is in the topic at the end tells.
func rudeClients(c *Case) {
	c.Begin()
	c.Send(300_000, loadRate)
	var all sync.WaitGroup
	const each = 20
	for i := range each {
		all.Go(func() { c.resetMidRecord(i) })
		all.Go(func() { c.byteByByte(i) })
		all.Go(func() { c.megabyteAtOnce(i) })
	}
	all.Wait()
	r := c.Finished()
	v := c.Verify(r.Outcomes)
	whole := c.foreign()
	// Resets may take whole records with them, so their number is not known.
	if whole["byte"] != each*2 || whole["mega"] != each || whole["reset"] > each || int64(whole["byte"]+whole["mega"]+whole["reset"]) != v.Foreign {
		c.Fatalf("whole records of rude clients in the topic: %v, %d in all", whole, v.Foreign)
	}
	c.Proved("truncated", c.Server.Metrics().With("records_rejected_total", "reason", "truncated"))
	c.Proved("rude_records", v.Foreign)
}

func (c *Case) resetMidRecord(i int) {
	socket, err := c.dial()
	if err != nil {
		return
	}
	defer socket.Close()
	fmt.Fprintf(socket, `{"number":%d,"kind":"reset"}`+"\n"+`{"number":1,"kind":"res`, i)
	socket.SetLinger(0) // the close becomes a reset
}

func (c *Case) byteByByte(i int) {
	socket, err := c.dial()
	if err != nil {
		return
	}
	defer socket.Close()
	text := fmt.Sprintf(`{"number":%d,"kind":"byte"}`+"\n"+`{"number":%d,"kind":"byte"}`, i, i+1)
	for at := range len(text) {
		if _, err := io.WriteString(socket, text[at:at+1]); err != nil {
			return
		}
	}
	bothAcked(socket, wire.Newline)
}

// megabyteAtOnce sends one large record, waits half-closed for its ack, and
// leaves another one cut short.
func (c *Case) megabyteAtOnce(i int) {
	socket, err := c.dial()
	if err != nil {
		return
	}
	defer socket.Close()
	record := fmt.Sprintf(`{"number":%d,"kind":"mega","pad":%q}`, i, strings.Repeat("m", 900_000))
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(record)))
	text := string(frame) + record + string(frame) + record[:1000]
	if _, err := io.WriteString(socket, text); err != nil {
		return
	}
	bothAcked(socket, wire.Length)
}

// bothAcked half-closes a connection and waits until two records are acked, or it has ended.
func bothAcked(socket *net.TCPConn, framing wire.Framing) {
	socket.CloseWrite()
	answers := wire.Answers{Framing: framing}
	for {
		if answer, err := answers.Read(socket); err != nil || answer.Acked == 2 {
			return
		}
	}
}

// foreign counts the topic's whole records of rude clients by kind.
func (c *Case) foreign() map[string]int {
	c.Helper()
	kinds := map[string]int{}
	back := bench.Readback{Options: c.Kafka.ClientOptions(), Topic: topic}
	err := back.Each(c.ctx, map[int32]int64{}, func(r *kgo.Record) {
		for _, kind := range []string{"reset", "byte", "mega"} {
			if strings.Contains(string(r.Value), `"kind":"`+kind+`"`) && r.Value[len(r.Value)-1] == '}' {
				kinds[kind]++
			}
		}
	})
	c.must(err)
	return kinds
}

// deafClient: a client that sends and never reads is not read any more
// when its answers have nowhere to go; the others do not notice.
func deafClient(c *Case) {
	c.Begin()
	socket, err := c.dial()
	c.must(err)
	defer socket.Close()
	socket.SetReadBuffer(4096)
	stuck := make(chan int64, 1)
	go func() {
		sent := int64(0)
		line := strings.Repeat(`{"number":"x"}`+"\n", 1000) // each is answered by itself
		for {
			socket.SetWriteDeadline(time.Now().Add(3 * time.Second))
			if _, err := io.WriteString(socket, line); err != nil {
				stuck <- sent
				return
			}
			sent += int64(len(line))
		}
	}()
	c.Send(600_000, loadRate)
	sent := <-stuck
	c.Flows(1000)
	if sent > 64<<20 {
		c.Fatalf("%d bytes taken from a client that reads no answers", sent)
	}
	c.Proved("bytes_until_held_back", sent)
	r := c.Finished()
	c.Verify(r.Outcomes)
	c.Server.Stop().Ledger(c)
}
