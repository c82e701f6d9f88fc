package producer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// errClosed is what ask returns after close.
var errClosed = errors.New("producer: closed")

// requestTimeout is how long one question may take.
const requestTimeout = 5 * time.Second

// admin is librdkafka's client for questions: what a topic is, which cluster the brokers belong to.
// A question is a call into C. Most cannot be interrupted while no broker answers, and the process
// dies if the client is freed during one. So:
//
//   - only goroutines that spawn started use the client;
//   - once close has begun, ctx is over and spawn starts no more;
//   - close frees the client when the last of these goroutines has ended, which takes limit at
//     most.
type admin struct {
	client *kafka.AdminClient
	limit  time.Duration   // of one question
	ctx    context.Context // over: nobody wants responses any more
	stop   context.CancelFunc

	mu     sync.Mutex // guards closed, and the start of users
	closed bool
	users  sync.WaitGroup
}

func newAdmin(properties map[string]string) (*admin, error) {
	cm := kafka.ConfigMap{"log_level": 0} // its log would go to stderr as it is; errors say the same
	for k, v := range properties {
		if k != "log_level" {
			cm[k] = v
		}
	}
	client, err := kafka.NewAdminClient(&cm)
	if err != nil {
		return nil, err
	}
	a := &admin{client: client, limit: requestTimeout}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a, nil
}

// spawn runs f, which may use the client, on a new goroutine. Once close has begun it returns false
// and does not run f.
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

// close waits for the goroutines that use the client, and frees it.
func (a *admin) close() {
	a.stop()
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.users.Wait()
	a.client.Close()
}
