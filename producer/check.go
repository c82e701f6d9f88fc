package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/producer/native"
)

// ErrLeader is wrapped by errors of Check about some partitions: they have no leader, or one that
// is down. Kafka can be reached, the topics fit, and the other partitions can be written.
var ErrLeader = errors.New("not every partition can be written")

// probeLimit is how long one client may take to show that it gets through to Kafka.
const probeLimit = 8 * time.Second

// Check refreshes the topics once, and then makes a client and tries all that writing to them
// needs. With WriterAuto this decides which client writes. An error that is ErrTopic is about
// the topics, one that wraps ErrLeader is about some of their partitions. Any other is about
// reaching Kafka, and trying again may help. Check returns when ctx ends. A refresh that is under
// way then goes on, and Close waits for it. Do not call Check after Start.
func (w *Writer) Check(ctx context.Context) error {
	err := w.refreshTopics(ctx)
	if errors.As(err, new(unreached)) && w.mayGoOver() && !native.Passes(err) { // the two differ, see probe
		if err = w.admin.askBy(&w.opts, false); err == nil {
			err = w.refreshTopics(ctx)
		}
	}
	if err != nil {
		return err
	}
	wasNative := w.opts.native
	if err := w.probe(ctx); err != nil {
		return err
	}
	if w.opts.native {
		return nil
	}
	if wasNative { // librdkafka does not check leaders, so the refresh does
		if err := w.refreshTopics(ctx); err != nil {
			return err
		}
	}
	for _, t := range w.watchers() {
		if err := t.topic().Leaders; err != nil {
			return fmt.Errorf("%w: %w", ErrLeader, err)
		}
	}
	return nil
}

// refreshTopics refreshes the topics once. It returns when ctx ends.
func (w *Writer) refreshTopics(ctx context.Context) error {
	for _, t := range w.watchers() {
		if err := w.admin.ask(ctx, func() error { return t.refreshNow().Err }); err != nil {
			return err
		}
	}
	return nil
}

// probe makes a client and waits until it could write: native has a producer id and a connection to
// every leader, librdkafka, which does not tell of connections, has a producer id. The two differ
// in the certificates, ciphers, protocols and names that they accept. So where native does not get
// through, WriterAuto tries librdkafka, and takes it if it does: no record has been written yet.
func (w *Writer) probe(ctx context.Context) error {
	if !w.opts.native {
		if err := w.probeLibrdkafka(ctx); err != nil {
			return fmt.Errorf("kafka cannot be reached (--brokers) by librdkafka: %w", w.topic.connectivity.explain(ctx, err))
		}
		return nil
	}
	err := w.probeNative(ctx)
	var u *native.Unreachable
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &u) && native.Passes(err): // librdkafka would meet the same
		return fmt.Errorf("%w: %w", ErrLeader, u)
	case !w.mayGoOver() || native.Passes(err) || w.probeLibrdkafka(ctx) != nil:
		return fmt.Errorf("kafka cannot be reached (--brokers) by the native writer: %w", w.topic.connectivity.explain(ctx, err))
	}
	w.opts.native, w.opts.why = false, "it gets through where the native writer does not: "+err.Error()
	w.opts.Logger.Warn("librdkafka writes to Kafka, as with --writer "+WriterLibrdkafka+": it gets through where the native writer does not", "cause", err)
	return w.admin.askBy(&w.opts, false)
}

// mayGoOver returns whether librdkafka may write although native was chosen.
func (w *Writer) mayGoOver() bool {
	return HasLibrdkafka && w.opts.native && w.opts.Writer == WriterAuto
}

// probeNative returns nil once native has a producer id and a connection to every leader.
func (w *Writer) probeNative(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	for _, t := range w.watchers() {
		o, err := w.opts.nativeOptions(t.topic())
		if err != nil {
			return err
		}
		o.Partitions = []int32{0}
		if t == w.topic {
			for i := range w.set.Rings {
				o.Partitions = append(o.Partitions, w.partition(i))
			}
		}
		if err := native.Probe(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// probeLibrdkafka returns nil once librdkafka has a producer id.
func (w *Writer) probeLibrdkafka(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	c, err := openLibrdkafka(w.opts.librdkafkaProperties(w.topic.topic(), 1), w.opts.Topic, []uint64{0}, nil)
	if err != nil {
		return err
	}
	defer c.Destroy()
	said := ""
	for {
		c.Poll(100)
		events, _ := c.Events()
		if c.Ready() == nil {
			return nil
		}
		for _, e := range events {
			if slogLevel(e.Level) >= slog.LevelWarn && e.Text != "" && e.Code != backend.ErrAllBrokersDown {
				said = ": " + e.Text
			}
		}
		if code := c.Fatal(); code != 0 {
			return errors.New(librdkafkaTraits.ErrorText(code))
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w%s", c.Ready(), said)
		}
	}
}

// ClusterID asks brokers for their cluster's id. Like Check, it returns when ctx ends.
func (w *Writer) ClusterID(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.admin.limit)
	defer cancel()
	id := ""
	err := w.admin.ask(ctx, func() (err error) {
		id, err = w.admin.asker().clusterID(ctx)
		return err
	})
	if err != nil {
		return "", err // id may still be written
	}
	if id == "" {
		return "", errors.New("brokers do not tell their cluster's id, which --ring-dir needs")
	}
	return id, nil
}
