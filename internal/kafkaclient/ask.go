package kafkaclient

import (
	"context"
	"time"
)

// Ask has librdkafka ask brokers something, and finds out why it gets no response: librdkafka
// itself says only that something is in the way. First ask has the short time soon. Where that is
// not enough, and none of the seeds lets us in, Ask returns why. Else ask has until limit. If it
// fails then too, Ask returns what Diagnose finds, or, where that is nothing, ask's error.
func Ask(ctx context.Context, seeds []string, s Security, soon, limit time.Duration, ask func(limit time.Duration) error) error {
	if ask(min(soon, limit)) == nil {
		return nil
	}
	if _, _, cause := Bootstrap(ctx, seeds, s); cause != nil {
		return cause
	}
	err := ask(limit)
	if err == nil {
		return nil
	}
	if cause := Diagnose(ctx, seeds, s); cause != nil {
		return cause
	}
	return err
}
