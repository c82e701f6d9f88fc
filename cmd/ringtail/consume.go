package main

import (
	"os/signal"
	"syscall"

	"github.com/ringtail/ringtail/internal/kafkatools"
)

type consumeCmd struct {
	kafkatools.Cluster
	kafkatools.ConsumeOptions
}

// Help is shown under the flags' list.
func (*consumeCmd) Help() string {
	return `A tombstone, a record without value, is shown as value=null by text, as an empty line by value, and as "value":null by json. Ctrl-C ends; what has been shown is committed for the group. Where records are gone before they were read, it says how many, goes on at the first that is there, and exits with 1 at its end.

Examples:

    ringtail consume --brokers 127.0.0.1:9092 --topic records --from beginning --until-end
    ringtail consume --brokers 127.0.0.1:9092 --topic records --partition 7 --from 1000 --count 10 --format json
    ringtail consume --brokers 127.0.0.1:9092 --topic records --from -10 --until-end
    ringtail consume --brokers 127.0.0.1:9092 --topic orders --topic clicks --print '%t %p %o %k %v\n'
    ringtail consume --brokers 127.0.0.1:9092 --topic click_events --group click_counter_group --from beginning --count-by user_id
    ringtail consume --brokers 127.0.0.1:9092 --topic click_events --group click_counter_group --count-by user_id --metrics 127.0.0.1:9889`
}

// Run consumes.
func (c *consumeCmd) Run(p *process) error {
	// In "ringtail consume --group g | head" the group is left before the process ends: a
	// member that died holds up the others until its session has timed out.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := p.asking(exitDone)
	defer cancel()
	return kafkatools.Consume(ctx, c.Cluster, c.ConsumeOptions, p.streams())
}
