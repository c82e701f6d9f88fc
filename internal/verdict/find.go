package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// phase is what a node says of itself.
func (m *Machine) phase(s *Sample, word string) finding {
	f := finding{state: s.Phase, text: word, since: s.At, brief: true}
	if s.Reason != "" {
		f.text += ": " + oneLine(s.Reason)
	}
	if s.Phase == Starting {
		f.advice = "No client can connect until Kafka has been reached and the topic fits."
		return f
	}
	f.advice = fmt.Sprintf("Clients are not taken any more; %s on the way to Kafka.", many(int(s.backlog()), "record is", "records are"))
	return f
}

// standing is a shard that stands still.
type standing struct {
	*Shard
	since time.Time
}

// findStuck finds the shard that stands still for longest.
func (m *Machine) findStuck(s *Sample) (finding, bool) {
	var longest standing
	stuck := 0
	for i := range s.Shards {
		sh := &s.Shards[i]
		since := m.moved[i].at
		if born := s.At.Add(-sh.Oldest); born.After(since) {
			since = born
		}
		if s.At.Sub(since) <= stuckAfter {
			continue
		}
		if stuck++; longest.Shard == nil || since.Before(longest.since) {
			longest = standing{sh, since}
		}
	}
	if stuck == 0 {
		return finding{}, false
	}
	cause := m.causeOf(s, longest)
	return finding{
		state:  Stuck,
		text:   fmt.Sprintf("STUCK: %s since %s%s", s.name(longest.Shard, stuck), Human(s.At.Sub(longest.since)), cause.suffix()),
		since:  longest.since,
		advice: cause.advice(s),
	}, true
}

// name is what the text calls one shard of several that stand still.
func (s *Sample) name(sh *Shard, stuck int) string {
	digits := 0
	for i := range s.Shards {
		if s.Shards[i].Name != DeadLetters {
			digits++
		}
	}
	name := fmt.Sprintf("partition %d", sh.Partition)
	switch {
	case stuck >= digits && digits > 1:
		return fmt.Sprintf("all %d partitions", digits)
	case sh.Name == DeadLetters:
		name = "dead letters"
	}
	if stuck > 1 {
		name += " and " + many(stuck-1, "other", "others")
	}
	return name
}

// findUnready finds that Kafka cannot be written to although nothing waits.
func (m *Machine) findUnready(s *Sample) (finding, bool) {
	if !lasted(m.unready, s.At, stuckAfter) {
		return finding{}, false
	}
	cause := causeFrom(s.Reason)
	return finding{
		state:  Stuck,
		text:   fmt.Sprintf("STUCK: Kafka since %s%s", Human(s.At.Sub(m.unready)), cause.suffix()),
		since:  m.unready,
		advice: cause.advice(s),
	}, true
}

// findSlow finds that records take long, and what for.
func (m *Machine) findSlow(s *Sample) (finding, bool) {
	if m.slowLast != s.At || !lasted(m.slow, s.At, slowFor) {
		return finding{}, false
	}
	sum := m.total(slowWindow)
	if sum.all() == 0 { // what was slow is over, and p99 is of a moment more
		return finding{}, false
	}
	f := finding{state: Slow, since: m.slow}
	if m.busy() {
		stage := inParse
		for i := inRing; i <= inWriter; i++ {
			if sum.in[i] > sum.in[stage] {
				stage = i
			}
		}
		f.text = slowText(StageNames[stage], share(sum.in[stage], sum.all()))
		f.advice = "Ringtail: this machine's processors are all in use. Give it more, or send to several servers."
		return f, true
	}
	if s.WaitingMemory > 0 && s.WaitingRoom == 0 && s.oldest() <= SlowOver && s.P99 <= SlowOver {
		f.text = slowText(StageNames[inSocket], share(sum.in[inSocket], sum.all()))
		f.advice = fmt.Sprintf("Ringtail: %s for memory. Raise --client-memory, or have clients finish their records.",
			many(s.WaitingMemory, "connection waits", "connections wait"))
		return f, true
	}
	if share(sum.leader[-1], sum.queued()) >= brokerMost {
		f.text = slowText("Kafka", share(sum.leader[-1], sum.all()))
		f.advice = "Kafka: records wait for partitions without a leader. Start the brokers that are down."
		return f, true
	}
	b := s.slowest(&sum)
	if b == nil {
		f.text = slowText("Kafka", sum.forKafka())
		f.advice = "Kafka or the network: its brokers take about equally long. Look at their load, and at the network to all of them."
		if slices.ContainsFunc(s.Brokers, func(b Broker) bool { return m.throttles(&b) }) {
			f.advice = "Kafka: its brokers hold this server to a quota. Raise producer_byte_rate for it."
		}
		return f, true
	}
	f.text = slowText(fmt.Sprintf("broker %d", b.ID), sum.forBroker(b.ID))
	f.advice = m.slowAdvice(b)
	return f, true
}

func slowText(what string, part float64) string {
	return fmt.Sprintf("SLOW: %s, %.0f %% of the time", what, 100*part)
}

// slowest is the broker that most of the time for Kafka went to, nil if none has so much.
func (s *Sample) slowest(sum *spent) *Broker {
	for i := range s.Brokers {
		if share(sum.leader[s.Brokers[i].ID], sum.queued()) >= brokerMost {
			return &s.Brokers[i]
		}
	}
	return nil
}

// findClients finds that it is the clients.
func (m *Machine) findClients(s *Sample) (finding, bool) {
	before := m.ago(rejectsOver)
	rejected, reason := s.rejects(before)
	received := s.Received - before.Received
	switch {
	case received >= rejectsMin && 2*rejected > received:
		return finding{
			state: Clients, kind: "rejects", since: s.At,
			text:   fmt.Sprintf("CLIENTS: %.0f %% of records are rejected: %s", 100*share(float64(rejected), float64(max(received, rejected))), reason),
			advice: rejectAdvice(reason),
		}, true
	case lasted(m.unread, s.At, unreadFor):
		return finding{
			state: Clients, kind: "unread", since: m.unread,
			text:   fmt.Sprintf("CLIENTS: %d of %d %s acks", s.WaitingAcks, s.Connections, map[bool]string{true: "does not read its", false: "do not read their"}[s.WaitingAcks == 1]),
			advice: "Clients: such a connection is not read before its client has read its acks. Look at what these clients wait for.",
		}, true
	case lasted(m.overRate, s.At, unreadFor):
		return finding{
			state: Clients, kind: "rate", since: m.overRate,
			text:   fmt.Sprintf("CLIENTS: %d of %d send faster than their rate", s.WaitingRate, s.Connections),
			advice: "Clients: they are read at their rate and no faster. Raise --max-rate-per-ip or --max-rate-per-connection if they may.",
		}, true
	case s.At.Sub(m.cameAt) >= quietAfter:
		return finding{state: Clients, kind: "quiet", since: m.cameAt, text: "CLIENTS: nobody sends", advice: m.quietAdvice(s), brief: true}, true
	}
	return finding{}, false
}

// backlog is how many records Kafka does not have.
func (s *Sample) backlog() (n uint64) {
	for i := range s.Shards {
		n += s.Shards[i].Backlog
	}
	return n
}

// Human is a length of time as one says it: "38 s", "4 min".
func Human(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

// many is a number and its word.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// textMax is how long the text of an error may be in a line for people.
const textMax = 160

func oneLine(text string) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > textMax {
		line = append(line[:textMax], '…')
	}
	return string(line)
}
