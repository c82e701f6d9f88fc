package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/embedded"
	"github.com/ringtail/ringtail/internal/httpd"
	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/internal/reload"
	_ "github.com/ringtail/ringtail/internal/timerslack" // timers may be a millisecond late
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

// ErrLost says that the process stopped with records neither in Kafka nor kept. The
// drained line, which is the last on standard error, has told the number.
var ErrLost = errors.New("records were lost")

type node struct {
	opt      Options
	env      Env
	brokers  string // --brokers, or the embedded one
	rings    shard.Set
	dir      *shard.Dir   // nil without --ring-dir
	certs    *certs.Store // nil without --tls-cert
	sink     sink
	warnings *warnings
	server   atomic.Pointer[server.Server] // nil until Kafka has been reached
	phase    atomic.Pointer[string]        // why /readyz says no; nil: the sink decides
	died     chan error                    // capacity 1
	admin    *httpd.Server                 // nil with --admin ''
	broker   *embedded.Broker              // nil without --embedded
	started  time.Time
	scrapes  scrapes
	cluster  string                            // Kafka's id; "": brokers do not tell
	drained  bool                              // nobody uses the rings any more
	native   bool                              // the engines are Go's
	tokens   *tokenFile                        // nil without --token-file
	watched  []reload.Looker                   // files that are read again when they change
	seen     *sampler                          // what is known of all that, a second old at most
	events   *events                           // tells it to those who read /events
	config   atomic.Pointer[map[string]string] // Env.Config, or what a reload has made of it

	stopping  context.Context // ends with the first signal
	end       context.CancelCauseFunc
	halted    chan struct{} // closed by the second
	abandoned bool          // halted while begin went on: what is here is begin's
	ends      []func()      // what release ends
	successor *successor    // a process that is to take over; nil: none
	inherited *inheritance  // from the process that this one takes over from; nil: from none

	asking     sync.Mutex // of progresses
	progressed time.Time  // when whoever moves records was there last

	adminSocket *os.File      // of that process; nil: none
	adminGate   chan struct{} // the admin port responds when this is closed
}

func newNode(o Options, env Env) *node {
	n := &node{opt: o, env: env, brokers: o.Brokers, died: make(chan error, 1), started: time.Now(), halted: make(chan struct{}), adminGate: make(chan struct{})}
	n.stopping, n.end = context.WithCancelCause(context.Background())
	n.setPhase(phaseStarting)
	n.config.Store(&env.Config)
	n.events = newEvents(func() any { return n.status() }, func() any { return n.history() }, n.connections)
	return n
}

// Run runs a node until a signal, or until it cannot go on. Errors are
// config.UsageError (exit code 2), ErrLost, or what went wrong.
func Run(o Options, env Env) error {
	if err := o.Validate(); err != nil {
		return err
	}
	n := newNode(o, env)
	defer n.release()
	defer n.hear()()
	n.warnings, n.env.Log = newWarnings(env.Log)
	n.opt.Loops = cmp.Or(n.opt.Loops, runtime.GOMAXPROCS(0)) // before giveProcessors
	taking, err := n.start(cmp.Or(env.Metrics, prometheus.NewRegistry()))
	switch {
	case errors.Is(err, errHalted):
		n.env.Log.Warn(err.Error())
		n.env.Err.Last(ledger{}) // nothing was taken, and what is in ring files stays there
		return nil
	case taking:
		err = n.tend()
	}
	var usage *config.UsageError
	if errors.As(err, &usage) || n.server.Load() == nil && err != nil {
		return err
	}
	return n.stop(err)
}

// begin does everything until records are taken: it returns true then, and false where a signal, or
// an error, came first.
func (n *node) begin(reg *prometheus.Registry) (taking bool, err error) {
	if n.inherited, err = inherit(); err != nil {
		return false, err
	}
	n.takeSockets()
	if err := n.prepare(reg); err != nil || n.stopping.Err() != nil {
		return false, err
	}
	n.ends = append(n.ends, reload.Watch(n.watched...), n.seen.run(), n.keepNotified())
	if reached, err := n.reach(); !reached || err != nil {
		return false, err
	}
	n.seen.chosen(n.sink.choice())
	n.native = n.sink.native()
	n.ends = append(n.ends, n.giveProcessors())
	if err := n.open(reg); err != nil {
		return false, err
	}
	close(n.adminGate)
	n.announce()
	n.inherited.say(wordReady)
	n.notifyReady()
	return true, nil
}

func (n *node) setPhase(why string) { n.phase.Store(&why) }

// prepare makes everything that needs no Kafka.
func (n *node) prepare(reg *prometheus.Registry) error {
	var err error
	if n.opt.Embedded {
		if err := n.embed(); err != nil {
			return err
		}
	}
	if err := n.limitMemory("/"); err != nil {
		return err
	}
	if err := n.openFiles(reg); err != nil {
		return err
	}
	if err := n.awaitDirectory(reg); err != nil || n.stopping.Err() != nil {
		return err
	}
	if err = n.openRings(); err != nil {
		if n.stopping.Err() != nil {
			return nil //nolint:nilerr // they were given up for it
		}
		return config.Usagef("%w", err)
	}
	if err := errors.Join(registerProcess(reg, n.opt.Version), n.registerRings(reg)); err != nil {
		return err
	}
	if n.sink, err = n.newSink(reg); err != nil {
		return config.Usagef("%w", err)
	}
	if n.seen, err = newSampler(n, reg); err != nil {
		return err
	}
	return n.openAdmin(reg)
}

func (n *node) openAdmin(reg *prometheus.Registry) (err error) {
	if n.opt.Admin.Address != "" && n.admin == nil {
		n.admin, err = newAdmin(n, reg)
	}
	return err
}

func (n *node) embed() error {
	topics := map[string]int{n.opt.Topic: n.opt.Codec.Shards}
	if n.opt.DeadLetterTopic != "" {
		topics[n.opt.DeadLetterTopic] = 1
	}
	b, err := embedded.Start(n.opt.EmbeddedPort, topics)
	if err != nil {
		return admitting("--embedded-port", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.opt.EmbeddedPort)), err)
	}
	n.broker, n.brokers = b, b.Address()
	n.env.Log.Warn("embedded broker: nothing survives the end of this process, and the oldest records go first",
		"brokers", b.Address(), "topic", n.opt.Topic, "partitions", n.opt.Codec.Shards)
	return nil
}

// So many tries must agree before a topic is called unfit: right after it was made, a broker may
// not know it yet, and a broker that has just started beside a ZooKeeper knows no topics for
// seconds.
const (
	unfitTries    = 10
	leaderTries   = 6 // brokers that start together are not there together
	tryAgainAfter = 500 * time.Millisecond
	tryLimit      = 30 * time.Second // for one try: librdkafka's request for the topics, and each writer's way to the leaders
	warmLimit     = 3 * time.Second  // for the sink's first connections
)

// reach waits until Kafka answers and the topics fit. It returns false when a
// signal came first.
func (n *node) reach() (bool, error) {
	ctx := n.stopping
	if n.opt.StartTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, n.opt.StartTimeout)
		defer cancel()
	}
	said, unfit, leaderless := "", 0, 0
	var last error
	for {
		err := n.tryKafka(ctx)
		var usage *config.UsageError
		switch {
		case n.stopping.Err() != nil:
			return false, nil
		case errors.Is(err, kafkaclient.ErrRefused):
			return false, fmt.Errorf("--brokers %s: %w", n.brokers, err) // a password: waiting does not mend it
		case err == nil || errors.As(err, &usage):
			return err == nil, err
		case errors.Is(err, producer.ErrTopic):
			if unfit++; unfit >= unfitTries {
				return false, n.unfit(err)
			}
		case errors.Is(err, producer.ErrLeader):
			// The other partitions' records need not wait; readiness says what is missing.
			if leaderless++; leaderless >= leaderTries {
				n.env.Log.Warn("starting all the same; records for the others are taken", "cause", err)
				return true, nil
			}
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil && last != nil:
			err = last // this try was broken off; the one before says more
		default:
			unfit, err = 0, explain(err)
		}
		last = err
		n.setPhase(err.Error())
		if text := err.Error(); text != said && ctx.Err() == nil && unfit == 0 { // of a topic the last line tells
			n.env.Log.Warn("not ready, trying again", "cause", text)
			said = text
		}
		select {
		case <-n.stopping.Done():
			return false, nil
		case <-ctx.Done():
			if n.stopping.Err() != nil {
				return false, nil
			}
			if unfit > 0 {
				return false, n.unfit(last)
			}
			return false, fmt.Errorf("--brokers %s: not ready within --start-timeout %s: %w", n.brokers, config.Duration(n.opt.StartTimeout), last)
		case <-time.After(tryAgainAfter):
		}
	}
}

// tryKafka asks Kafka once, and returns when that has ended: it may write to ring files, which are
// another process's as soon as this node lets go of them.
func (n *node) tryKafka(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	err := n.sink.check(ctx)
	if err == nil || errors.Is(err, producer.ErrLeader) {
		if other := n.sameCluster(ctx); other != nil {
			return other
		}
	}
	return err
}

// explain says in the user's words that a try was broken off. An error with a cause of its own,
// even a timeout of some connection, stays as it is.
func explain(err error) error {
	if err == context.DeadlineExceeded {
		return errors.New("no broker answered")
	}
	return err
}

// unfit adds to what is wrong with a topic the command that makes one that fits.
func (n *node) unfit(err error) error {
	if !strings.Contains(err.Error(), "ringtail topics create") {
		return config.Usagef("%w; one that fits: ringtail topics create NAME --partitions %d --brokers %s",
			err, n.opt.Codec.Shards, n.brokers)
	}
	return config.Usagef("%w --brokers %s", err, n.brokers)
}

// open has the server listen, and the sink write what it takes.
func (n *node) open(reg prometheus.Registerer) error {
	o := n.opt.serverOptions()
	o.Rings, o.TLS, o.Token, o.Logger, o.Registerer = n.rings, n.tls(), n.token(), n.env.Log, reg
	s, err := server.New(o)
	if errors.As(err, new(*server.ListenError)) {
		return listening(err)
	} else if err != nil {
		return config.Usagef("%w", err)
	}
	n.server.Store(s)
	n.setLimits(n.sink.limits())
	ctx, cancel := context.WithTimeout(n.stopping, warmLimit)
	n.sink.start(ctx)
	cancel()
	if err := s.Start(); err != nil {
		return err
	}
	n.phase.Store(nil)
	n.seen.look() // who sees the ready line may ask
	n.warnOfLimits()
	n.tellStart(s.URLs())
	return nil
}

// announce prints the line that says that records may come.
func (n *node) announce() {
	line := "ringtail: ready"
	for _, u := range n.server.Load().URLs() {
		line += " listen=" + u
	}
	if n.admin != nil {
		line += " admin=" + n.admin.URL()
	}
	if n.broker != nil {
		line += " brokers=" + n.broker.Address()
	}
	_, _ = fmt.Fprintln(n.env.Out, line)
}

// die ends the node; the sink calls it when it cannot go on.
func (n *node) die(err error) {
	select {
	case n.died <- err:
	default:
	}
}

// release gives back what stop has not, because the node never got so far.
func (n *node) release() {
	if n.abandoned {
		return
	}
	for _, end := range slices.Backward(n.ends) {
		end()
	}
	if n.admin != nil {
		n.admin.Close()
	}
	if n.broker != nil {
		n.broker.Close()
	}
	n.unlock()
}

func shardName(i int) string { return strconv.Itoa(i) }
