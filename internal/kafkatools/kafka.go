package kafkatools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
)

// client makes a client of the verb's properties and the user's, and what has no name there (opts);
// close it. It is nowhere connected yet: what is wrong is a usage error.
func (c Cluster) client(verb map[string]string, opts ...kgo.Opt) (*kgo.Client, error) {
	o, err := c.options(verb)
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(o, opts...)...)
	if err != nil {
		return nil, config.Usagef("--kafka-property: %w", err)
	}
	return cl, nil
}

// ask makes a request that any broker answers. Where none does, the error says why, within seconds.
func (c Cluster) ask(ctx context.Context, request func(context.Context) error) error {
	security, _ := kafkaclient.SecurityOf(c.Properties)
	err := kafkaclient.Ask(ctx, kafkaclient.Seeds(c.Brokers), security, metadataSoon, requestLimit, func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return request(ctx)
	})
	if err != nil {
		return c.explain(err)
	}
	return nil
}

// transient tells whether an error is of a connection, and another broker, or the same one later, may
// answer.
func transient(err error) bool {
	return kgo.IsRetryableBrokerErr(err) || errors.Is(err, io.EOF) || errors.As(err, new(net.Error)) || errors.As(err, new(*kgo.ErrFirstReadEOF)) ||
		kerr.IsRetriable(err)
}

// describe returns what the brokers tell of themselves and of topics; without names, of all.
func (c Cluster) describe(ctx context.Context, cl *kgo.Client, topics ...string) (md kadm.Metadata, err error) {
	var denied *kadm.AuthError
	err = c.ask(ctx, func(ctx context.Context) error {
		md, err = kadm.NewClient(cl).Metadata(kadm.WithAuthorizedOps(ctx), topics...) // so that no cache is asked
		if errors.As(err, &denied) {
			return nil // that is an answer
		}
		return err
	})
	if err == nil && denied != nil {
		err = fmt.Errorf("--brokers %s: %w", c.Brokers, denied)
	}
	return md, err
}

// find asks about the brokers and topics, without names about all. A topic that is not there is a usage error.
func (c Cluster) find(ctx context.Context, cl *kgo.Client, topics ...string) (kadm.Metadata, error) {
	for _, name := range topics {
		if name == "" {
			return kadm.Metadata{}, config.Usagef("--topic is missing; name one of `ringtail topics list`")
		}
	}
	md, err := c.describe(ctx, cl, topics...)
	if err != nil {
		return md, err
	}
	for _, name := range topics {
		switch t := md.Topics[name]; {
		case errors.Is(t.Err, kerr.UnknownTopicOrPartition) || t.Err == nil && len(t.Partitions) == 0:
			return md, config.Usagef("topic %s does not exist; `ringtail topics list --brokers %s` names those that do", name, c.Brokers)
		case errors.Is(t.Err, kerr.InvalidTopicException):
			return md, config.Usagef("%q is not a name that a topic can have", name)
		case t.Err != nil:
			return md, fmt.Errorf("topic %s: %w", name, t.Err)
		}
	}
	return md, nil
}

// reach is find for who is going to read or write topics: of each at least one leader takes a connection.
func (c Cluster) reach(ctx context.Context, cl *kgo.Client, topics ...string) (kadm.TopicDetails, error) {
	for deadline := time.Now().Add(requestLimit); ; {
		md, err := c.find(ctx, cl, topics...)
		if err != nil {
			return nil, err
		}
		away, cause := "", error(nil)
		for _, name := range topics {
			if reached, why := c.knock(ctx, md, name); why != nil && reached == 0 {
				away, cause = name, why
			}
		}
		if cause == nil {
			return md.Topics, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil || !mayPass(cause) {
			return nil, c.explain(fmt.Errorf("topic %s cannot be read or written: %w", away, cause))
		}
		time.Sleep(metadataInterval)
	}
}

// knock goes to the leaders of a topic, or, for "", to all brokers: how many of them take a
// connection, and why others do not.
func (c Cluster) knock(ctx context.Context, md kadm.Metadata, topic string) (reached int, cause error) {
	leads := map[int32]bool{}
	for _, p := range md.Topics[topic].Partitions {
		leads[p.Leader] = true
	}
	var endpoints []kafkaclient.Endpoint
	for _, b := range md.Brokers {
		if topic == "" || leads[b.NodeID] {
			endpoints = append(endpoints, kafkaclient.EndpointOf(b.NodeID, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), "", kafkaclient.Seeds(c.Brokers)))
		}
	}
	security, _ := kafkaclient.SecurityOf(c.Properties)
	return kafkaclient.Connect(ctx, endpoints, security)
}

// whyNot adds to an answer that did not come why it did not, where that is found.
func (c Cluster) whyNot(err error) error {
	if err == nil || errors.As(err, new(*kerr.Error)) && !kerr.IsRetriable(err) {
		return err
	}
	if cause := c.diagnose(); cause != nil {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}
