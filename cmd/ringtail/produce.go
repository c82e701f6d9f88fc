package main

import (
	"github.com/alecthomas/kong"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkatools"
)

type produceCmd struct {
	kafkatools.Cluster
	kafkatools.ProduceOptions
}

// Help is shown under the flags' list.
func (*produceCmd) Help() string {
	return `Records are JSON, in UTF-8, UTF-16 or UTF-32; one that goes over several lines is written as one line. What is no JSON ends it, with its line, unless --raw.

numbers makes {"number":0,…} and counts up; clicks {"user_id":"user_42","timestamp":…,"page":…} of 100 users; stream {"id":0,"value":512}.

Examples:

    echo '{"user":"ada","text":"こんにちは"}' | ringtail produce --brokers 127.0.0.1:9092 --topic greetings --key ada
    ringtail produce --brokers 127.0.0.1:9092 --topic click_events --key-field user_id --generate clicks --count 10000 --rate 500
    ringtail produce --to tcp://127.0.0.1:8888 --generate numbers --count 100000
    ringtail produce --to tcp://127.0.0.1:8888 --framing length --ack records.jsonl
    ringtail produce --to tls://ringtail.example:8899 --tls-ca ca.pem records.jsonl`
}

// Run produces.
func (c *produceCmd) Run(p *process, line *kong.Context) error {
	if c.To != "" && !config.Typed(line, "topic") {
		c.Topic = "" // RINGTAIL_TOPIC's, which is for others
	}
	if c.Topic == "" && c.To == "" {
		return config.Usagef("--topic is missing; name a topic, or with --to a Ringtail")
	}
	ctx, cancel := p.asking(exitDone)
	defer cancel()
	return kafkatools.Produce(ctx, c.Cluster, c.ProduceOptions, p.streams())
}
