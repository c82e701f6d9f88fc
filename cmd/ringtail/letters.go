package main

import "github.com/ringtail/ringtail/internal/kafkatools"

type deadLettersCmd struct {
	Replay deadLettersReplayCmd `cmd:"" help:"Take dead letters through the codec again, into the topic, each once."`
}

type deadLettersReplayCmd struct {
	kafkatools.Cluster
	kafkatools.ReplayOptions
}

// Help is shown under the flags' list.
func (*deadLettersReplayCmd) Help() string {
	return `For when what rejected them has been mended: --field or --shards were wrong, the topic took too little, Ringtail itself was. Each letter that there is now is looked at as serve looks at a record, with the flags that serve has; those that pass are written to the partition of their digit. Records and progress are committed together: however the process ends, and however often it is called, each letter is written once. Letters that do not pass, and those cut short (headers truncated=…, reason=truncated), stay in their topic; they are counted by reason, the exit code is 1, and the next call tries them again. The group ringtail-replay:DEAD:TOPIC remembers what was done, as long as Kafka keeps the offsets of a group that nobody uses (offsets.retention.minutes, seven days). One replay runs at a time; a second one ends the first.

Examples:

    ringtail letters replay --brokers 127.0.0.1:9092 --from letters --to records
    ringtail letters replay --brokers 127.0.0.1:9092 --from letters --to records --field meta.number --key-field user_id`
}

// Run replays.
func (c *deadLettersReplayCmd) Run(p *process) error {
	ctx, cancel := p.asking(exitFailed)
	defer cancel()
	return kafkatools.Replay(ctx, c.Cluster, c.ReplayOptions, p.streams())
}
