package kafkatools

import (
	"context"
	"sync/atomic"
)

type beginKey struct{}

// Asking returns a context for a verb that only asks at first, and what tells whether it has begun to
// change something since, or to show records.
func Asking(ctx context.Context) (asking context.Context, begun func() bool) {
	var began atomic.Bool
	return context.WithValue(ctx, beginKey{}, &began), began.Load
}

// begins says that the verb sees through from here on what it does.
func begins(ctx context.Context) {
	if began, ok := ctx.Value(beginKey{}).(*atomic.Bool); ok {
		began.Store(true)
	}
}

// isOver tells whether a verb is to end.
func isOver(ctx context.Context) bool { return ctx.Err() != nil }
