package main

import "github.com/ringtail/ringtail/internal/kafkatools"

type processCmd struct {
	kafkatools.Cluster
	kafkatools.ProcessOptions
}

// Help is shown under the flags' list.
func (*processCmd) Help() string {
	return `Each record of --from gives one of --to, with the same key, headers and timestamp: the result of --expr, as JSON. In --expr $env is the whole record, so $env["with-dash"] is a field that is no name. Results and progress are committed together: however the process ends, a read_committed reader finds nothing missing and nothing twice. Records that give no result (no JSON object, an error in --expr, a result that the topic refuses) are named; by default the first of them ends the processing with exit code 1, before it. Ctrl-C and SIGTERM end.

Examples:

    ringtail process --brokers 127.0.0.1:9092 --from stream --to doubled --group doubler --expr '{id: id, value: value * 2}'
    ringtail process --brokers 127.0.0.1:9092 --from click_events --to pages --group pages --expr 'upper(page)'
    ringtail process --brokers 127.0.0.1:9092 --from stream --to doubled --group doubler --expr 'value * 2' --dead-letter-topic failed --metrics 127.0.0.1:9891`
}

// Run processes.
func (c *processCmd) Run(p *process) error {
	ctx, cancel := p.asking(exitDone)
	defer cancel()
	return kafkatools.Process(ctx, c.Cluster, c.ProcessOptions, p.streams())
}
