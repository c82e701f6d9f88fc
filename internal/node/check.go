package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

// checkLimit is how long `check --connect` waits for the brokers.
const checkLimit = tryLimit

// Check is Run without running: it validates the options, reckons memory and disk, opens the files,
// looks up the brokers' names, and, with connect, asks the brokers about the topics. It returns who
// would write to Kafka, and why: "" where nobody would.
//
// What is wrong with the options is a config.UsageError. What only stands in the way of a start now
// (a name that nobody knows, an address that somebody has) is another error; addresses and the lock
// of --ring-dir come last, so that whoever checks beside a running server learns of all the rest.
func Check(o Options, connect bool, log *slog.Logger) (writer string, err error) {
	if err := o.Validate(); err != nil {
		return "", err
	}
	n := &node{opt: o, brokers: o.Brokers, env: Env{Log: log}}
	if err := n.limitMemory("/"); err != nil {
		return "", err
	}
	used, err := n.checkFiles()
	if err != nil {
		return "", err
	}
	if writer, err = o.ask(context.Background(), o.Brokers, connect, log); err != nil {
		return "", err
	}
	if err := n.checkAddresses(); err != nil {
		return "", err
	}
	return writer, used
}

// checkFiles opens what a server reads. used is why ring files cannot be had now; all else of them is
// well then.
func (n *node) checkFiles() (used, err error) {
	if _, _, err := n.opt.Admin.access(n.env.Log); err != nil {
		return nil, err
	}
	if _, err := openTokens("--token-file", n.opt.TokenFile, n.env.Log); err != nil {
		return nil, err
	}
	if n.opt.TLS.Given() {
		if _, err := certs.Open(n.opt.TLS, n.env.Log); err != nil {
			return nil, config.Usagef("%w", err)
		}
	}
	if n.opt.RingDir == "" {
		return nil, nil
	}
	err = shard.CheckDir(n.opt.ringFiles())
	if errors.Is(err, shard.ErrInUse) {
		return err, nil
	} else if err != nil {
		return nil, config.Usagef("%w", err)
	}
	return nil, nil
}

// ask makes a writer, and with connect has it ask the brokers about the topics. It returns who would
// write to Kafka, and why: "" where nobody would. Without connect it asks whether the brokers' names are
// known.
func (o Options) ask(ctx context.Context, brokers string, connect bool, log *slog.Logger) (writer string, err error) {
	if o.Sink != SinkKafka || o.Embedded {
		return "", nil
	}
	// The writer asks for rings, but nothing comes into them.
	small := o
	small.RingBytes = shard.MinBytes(0)
	rings, err := newRings(ctx, &small)
	if err != nil {
		return "", err
	}
	defer rings.Release()
	n := &node{opt: o, brokers: brokers, rings: rings, env: Env{Log: log}}
	s, err := n.newSink(nil)
	if err != nil {
		return "", config.Usagef("%w", err)
	}
	defer s.close()
	limit := checkLimit
	if o.StartTimeout > 0 {
		limit = min(limit, o.StartTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !connect {
		if err := kafkaclient.Resolve(ctx, kafkaclient.Seeds(brokers)); err != nil {
			return "", fmt.Errorf("--brokers %s: %w", brokers, err)
		}
		return s.choice(), nil
	}
	switch err := s.check(ctx); {
	case errors.Is(err, producer.ErrTopic):
		return "", n.unfit(err)
	case err != nil:
		return "", fmt.Errorf("--brokers %s: %w", brokers, explain(err))
	}
	return s.choice(), nil
}

// checkAddresses tells whether a server could listen now.
func (n *node) checkAddresses() error {
	if err := server.CheckListeners(n.opt.Listeners); err != nil {
		return listening(err)
	}
	addresses := map[string]string{"--admin": n.opt.Admin.Address}
	if n.opt.Embedded {
		addresses["--embedded-port"] = net.JoinHostPort("127.0.0.1", strconv.Itoa(n.opt.EmbeddedPort))
	}
	for flag, address := range addresses {
		if address == "" {
			continue
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			return admitting(flag, address, err)
		}
		_ = ln.Close()
	}
	return nil
}

// admitting says of an address that is not --listen's why it cannot be had.
func admitting(flag, address string, err error) error {
	var call syscall.Errno
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return inUse(flag+" "+address, "tcp", address)
	case errors.As(err, &call):
		return fmt.Errorf("%s %s: %w", flag, address, call)
	}
	return fmt.Errorf("%s %s: %w", flag, address, err)
}
