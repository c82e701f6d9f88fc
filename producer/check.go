package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/producer/librdkafka"
	"github.com/ringtail/ringtail/producer/native"
)

// ErrLeader is wrapped by an error of Check where Kafka can be reached and the topics fit, but some
// partition has no leader, or one that is down. The others can be written.
var ErrLeader = errors.New("not every partition can be written")

// probeLimit bounds how long one writer may take to show that it gets through.
const probeLimit = 8 * time.Second

// Check looks at the topics once, and then asks the writer itself for all that writing to them needs.
// With WriterAuto it decides who that is. An error that wraps ErrTopic is about the topics, and
// one that wraps ErrLeader about some of their partitions; any other is about reaching Kafka, and trying again may help. It returns when ctx ends; the look,
// which cannot be broken off, goes on by itself, and Close waits for it. Not to be called once
// Start was.
func (w *Writer) Check(ctx context.Context) error {
	if err := w.refreshTopics(ctx); err != nil {
		return err
	}
	native := w.opts.native
	if err := w.probe(ctx); err != nil {
		return err
	}
	if w.opts.native {
		return nil
	}
	if native { // librdkafka leaves the leaders to the look
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

// look looks at the topics once. It returns when ctx ends.
func (w *Writer) refreshTopics(ctx context.Context) error {
	for _, t := range w.watchers() {
		if err := w.admin.ask(ctx, func() error { return t.refreshNow().Err }); err != nil {
			return err
		}
	}
	return nil
}

// probe asks the writer for what writing needs: native for a producer id and a way to every leader,
// librdkafka, which does not tell of ways, for a producer id. Two libraries differ in what they take
// of certificates, ciphers, protocols and names. Where native does not get through, WriterAuto
// tries whether librdkafka does, and takes it: no record has been written yet.
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
	case errors.As(err, &u) && native.Passes(err): // for every library
		return fmt.Errorf("%w: %v", ErrLeader, u)
	case w.opts.Writer != WriterAuto || native.Passes(err) || w.probeLibrdkafka(ctx) != nil:
		return fmt.Errorf("kafka cannot be reached (--brokers) by the native writer: %w", w.topic.connectivity.explain(ctx, err))
	}
	w.opts.native = false
	w.opts.Logger.Warn("librdkafka writes to Kafka, as with --writer "+WriterLibrdkafka+": it gets through where the native writer does not", "because", err)
	return nil
}

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
	c, err := librdkafka.New(w.opts.librdkafkaProperties(w.topic.topic(), 1), w.opts.Topic, []uint64{0})
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
			return errors.New(librdkafka.ErrorText(code))
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w%s", c.Ready(), said)
		}
	}
}

// ClusterID asks the brokers which cluster they are. As Check, it returns when ctx ends.
func (w *Writer) ClusterID(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.admin.limit)
	defer cancel()
	id := ""
	err := w.admin.ask(ctx, func() (err error) {
		id, err = w.admin.client.ClusterID(ctx)
		return err
	})
	if err != nil {
		return "", err // and answer may come yet
	}
	if id == "" {
		return "", errors.New("brokers do not tell their cluster's id, which --ring-dir needs")
	}
	return id, nil
}
