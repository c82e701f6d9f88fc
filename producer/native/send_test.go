package native

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestFair: where not everything fits into a request, or partitions are shared, everybody's
// turn comes.
func TestFair(t *testing.T) {
	m := newCalmModel(t)
	m.client.sizes = sizeBounds{1, 1, 1} // one batch each
	for range 4 * modelStreams {
		for stream := range modelStreams {
			m.hand(stream)
		}
		m.client.Send()
		for len(m.ops) > 0 {
			m.network()
		}
		m.client.takeResults()
	}
	for stream := range modelStreams {
		if acked := m.client.Progress(stream).Acked - m.first[stream]; acked == 0 {
			t.Errorf("stream %d has written nothing", stream)
		}
	}
}

// TestLeaderOfASilentBroker: a partition whose leader does not answer, and is replaced, goes on
// with the new one. The old request may do what it likes.
func TestLeaderOfASilentBroker(t *testing.T) {
	m := newCalmModel(t)
	m.hand(0)
	m.client.Send()
	silent := m.ops[0]
	m.ops = nil
	m.read(silent)
	m.move(m.partitions[0])
	m.publish()
	m.until("an ack", func() bool { return m.client.Progress(0).Acked > m.first[0] })
	m.hand(1) // led by the silent one still
	m.client.Send()
	if len(m.ops) != 0 {
		t.Error("a second request to a broker that has not answered the first")
	}
	silent.answered(nil, errCut)
	m.client.Poll(0)
	m.until("all to be written", func() bool { return m.outstanding() == 0 })
}

// TestMetadataIsRefreshed: whatever stands in the way of a batch may be a matter of who leads.
func TestMetadataIsRefreshed(t *testing.T) {
	for _, answer := range []func(o *op){
		func(o *op) { o.answered(nil, errCut) },
		func(o *op) { o.answered(nil, &unsent{errCut}) },
		func(o *op) { o.answered(kmsg.NewPtrProduceResponse(), nil) },
	} {
		m := newCalmModel(t)
		m.hand(0)
		m.client.Send()
		if len(m.client.metadataWanted) > 0 {
			t.Fatal("asked before anything happened")
		}
		answer(m.ops[0])
		m.client.Poll(0)
		if len(m.client.metadataWanted) == 0 {
			t.Error("nobody asks who leads")
		}
	}
}

// TestNoRoomGoesOnFilling: what found no room in a request is not sealed for it, and goes with what
// has come since.
func TestNoRoomGoesOnFilling(t *testing.T) {
	m := newCalmModel(t)
	m.client.sizes = sizeBounds{1, 1, 1} // one batch each
	m.hand(0)
	m.hand(1)
	m.client.Send()
	if first, second := m.client.partitionFor(0).batch, m.client.partitionFor(1).batch; first == nil || second != nil {
		t.Errorf("sealed: %v, %v", first, second)
	}
}
