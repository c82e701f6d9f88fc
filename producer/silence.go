package producer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// A request that is not answered has one of two reasons: its broker does nothing at all, or it waits
// for replicas, as acks=all wants, and one of those does nothing. Only another question tells them
// apart. So a broker that owes an answer for long is asked, on a connection of its own, whether it
// speaks. An engine that has records waiting wants that once a second; nothing is asked otherwise.

const (
	silentAfter = 5 * time.Second // a request is under way for longer: its broker is asked
	askedFor    = 2 * time.Second // how long it has to answer
)

// wantSilence asks for a look at brokers that do not answer. It does not wait.
func (w *Writer) wantSilence() {
	select {
	case w.silence <- struct{}{}:
	default:
	}
}

// watchSilence looks at such brokers, whenever an engine wants it, until admin is stopped.
func (w *Writer) watchSilence() {
	for {
		select {
		case <-w.admin.ctx.Done():
			return
		case <-w.silence:
		}
		var asking sync.WaitGroup
		for _, e := range w.allEngines() {
			for _, b := range e.cfg.Insight.Brokers() {
				if _, oldest := b.UnderWay(); oldest >= silentAfter {
					asking.Go(func() { w.topic.connectivity.askSilent(w.admin.ctx, b) })
				}
			}
		}
		asking.Wait()
	}
}

// askSilent finds out whether a broker does nothing, or waits for others, and notes that.
func (w *connectivity) askSilent(ctx context.Context, b *backend.Broker) {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	at := kafkaclient.EndpointOf(b.ID, b.Address(), "", w.seeds)
	_, err := kafkaclient.Connect(ctx, []kafkaclient.Endpoint{at}, w.security)
	_, oldest := b.UnderWay()
	switch {
	case oldest < silentAfter || errors.Is(ctx.Err(), context.Canceled): // it is over
	case err == nil:
		b.Note(at.String() + ": it is up and does not confirm what it got: it is slow, waits for its replicas, or holds us to a quota")
	case kafkaclient.IsTimeout(err):
		b.Down(at.String() + ": it answers nothing")
	default:
		b.Down(kafkaclient.Brief(at, w.security, err))
	}
}
