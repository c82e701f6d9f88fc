package main

import (
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkatools"
)

type produceCmd struct {
	kafkaFlags
	File string `arg:"" optional:"" help:"JSON records; - or nothing: standard input."`

	Input string `source:"command-line" placeholder:"auto|json|lines" values:"auto,json,lines" help:"auto (default): JSON values one a line, over many lines, or in arrays of objects; json: the elements of every array, too; lines: one value a line, arrays as they are."`
	Raw   bool   `source:"command-line" help:"Lines as they are, be they JSON or not."`

	Topic     string      `help:"The topic to write to."`
	Key       *string     `source:"command-line" help:"The key of every record."`
	KeyField  string      `help:"Top-level field whose value becomes the key. The same key goes to the same partition, as with Java's producer."`
	Partition int         `default:"-1" help:"The partition to write to. Default: the key's; without key, one after the other."`
	Header    config.List `short:"H" placeholder:"NAME=VALUE" help:"A header of every record. Repeatable."`

	Tombstones bool `source:"command-line" help:"Write keys without values, which delete in a compacted topic: --key's alone, or with --key-field those of the records."`

	Generate string  `placeholder:"KIND" values:"numbers,clicks,stream" help:"Make records instead of reading them: numbers, clicks, stream."`
	Count    int64   `default:"0" help:"Stop after so many. 0: no limit."`
	Rate     float64 `default:"0" help:"Records a second. 0: as fast as possible."`

	To      string `placeholder:"URL" help:"A Ringtail to send to instead of a topic: tcp://HOST:PORT or unix:///PATH."`
	Framing string `source:"command-line" values:"${framings_sent}" help:"With --to: newline (default), length, json or auto."`
	Ack     bool   `source:"command-line" help:"With --to: wait until the server has acked every record; needs its --ack kafka."`
}

// Help is shown under the flags' list.
func (*produceCmd) Help() string {
	return `Records are JSON, in UTF-8, UTF-16 or UTF-32; one that goes over several lines is written as one line. What is no JSON ends it, with its line, unless --raw.

numbers makes {"number":0,…} and counts up; clicks {"user_id":"user_42","timestamp":…,"page":…} of 100 users; stream {"id":0,"value":512}.

Examples:

    echo '{"user":"ada","text":"こんにちは"}' | ringtail produce --brokers 127.0.0.1:9092 --topic greetings --key ada
    ringtail produce --brokers 127.0.0.1:9092 --topic click_events --key-field user_id --generate clicks --count 10000 --rate 500
    ringtail produce --to tcp://127.0.0.1:8888 --generate numbers --count 100000
    ringtail produce --to tcp://127.0.0.1:8888 --framing length --ack records.jsonl`
}

// Run produces.
func (c *produceCmd) Run(p *process) error {
	if c.Topic == "" && c.To == "" {
		return config.Usagef("--topic is missing; name a topic, or with --to a Ringtail")
	}
	ctx, cancel := p.context()
	defer cancel()
	return kafkatools.Produce(ctx, c.cluster(), kafkatools.ProduceOptions{
		Generate: c.Generate, Count: c.Count, Rate: c.Rate, File: c.File, Input: c.Input, Raw: c.Raw,
		Topic: c.Topic, Key: c.Key, KeyField: c.KeyField, Partition: c.Partition, Headers: c.Header, Tombstones: c.Tombstones,
		To: c.To, Framing: c.Framing, Ack: c.Ack,
	}, p.streams())
}
