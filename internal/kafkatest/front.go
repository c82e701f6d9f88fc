package kafkatest

import (
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Front is a link before a fake cluster of one broker, and what the cluster is to listen with
// (kfake.ListenFn). Clients are told the link's address.
func Front(tb TB) (*Link, func(network, address string) (net.Listener, error)) {
	tb.Helper()
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	link, err := newLink("127.0.0.1:0", broker.Addr().String())
	must(tb, err)
	tb.Cleanup(link.close)
	return link, func(string, string) (net.Listener, error) { return elsewhere{broker, link.listener.Addr()}, nil }
}

// Elsewhere is a listener for a fake cluster (kfake.ListenFn) that advertises another address than
// the one where it is.
func Elsewhere(l net.Listener, advertised string) net.Listener {
	return elsewhere{l, hostPort(advertised)}
}

type elsewhere struct {
	net.Listener
	advertised net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.advertised }

type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (n hostPort) String() string { return string(n) }

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
