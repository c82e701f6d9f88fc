package node

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/ringtail/ringtail/producer"
)

// warningsMax is how many are remembered.
const warningsMax = 50

// warnings remembers the last log lines of level WARN and above, and counts all.
type warnings struct {
	mu    sync.Mutex
	last  []producer.Trouble // the newest last
	count uint64
	line  strings.Builder // what the text handlers write to
}

// list returns those that are remembered.
func (w *warnings) list() []producer.Trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]producer.Trouble{}, w.last...)
}

func (w *warnings) counted() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// warningsHandler passes log lines on, and shows warnings those that are some, whether or not the log
// has a level that leaves them out.
type warningsHandler struct {
	next slog.Handler
	text slog.Handler // writes a line to warnings.line
	*warnings
}

// newWarnings returns the logger that shows them what is logged.
func newWarnings(log *slog.Logger) (*warnings, *slog.Logger) {
	w := &warnings{}
	text := slog.NewTextHandler(&w.line, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && slices.Contains([]string{slog.TimeKey, slog.LevelKey, slog.MessageKey}, a.Key) {
			return slog.Attr{}
		}
		return a
	}})
	return w, slog.New(&warningsHandler{log.Handler(), text, w})
}

// Enabled is part of slog.Handler.
func (h *warningsHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn || h.next.Enabled(ctx, l)
}

// Handle is part of slog.Handler.
func (h *warningsHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		h.add(ctx, r)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *warningsHandler) add(ctx context.Context, r slog.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	_ = h.text.Handle(ctx, r) // a strings.Builder takes everything
	h.count++
	h.last = append(h.last, producer.Trouble{At: r.Time, Text: strings.TrimSpace(r.Message + " " + h.line.String())})
	h.last = h.last[max(0, len(h.last)-warningsMax):]
}

// WithAttrs is part of slog.Handler.
func (h *warningsHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &warningsHandler{h.next.WithAttrs(attrs), h.text.WithAttrs(attrs), h.warnings}
}

// WithGroup is part of slog.Handler.
func (h *warningsHandler) WithGroup(name string) slog.Handler {
	return &warningsHandler{h.next.WithGroup(name), h.text.WithGroup(name), h.warnings}
}
