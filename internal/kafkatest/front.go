package kafkatest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Front is a link before a fake cluster of one broker, and what the cluster is to listen with
// (kfake.ListenFn). Clients are told the link's address.
func Front(tb TB) (*Link, func(network, address string) (net.Listener, error)) {
	tb.Helper()
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	link, err := newLink("127.0.0.1:0", broker.Addr().String())
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	tb.Cleanup(link.close)
	return link, func(string, string) (net.Listener, error) { return fronted{broker, link}, nil }
}

// Elsewhere is a listener for a fake cluster (kfake.ListenFn) that advertises another address than
// the one where it is.
func Elsewhere(l net.Listener, advertised string) net.Listener {
	return elsewhere{l, hostPort(advertised)}
}

// Careful is a listener for a fake cluster that ends connections whose first request is too long, as
// brokers do. A fake one would take the beginning of another protocol for a length, and make room.
func Careful(l net.Listener) net.Listener { return careful{l} }

type careful struct{ net.Listener }

func (c careful) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lookedAt{Conn: nc, r: bufio.NewReader(nc)}, nil
}

type lookedAt struct {
	net.Conn
	r      *bufio.Reader
	looked bool
}

func (c *lookedAt) Read(b []byte) (int, error) {
	if !c.looked {
		head, err := c.r.Peek(4)
		if err != nil || binary.BigEndian.Uint32(head) > 100<<20 {
			return 0, io.EOF
		}
		c.looked = true
	}
	return c.r.Read(b)
}

type elsewhere struct {
	net.Listener
	advertised net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.advertised }

type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (n hostPort) String() string { return string(n) }

type fronted struct {
	net.Listener
	link *Link
}

func (f fronted) Addr() net.Addr { return f.link.listener.Addr() }

// Refuse lets a fake cluster answer the next produce request with an error code for each of its
// partitions, and with marks on these records.
func Refuse(c *kfake.Cluster, code int16, marks ...int32) {
	c.ControlKey(int16(kmsg.Produce), func(q kmsg.Request) (kmsg.Response, error, bool) {
		p := q.(*kmsg.ProduceRequest)
		a := p.ResponseKind().(*kmsg.ProduceResponse)
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = p.Topics[0].Topic, p.Topics[0].TopicID
		for i := range p.Topics[0].Partitions {
			x := kmsg.NewProduceResponseTopicPartition()
			x.Partition, x.ErrorCode = p.Topics[0].Partitions[i].Partition, code
			for _, m := range marks {
				e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
				e.RelativeOffset = m
				x.ErrorRecords = append(x.ErrorRecords, e)
			}
			t.Partitions = append(t.Partitions, x)
		}
		a.Topics = append(a.Topics, t)
		return a, nil, true
	})
}
