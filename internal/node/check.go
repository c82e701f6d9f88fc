package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/shard"
)

// checkLimit is how long `check --connect` waits for the brokers.
const checkLimit = tryLimit

// Check is Run without running: it validates the options and, with connect, asks
// the brokers about the topics. It returns who would write to Kafka, and why: "" where nobody would.
func Check(o Options, connect bool, log *slog.Logger) (writer string, err error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	if err := (&node{opt: o, env: Env{Log: log}}).limitMemory("/"); err != nil {
		return "", err
	}
	if _, _, err := o.Admin.access(log); err != nil {
		return "", err
	}
	if _, err := openTokens("--token-file", o.TokenFile, log); err != nil {
		return "", err
	}
	if o.TLS.Given() {
		if _, err := certs.Open(o.TLS, log); err != nil {
			return "", config.Usagef("%w", err)
		}
	}
	if o.RingDir != "" {
		if err := shard.CheckDir(o.ringFiles()); err != nil {
			return "", config.Usagef("%w", err)
		}
	}
	if o.Sink != SinkKafka || o.Embedded {
		return "", nil
	}
	// The writer asks for rings, but a check puts nothing in them.
	small := o
	small.RingBytes = shard.MinBytes(0)
	rings, err := newRings(&small)
	if err != nil {
		return "", err
	}
	defer rings.Release()
	n := &node{opt: o, brokers: o.Brokers, rings: rings, env: Env{Log: log}}
	s, err := n.newSink(nil)
	if err != nil {
		return "", config.Usagef("%w", err)
	}
	defer s.close()
	if !connect {
		return s.choice(), nil
	}
	limit := checkLimit
	if o.StartTimeout > 0 {
		limit = min(limit, o.StartTimeout)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch err := s.check(ctx); {
	case errors.Is(err, producer.ErrTopic):
		return "", n.unfit(err)
	case err != nil:
		return "", fmt.Errorf("--brokers %s: %w", o.Brokers, explain(err))
	}
	return s.choice(), nil
}
