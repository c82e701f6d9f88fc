package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/kafkaclient"
)

// brokers are those that a client could not get a connection to, and why: franz-go tries again, and
// says nothing. It is called on any goroutine.
type brokers struct {
	security kafkaclient.Security

	mu   sync.Mutex
	away map[string]error // by their addresses
	some atomic.Bool      // there are such
}

func newBrokers(c Cluster) *brokers {
	security, _ := kafkaclient.SecurityOf(c.Properties)
	return &brokers{security: security, away: map[string]error{}}
}

// OnBrokerConnect is called by franz-go for every attempt.
func (b *brokers) OnBrokerConnect(m kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.some.Store(len(b.away) > 0) }()
	at := kafkaclient.Endpoint{Address: net.JoinHostPort(m.Host, strconv.Itoa(int(m.Port))), Broker: m.NodeID}
	switch {
	case err == nil:
		delete(b.away, at.Address)
	case m.NodeID >= 0 || b.away[at.Address] == nil: // of --brokers it is the same one, without its id
		b.away[at.Address] = &awayError{kafkaclient.Brief(at, b.security, err), err}
	}
}

// awayError is why a broker is not reached, with its address.
type awayError struct {
	text string
	error
}

func (e *awayError) Error() string { return e.text }
func (e *awayError) Unwrap() error { return e.error }

// hopeless is why one refuses us for good, nil where none does.
func (b *brokers) hopeless() error {
	return b.those(func(err error) bool { return isAny(err, hopelessCodes) })
}

// trouble is why some are not reached, nil where all are.
func (b *brokers) trouble() error { return b.those(func(error) bool { return true }) }

// behind is why something took too long, where a broker is away.
func (b *brokers) behind(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return cmp.Or(b.trouble(), err)
	}
	return err
}

// those are the errors of one kind, in one line.
func (b *brokers) those(kind func(error) bool) error {
	if !b.some.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var texts []string
	var errs []error
	for _, address := range slices.Sorted(maps.Keys(b.away)) {
		if err := b.away[address]; kind(err) {
			texts, errs = append(texts, err.Error()), append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &awayError{strings.Join(texts, "; "), errors.Join(errs...)}
}
