package conformance

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// Case is one thing that a client has to stand.
type Case struct {
	Name, What string

	script  []act
	records int
	bytes   int
	token   string
	needs   string // what the command has to have for it; "": nothing
	refused bool   // the client has to end, and say why, and may send no record
	rejects int    // every so many-th is rejected
	tls     bool
	strange bool          // by tls, with another authority than {tls-ca}
	first   string        // an address before the server's
	away    time.Duration // how long nobody listens at first
}

const ordinary, large = 120, 20_000

// Cases are all of them.
func Cases() []Case {
	seed := rand.Uint64()
	list := []Case{
		{Name: "plain", What: "records in order, each once; it ends when all are acked", script: []act{good}},
		{Name: "silent", What: "a server that does not ack is sent no record; the client ends, and says why", script: []act{silent}, refused: true},
		{Name: "rejects", What: "`rejected K reason` is printed for each record that was rejected", script: []act{rejecting}, rejects: 3},
		{Name: "late acks", What: "acks that come late, and of many records at once", script: []act{late}},
		{Name: "split answers", What: "answers that come byte by byte", script: []act{splitting}},
		{Name: "ends between", What: "the server acks some and ends: what is not acked is sent again, in order, and nothing else", script: repeat(8, ending, good)},
		{Name: "cut anywhere", What: fmt.Sprintf("connections that are cut or reset after any byte, with acks on their way (seed %d)", seed), script: cuts(seed)},
		{Name: "half an answer", What: "an answer without its end is none", script: repeat(4, halfAnswer, good)},
		{Name: "refuses at first", What: "connections that are closed before they are greeted", script: repeat(4, func(*conn) {}, good)},
		{Name: "away", What: "nobody listens for a second", script: []act{good}, away: time.Second},
		{Name: "slow", What: "a server that reads slowly, and acks meanwhile", script: []act{slow}, records: 400, bytes: large},
		{Name: "token", What: "the token comes first", script: []act{good}, token: "s3cret-Token", needs: "{token-file}"},
		{Name: "token refused", What: "a token that the server does not know ends the client, which says why", script: []act{unauthorized}, token: "s3cret-Token", needs: "{token-file}", refused: true},
		{Name: "refused later", What: "a server that has acked, and then does not know the token, is waited for", script: []act{ending, unauthorized, unauthorized, good}, token: "s3cret-Token", needs: "{token-file}"},
		{Name: "tls", What: "over TLS, with an authority of its own", script: []act{good}, tls: true, needs: "{tls-ca}"},
		{Name: "not trusted", What: "over TLS, with a certificate of somebody else: the client ends, and says why", script: []act{silent}, tls: true, strange: true, needs: "{tls-ca}", refused: true},
		{Name: "foreign", What: "what answers is no Ringtail: the client ends, and says why", script: []act{foreign}, refused: true},
		{Name: "addresses", What: "of several addresses the first is away", script: []act{good}, first: "tcp://127.0.0.1:1"},
	}
	for i := range list {
		if c := &list[i]; c.records == 0 {
			c.records, c.bytes = 500, ordinary
		}
	}
	return list
}

func repeat(n int, a, last act) (script []act) {
	for range n {
		script = append(script, a)
	}
	return append(script, last)
}

// good takes and acks all.
func good(c *conn) {
	if !c.greet() {
		return
	}
	for c.take(1) {
		if c.in.Buffered() == 0 || c.last%7 == 0 {
			c.ack(c.last)
		}
	}
	c.ack(c.last)
	c.end()
}

func silent(c *conn) {
	if c.hello() {
		if n, _ := io.Copy(io.Discard, c.in); n > 0 {
			c.ledger.fault("it sent %d bytes to a server that does not ack", n)
		}
	}
}

func rejecting(c *conn) {
	if !c.greet() {
		return
	}
	for c.take(1) {
		if c.last%3 == 0 {
			c.say(fmt.Sprintf(`{"rejected":%d,"reason":"bad_number"}`, c.last-c.base))
		}
		c.ack(c.last)
	}
	c.end()
}

// late acks when nothing has come for a while.
func late(c *conn) {
	if !c.greet() || !c.take(1) {
		return
	}
	acked := 0
	for {
		_ = c.nc.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, err := c.in.Peek(1)
		_ = c.nc.SetReadDeadline(time.Time{})
		if err == nil && c.take(1) {
			continue
		}
		if acked == c.last {
			break
		}
		acked = (acked + c.last + 1) / 2
		c.ack(acked)
	}
	c.end()
}

func splitting(c *conn) {
	if !c.hello() {
		return
	}
	slowly := func(text string) {
		for _, b := range c.framed(text) {
			_, _ = c.nc.Write([]byte{b})
			time.Sleep(time.Millisecond)
		}
	}
	slowly(`{"acked":0}`)
	for c.take(1) {
		if c.last%100 == 0 {
			c.ledger.says(c.last)
			slowly(fmt.Sprintf(`{"acked":%d}`, c.last-c.base))
		}
	}
	c.ack(c.last)
	c.end()
}

// ending takes some, acks fewer, and ends.
func ending(c *conn) {
	if c.greet() && c.take(20) {
		c.ack(c.last - 5)
		c.end()
	}
}

func halfAnswer(c *conn) {
	if c.greet() && c.take(10) {
		whole := c.framed(fmt.Sprintf(`{"acked":%d}`, c.last-c.base))
		_, _ = c.nc.Write(whole[:len(whole)-2])
		c.end()
	}
}

// cuts are connections that end after a random number of bytes.
func cuts(seed uint64) (script []act) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		bytes, every, rude := rng.IntN(5000), 1+rng.IntN(20), rng.IntN(2) == 0
		script = append(script, func(c *conn) {
			if !c.greet() {
				return
			}
			c.in.Reset(io.LimitReader(c.nc, int64(bytes)))
			for c.take(1) {
				if c.last%every == 0 {
					c.ack(c.last - c.last%2)
				}
			}
			if rude {
				c.reset()
			}
		})
	}
	return append(script, good)
}

// slow reads little at a time, and says something all the while: who writes without reading waits for ever.
func slow(c *conn) {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(16 << 10)
	}
	if !c.greet() {
		return
	}
	for c.take(1) {
		time.Sleep(2 * time.Millisecond)
		c.ack(c.last)
	}
	c.end()
}

func foreign(c *conn) {
	if c.hello() {
		_, _ = io.WriteString(c.nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
		c.end()
	}
}

func unauthorized(c *conn) {
	if _, err := c.frame(); err == nil {
		c.say(`{"rejected":1,"reason":"unauthorized"}`)
		c.end()
	}
}
