package producer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// errClosed is what whoever asks after close gets.
var errClosed = errors.New("producer: closed")

// requestTimeout bounds one question.
const requestTimeout = 5 * time.Second

// admin is librdkafka's client for questions: what a topic is, which cluster brokers belong to.
// A question is a call into C. Most cannot be broken off while no broker answers, and a client
// that is freed under one ends the process. So:
//
//   - the client is used only on goroutines that spawn began;
//   - once close has begun, spawn begins none, and ctx is over;
//   - close frees the client when the last of them has ended, which takes limit at the longest.
type admin struct {
	client *kafka.AdminClient
	limit  time.Duration   // of one question
	ctx    context.Context // over: nobody wants answers any more
	stop   context.CancelFunc

	mu     sync.Mutex // between closed and the start of a user
	closed bool
	users  sync.WaitGroup
}

func newAdmin(properties map[string]string) (*admin, error) {
	cm := kafka.ConfigMap{"log_level": 0} // what is wrong comes back as an error; its own lines would go to stderr raw
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

// spawn runs f, which may use the client, on a goroutine of its own. It returns false, and does
// not run f, once the client is closed.
func (a *admin) spawn(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.users.Go(f)
	}
	return !a.closed
}

// ask is spawn, and waits for f until ctx ends. After that f goes on, and nobody hears of it.
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

// close waits for those that ask, and frees the client.
func (a *admin) close() {
	a.stop()
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.users.Wait()
	a.client.Close()
}
