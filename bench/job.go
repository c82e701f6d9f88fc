package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/internal/repeat"
)

// Job is a run with, if asked for, the check of its topic: what `ringtail
// bench` does.
type Job struct {
	Options
	Verify   bool                 // --verify: read the topic back
	Brokers  []string             // --brokers, host:port each
	Security kafkaclient.Security // --kafka-property: how to be let in
	Topic    string               // --topic
	Shards   int                  // --shards, as the server has it
	Patience time.Duration        // --verify-timeout: how long the topic may stand still
	Progress io.Writer            // a terminal, with a line that moves; nil: none
}

// ErrTopic is wrapped by Run's errors about a topic that is not there, or is not the
// server's.
var ErrTopic = errors.New("--topic")

// Validate says what is wrong, naming the flag.
func (j *Job) Validate() error {
	if err := j.Options.Validate(); err != nil {
		return err
	}
	switch {
	case j.Verify && len(j.Brokers) == 0:
		return errors.New("--verify: needs --brokers, to read the topic back")
	case j.Verify && j.Topic == "":
		return errors.New("--verify: needs --topic, to read it back")
	case j.Shards < 1:
		return fmt.Errorf("--shards %d: must be at least 1", j.Shards)
	case j.Patience <= 0:
		return fmt.Errorf("--verify-timeout %v: must be more than 0", j.Patience)
	}
	return nil
}

// Run runs the job. When the context ends it sends no more, and sees through
// what it sent as far as that takes a few seconds. The result is whole even if
// Result.Err is not nil; the error here is for runs that came to none.
func (j *Job) Run(ctx context.Context) (*Result, error) {
	if err := j.Validate(); err != nil {
		return nil, err
	}
	back := Readback{Topic: j.Topic, Patience: j.Patience}
	if j.Verify {
		if _, _, cause := kafkaclient.Bootstrap(ctx, j.Brokers, j.Security); cause != nil {
			return nil, unreached(cause)
		}
		back.Options = append([]kgo.Opt{kgo.SeedBrokers(j.Brokers...)}, j.Security.Options()...)
		back.Diagnose = func(ctx context.Context) error { return kafkaclient.Diagnose(ctx, j.Brokers, j.Security) }
		marks, err := back.Marks(ctx)
		if err != nil {
			return nil, err
		}
		if len(marks) < j.Shards {
			return nil, fmt.Errorf("%w %s has %d partitions, fewer than --shards %d", ErrTopic, j.Topic, len(marks), j.Shards)
		}
		back.From = marks
	}
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	load, err := Start(hard, j.Options)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() {
		load.Finish()
		select {
		case <-hard.Done():
		case <-time.After(5 * time.Second):
			cancel()
		}
	})()
	stop := j.watch(load)
	result := load.Wait()
	stop()
	if !j.Verify {
		return result, nil
	}
	verdict, err := back.Check(hard, load.Checker(j.Shards), result.Outcomes)
	if err != nil {
		return result, err
	}
	result.Verify = &verdict
	return result, nil
}

// watch tells once a second how far the load is, in one line, until stop is called.
func (j *Job) watch(l *Load) (stop func()) {
	if j.Progress == nil {
		return func() {}
	}
	begin, before := time.Now(), int64(0)
	const clear = "\r\x1b[K"
	end := repeat.Every(time.Second, func() {
		sent := l.Sent()
		_, _ = fmt.Fprint(j.Progress, clear+j.progress(sent, sent-before, l.Acked(), time.Since(begin)))
		before = sent
	})
	return func() { end(); _, _ = fmt.Fprint(j.Progress, clear) }
}

// progress is the line for so many records sent, in all and in the last second, and acked.
func (j *Job) progress(sent, lately, acked int64, elapsed time.Duration) string {
	line := fmt.Sprintf("%d sent, %d/s", sent, lately)
	if j.Ack {
		line += fmt.Sprintf(", %d acked", acked)
	}
	share := float64(sent) / float64(max(j.Records, 1))
	if j.Records == 0 {
		share = float64(elapsed) / float64(j.Duration)
	}
	if share = min(share, 1); share > 0 {
		left := time.Duration(float64(elapsed) * (1 - share) / share)
		line += fmt.Sprintf(", %d%%, %v left", int(100*share), left.Round(time.Second))
	}
	return line
}
