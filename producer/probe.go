package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ringtail/ringtail/producer/native"
	"github.com/ringtail/ringtail/producer/rdk"
)

// probeLimit bounds how long one writer may take to show that it gets through.
const probeLimit = 8 * time.Second

// probe asks native for a producer id and a way to every leader. Two libraries differ in what
// they take of certificates, ciphers, protocols and names; the topics were looked at with
// librdkafka. Where native does not get through, WriterAuto tries whether librdkafka does, and
// takes it: no record has been written yet.
func (w *Writer) probe(ctx context.Context) error {
	err := w.probeNative(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case w.opts.Writer != WriterAuto || !mayDiffer(err) || w.probeLibrdkafka(ctx) != nil:
		return errors.New(err.Error()) // that the probe's time was over is not that the caller's is
	}
	w.opts.isNative = false
	w.opts.Logger.Warn("librdkafka writes to Kafka, as with --writer "+WriterLibrdkafka+": it gets through where the native writer does not", "because", err)
	return nil
}

// mayDiffer tells whether another library may get through where one ended with err. None gets
// a connection where nobody listens, and a broker that is down is down for all.
func mayDiffer(err error) bool {
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}

func (w *Writer) probeNative(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	for _, t := range []*watcher{w.topic, w.dead} {
		if t == nil {
			continue
		}
		o, err := w.opts.native(t.topic())
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
			return fmt.Errorf("kafka cannot be reached (--brokers) by the native writer: %w", err)
		}
	}
	return nil
}

// probeLibrdkafka returns nil once librdkafka has a producer id.
func (w *Writer) probeLibrdkafka(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	c, err := rdk.New(w.opts.instance(w.topic.topic(), 1), w.opts.Topic, []uint64{0})
	if err != nil {
		return err
	}
	defer c.Destroy()
	for {
		c.Poll(100)
		c.Events()
		if c.Ready() == nil {
			return nil
		}
		if code := c.Fatal(); code != 0 {
			return errors.New(rdk.ErrorText(code))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
