package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/internal/properties"
)

// Cluster is how to reach Kafka, as flags.
type Cluster struct {
	Brokers    string            `placeholder:"HOST:PORT,…" help:"Kafka's brokers (RINGTAIL_BROKERS)."`
	Properties config.Properties `name:"kafka-property" short:"X" placeholder:"K=V" help:"A property of librdkafka; V as @FILE is what FILE holds. Repeatable."`
}

// AfterApply reads the files that hold secrets. Kong calls it when it has parsed the flags.
func (c *Cluster) AfterApply() (err error) {
	c.Properties, err = c.Properties.Read()
	return err
}

// Streams are where results (Out) and progress (Err) go. A terminal gets tables
// that move; anything else gets text that can be read by a program.
type Streams struct {
	In          io.Reader
	Out, Err    io.Writer
	OutTerminal bool
	ErrTerminal bool
	Size        func() (columns, rows int) // of the terminal that Out is; nil: not known
}

// say writes one line of progress, also where an error has several (--expr's point at
// the place).
func (s Streams) say(format string, args ...any) {
	_, _ = fmt.Fprintln(s.Err, "ringtail: "+unfolded(fmt.Sprintf(format, args...)))
}

// done says on a terminal what has been done; a program sees the exit code.
func (s Streams) done(format string, args ...any) {
	if s.ErrTerminal {
		s.say(format, args...)
	}
}

// unfolded is text in one line.
func unfolded(text string) string { return strings.Join(strings.Fields(text), " ") }

// requestLimit is how long one request may take before a broker counts as away.
const (
	requestLimit = 10 * time.Second
	requestMS    = int32(requestLimit / time.Millisecond)
)

// fixedProperties are properties that a verb sets and that its promises rest on: why another value is refused.
var fixedProperties = map[string]string{
	"transactional.id":         "it is the verb's own",
	"group.id":                 "set --group instead",
	"enable.auto.commit":       "what is done is committed, not what was fetched",
	"enable.auto.offset.store": "what is done is committed, not what was fetched",
	"enable.partition.eof":     "without it the end of a partition is not seen",
	"isolation.level":          "what was taken back would be processed",
}

// refuseRole refuses a property that only clients of that role look at, for a verb that has none.
func (c Cluster) refuseRole(other properties.Role) error {
	if err := cmp.Or(properties.Check(c.Properties), properties.CheckRole(c.Properties, other)); err != nil {
		return config.Usagef("%w", err)
	}
	return nil
}

// metadataSoon is when a broker that has not answered is looked for.
const metadataSoon = 2 * time.Second

// mayPass tells whether a leader may be there soon, or another one: it is being started, or elected.
func mayPass(cause error) bool {
	var dns *net.DNSError
	return !errors.As(cause, &dns)
}

// unreached says why brokers did not answer, or, where nothing is found, err.
func (c Cluster) unreached(err error) error {
	if cause := c.diagnose(); cause != nil {
		err = cause
	}
	return c.explain(err)
}

// diagnose returns what is in the way to Kafka, nil where nothing is found.
func (c Cluster) diagnose() error {
	security, _ := kafkaclient.SecurityOf(c.Properties)
	return kafkaclient.Diagnose(context.Background(), kafkaclient.Seeds(c.Brokers), security)
}

func (c Cluster) explain(err error) error {
	return fmt.Errorf("--brokers %s: not reached: %w", c.Brokers, err)
}

// within runs f, but does not wait for it beyond limit: to leave a
// group is to wait for a broker that may be gone. Nobody else uses what f closes, before or after.
func within(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
