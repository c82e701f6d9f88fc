package producer

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errClosed is what ask returns after close.
var errClosed = errors.New("producer: closed")

// requestTimeout is how long one question may take.
const requestTimeout = 5 * time.Second

// admin has those who ask brokers: what a topic is, which cluster the brokers belong to. With
// librdkafka most questions cannot be interrupted, and the process dies if its client is freed
// during one. So:
//
//   - only goroutines that spawn started ask;
//   - once close has begun, ctx is over and spawn starts no more;
//   - close frees the askers when the last of these goroutines has ended, which takes limit at
//     most.
type admin struct {
	limit time.Duration   // of one question
	ctx   context.Context // over: nobody wants responses any more
	stop  context.CancelFunc

	mu     sync.Mutex // guards askers, native, closed, and the start of users
	askers []asker    // the last one is asked
	native bool       // it is franz-go
	closed bool
	users  sync.WaitGroup
}

func newAdmin(o *Options) (*admin, error) {
	a := &admin{limit: requestTimeout}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a, a.askBy(o, o.native)
}

// askBy has franz-go asked from now on, or librdkafka.
func (a *admin) askBy(o *Options, native bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.askers) > 0 && a.native == native {
		return nil
	}
	open := newLibrdkafkaAsker
	if native {
		open = newNativeAsker
	}
	next, err := open(o)
	if err == nil {
		a.askers, a.native = append(a.askers, next), native
	}
	return err
}

// asker is whom to ask.
func (a *admin) asker() asker {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.askers[len(a.askers)-1]
}

// spawn runs f, which may ask, on a new goroutine. Once close has begun it returns false and does
// not run f.
func (a *admin) spawn(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.users.Go(f)
	}
	return !a.closed
}

// ask runs f as spawn does, and waits for it until ctx ends. After that f goes on, and its result
// is lost.
func (a *admin) ask(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	if !a.spawn(func() { done <- f() }) {
		return errClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close waits for the goroutines that ask, and frees the askers.
func (a *admin) close() {
	a.stop()
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.users.Wait()
	for _, one := range a.askers {
		one.close()
	}
}
