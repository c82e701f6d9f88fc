package node

import (
	"strings"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/platform"
	"github.com/ringtail/ringtail/server"
)

// tellStart logs what this node is, in one line: whoever reads a log of last night begins there.
func (n *node) tellStart(listen []string) {
	o := &n.opt
	line := []any{"version", o.Version, "listen", strings.Join(listen, " "), "ack", acks(o.Listeners), "shards", o.Codec.Shards}
	if o.Sink == SinkKafka {
		name, why, _ := strings.Cut(n.sink.choice(), ": ")
		partitions := 0
		if topics := n.sink.insight().Topics; len(topics) > 0 {
			partitions = topics[0].Partitions
		}
		record, _ := n.sink.limits()
		line = append(line, "topic", o.Topic, "partitions", partitions, "cluster", n.cluster, "brokers", n.brokers,
			"writer", name, "because", why, "record_limit_bytes", record)
	} else {
		line = append(line, "sink", o.Sink)
	}
	for _, optional := range []struct{ key, value string }{
		{"dead_letter_topic", o.DeadLetterTopic}, {"ring_dir", o.RingDir},
	} {
		if optional.value != "" {
			line = append(line, optional.key, optional.value)
		}
	}
	if n.admin != nil {
		line = append(line, "admin", n.admin.URL())
	}
	line = append(line, "ring_bytes", o.RingBytes, "connections_max", n.server.Load().Stats().ConnectionsMax)
	n.env.Log.Info("serving", line...)
}

// acks is --ack of the listeners, one by one where they differ.
func acks(listeners []server.Listener) string {
	words, differ := "", false
	for i, l := range listeners {
		word := "off"
		if l.Ack {
			word = "kafka"
		}
		if i > 0 {
			differ = differ || l.Ack != listeners[0].Ack
			words += ","
		}
		words += word
	}
	if !differ {
		words, _, _ = strings.Cut(words, ",")
	}
	return words
}

// warnOfLimits warns of what is not to be had on this system, and of what somebody asked for and does
// not get.
func (n *node) warnOfLimits() {
	if platform.Caveat != "" {
		n.env.Log.Warn(platform.Caveat)
	}
	if asked, most := n.opt.MaxConnections, n.server.Load().Stats().ConnectionsMax; asked != MaxConnectionsDefault && asked > most {
		n.env.Log.Warn("the descriptor limit caps --max-connections; raise it with ulimit -n or LimitNOFILE=", "asked", asked, "connections_max", most)
	}
	if asked := n.opt.Codec.MaxRecordBytes; asked != MaxRecordBytesDefault && n.opt.Sink == SinkKafka {
		if most, _ := n.sink.limits(); most < asked {
			n.env.Log.Warn("the topic takes smaller records than --max-record-bytes; larger ones are rejected; raise its max.message.bytes",
				"asked", config.Size(asked).String(), "topic", n.opt.Topic, "record_limit_bytes", most)
		}
	}
}
