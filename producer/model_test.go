package producer

import (
	"encoding/binary"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "run the model with this seed only (0: the fixed set and a random one)")
	modelSteps = flag.Int("model.steps", 400_000, "steps of the model in all")
)

// TestModel runs ring, engine and an adversarial librdkafka against each other in
// random interleavings, and checks after every step what must always hold, and
// after the faults have ended what must hold at rest. It prints the seed that
// failed; -model.seed repeats it, -model.steps goes on for longer.
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("first seed %d", seed)
	total, runs := 0, 0
	faults := map[string]int{}
	for total < *modelSteps {
		m := newModel(t, seed)
		m.run()
		if t.Failed() {
			t.Fatalf("failed: go test ./producer -run TestModel -model.seed %d", seed)
		}
		total += m.steps
		runs++
		for k, n := range m.world.faults {
			faults[k] += n
		}
		if *modelSeed != 0 {
			break
		}
		seed++
	}
	t.Logf("%d runs, %d steps, faults: %v", runs, total, faults)
	if *modelSeed == 0 {
		for _, f := range []string{"partial acceptance", "little room", "frozen broker", "connection lost", "batch refused",
			"invalid record", "fatal out of nowhere", "topic missing", "never answered", "destroy hangs", "record set aside",
			"report overtaken", "limit falls", "order to stop", "killed", "writer died", "stopped and started",
			"a batch", "a batch of several claims", "no room for a batch", "a batch is not taken", "record by record",
			"killed again before anything was freed", "kept in the middle of a batch"} {
			if faults[f] == 0 {
				t.Errorf("fault %q never happened: the model proves nothing about it", f)
			}
		}
	}
}

// TestModelNoticesBreach breaks the protocol on purpose, one rule at a time: the
// model must fail each time, or it would not notice the real thing.
func TestModelNoticesBreach(t *testing.T) {
	for name, breach := range map[string]func(*model){
		"acks what was only handed over": func(m *model) {
			for _, s := range m.engine.streams {
				s.acked = s.sent
			}
		},
		"skips a record":                 func(m *model) { skipOne(m.engine.streams[0]) },
		"goes on behind a failure":       func(m *model) { goOn(m.engine) },
		"does not count what is doubled": func(m *model) { m.engine.stats.possibleDuplicates.Store(0) },
	} {
		t.Run(name, func(t *testing.T) { mustNotice(t, func(m *model) { m.breach = breach }) })
	}
	for name, wound := range map[string]func(string){
		"hands over before it notes it": sentLate,
		"frees before kafka has it":     freedEarly,
	} {
		t.Run(name, func(t *testing.T) { mustNotice(t, func(m *model) { m.files, m.wound = true, wound }) })
	}
}

func mustNotice(t *testing.T, breach func(*model)) {
	for seed := range uint64(400) {
		probe := &recorder{TB: t}
		m := newModel(probe, seed)
		breach(m)
		m.run()
		if probe.failed {
			return
		}
	}
	t.Error("400 runs with the breach, and no check noticed")
}

func skipOne(s *stream) {
	if s.cur < len(s.inflight) && s.inflight[s.cur].entered && s.at.Index < s.inflight[s.cur].batch.Count {
		s.inflight[s.cur].batch.Next(&s.at)
	}
}

// goOn drops what failed and continues behind it, as with gapless off.
func goOn(e *engine) {
	if e.state != stateSettling || e.client == nil {
		return
	}
	for _, s := range e.streams {
		if p := e.client.Progress(s.id); p.Failed == s.acked {
			s.acked = min(s.acked+1, s.sent)
		}
	}
}

// recorder is a testing.TB that only notes whether it failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Failed() bool          { return r.failed }
func (r *recorder) Helper()               {}

// model is one run: some shards with an engine each, one for the dead letters, a world.
type model struct {
	t       testing.TB
	rng     *rand.Rand
	world   *world
	rings   []*shard.Ring
	dead    *shard.Ring
	engine  *engine // the shards'
	tail    *engine // the dead letters'
	stats   *stats
	files   bool // rings in files: see recovery_test.go
	batches int  // the most records of a batch that clients take whole; 0: they take none
	life    life
	clock   time.Duration
	refresh uint64
	limit   int   // the topic's, as the refreshes say
	err     error // what a refresh of the topic says
	abort   bool  // this run is ended by an order to stop, faults and all
	steps   int
	breach  func(*model)

	pushed         [][]uint64 // by shard, ids in ring order
	ends           [][]int    // by shard: records below each batch's end, by batch
	done           []int      // by shard: records whose batches were freed
	poison         map[uint64]bool
	hasDeadLetters bool // there is a dead-letter ring
	nextID         uint64
	crashed        bool
	clients        []*adversary // living instances
	wound          func(path string)
}

func newModel(t testing.TB, seed uint64) *model {
	rng := rand.New(rand.NewPCG(seed, 7))
	shards := 1 + rng.IntN(3)
	m := &model{t: t, rng: rng, poison: map[uint64]bool{}, nextID: 1, limit: 2000, abort: rng.IntN(8) == 0}
	m.files = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		m.batches = 5 + rng.IntN(30)
	}
	m.world = &world{rng: rng, log: make([][]uint64, shards+1), faults: map[string]int{}, headers: map[uint64]string{}}
	m.pushed, m.ends, m.done = make([][]uint64, shards), make([][]int, shards), make([]int, shards)
	m.hasDeadLetters = rng.IntN(2) == 0
	if rng.IntN(3) == 0 {
		m.world.takes = 900
	}
	return m
}

// boot is the start of a process.
func (m *model) boot() {
	set := m.openRings()
	m.rings, m.dead = set.Rings, set.Dead
	m.stats = newStats(len(m.rings))
	m.stats.possibleDuplicates.Store(recoveredDuplicates(set))
	var streams []*stream
	for i, r := range m.rings {
		streams = append(streams, &stream{id: i, shard: i, ring: r, partition: int32(i)})
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	traits := adversaryTraits
	traits.WholeBatches = m.batches > 0
	cfg := engineConfig{Name: "0", Traits: traits, WindowRecords: 40, WindowBytes: 4096, SettleTimeout: 3 * time.Second, Logger: log,
		Linger: time.Duration(m.rng.IntN(3)) * 300 * time.Millisecond, BatchSize: 2048, BatchRecords: 30}
	if m.dead != nil {
		m.tail = newEngine(cfg, m.seams(1), []*stream{{shard: -1, ring: m.dead, partition: int32(len(m.rings))}}, m.stats)
		cfg.DeadRing, cfg.DeadLetterMax = m.dead, func() int { return 1000 }
	}
	m.engine = newEngine(cfg, m.seams(0), streams, m.stats)
	m.clients = make([]*adversary, 2)
}

func (m *model) seams(slot int) seams {
	return seams{
		open: func(t topicState, first []uint64) (backend.Client, error) {
			a := newAdversary(m.world, first)
			a.batchMax = t.batchMax()
			m.clients[slot] = a
			if m.batches > 0 {
				return &batchAdversary{a, m.batches}, nil
			}
			return a, nil
		},
		destroy: func(c backend.Client) <-chan struct{} {
			gone := make(chan struct{})
			if m.world.hang {
				m.world.hang = false
				m.world.faults["destroy hangs"]++
				return gone
			}
			c.Destroy()
			m.clients[slot] = nil
			close(gone)
			return gone
		},
		topic: func() topicState {
			return topicState{Refresh: m.refresh, Name: "t", Err: m.err, Limit: m.limit, Assumed: m.world.takes > 0}
		},
		refreshTopic: func() {},
		now:          func() time.Duration { return m.clock },
		die:          func(error) { m.crashed = true },
	}
}

const patienceSteps = 150_000 // an hour of the model's time: a record that is set aside takes instances, these take seconds

func (m *model) run() {
	m.boot()
	defer m.release()
	stormy := 200 + m.rng.IntN(1500)
	for range stormy {
		m.step()
		m.fate()
		if m.crashed || m.t.Failed() {
			return
		}
	}
	if m.abort {
		m.stopNow()
		return
	}
	m.world.calm, m.world.hang, m.err = true, false, nil
	for _, r := range m.rings {
		r.Close()
	}
	for range patienceSteps {
		m.step()
		if m.crashed && m.files {
			m.kill()
			for _, r := range m.rings {
				r.Close()
			}
		}
		if m.t.Failed() || m.crashed {
			return
		}
		if m.engine.state == stateEnded && m.tail != nil && !m.dead.Closed() {
			m.dead.Close()
		}
		if m.engine.state == stateEnded && (m.tail == nil || m.tail.state == stateEnded) {
			m.atRest()
			return
		}
	}
	m.t.Errorf("faults have ended, and after %d steps the shards are still at it: %v, %d of %d freed", patienceSteps, m.engine.state, m.done, len(m.pushed[0]))
}

// stopNow orders the engines to stop while the faults go on: they must end, in
// virtual time that no fault can stretch.
func (m *model) stopNow() {
	m.world.faults["order to stop"]++
	m.engine.abort.Store(true)
	if m.tail != nil {
		m.tail.abort.Store(true)
	}
	for range patienceSteps {
		m.step()
		if m.t.Failed() || m.crashed || m.engine.state == stateEnded && (m.tail == nil || m.tail.state == stateEnded) {
			return
		}
	}
	m.t.Errorf("ordered to stop, and after %d steps still %v", patienceSteps, m.engine.state)
}

// step is one move of somebody.
func (m *model) step() {
	m.steps++
	switch n := m.rng.IntN(20); {
	case n < 5 && !m.world.calm:
		m.push(m.rng.IntN(len(m.rings)))
	case n < 12:
		for _, a := range m.clients {
			if a != nil && !a.tooOld {
				a.act()
			}
		}
		m.world.act()
	case n < 13:
		m.refresh++
		if !m.world.calm {
			m.err = nil
			if m.rng.IntN(10) == 0 {
				m.err = ErrTopic
			}
			if m.rng.IntN(400) == 0 {
				m.world.hang = true
			}
			if m.rng.IntN(200) == 0 && m.limit > 1990 {
				m.limit-- // the instance is to be replaced, without a failure
				m.world.faults["limit falls"]++
			}
		}
	case n < 14:
		m.clock += time.Duration(m.rng.IntN(1000)) * time.Millisecond
	default:
		for _, e := range []*engine{m.engine, m.tail} {
			if e != nil && e.state != stateEnded {
				m.drive(e)
			}
		}
	}
	if m.breach != nil && m.rng.IntN(10) == 0 {
		m.breach(m)
	}
	m.check()
}

// drive is the engine's goroutine once around.
func (m *model) drive(e *engine) {
	e.step()
	if e.client != nil {
		e.client.Poll(0)
	}
}

// push claims a batch of a few records; some are poison to the broker, some are
// over the topic's limit.
func (m *model) push(i int) {
	count := 1 + m.rng.IntN(6)
	values := make([][]byte, count)
	size := 0
	for k := range values {
		n := 16 + m.rng.IntN(80)
		if m.rng.IntN(300) == 0 {
			n = 1600 // over the limit of 2000 less the slack
		} else if m.rng.IntN(300) == 0 {
			n = 1000 + m.rng.IntN(400) // over what the brokers take in some runs, and nobody tells
		}
		values[k] = make([]byte, n)
		size += n
	}
	headers := m.headers()
	c, err := m.rings[i].Claim(count, size+count*len(headers))
	if err != nil {
		return // full: the client waits
	}
	c.SetHeaders(headers)
	c.SetOrigin(1, 1)
	for k, v := range values {
		id := m.nextID
		m.nextID++
		binary.LittleEndian.PutUint64(v, id)
		if m.rng.IntN(200) == 0 {
			v[8] = 1
		}
		n := len(v) + len(headers)
		m.poison[id] = v[8] != 0 || n > 2000-recordSlack || m.world.takes > 0 && n > m.world.takes
		c.Append(v, nil, uint32(k))
		m.pushed[i] = append(m.pushed[i], id)
		m.world.headers[id] = string(headers)
	}
	m.ends[i] = append(m.ends[i], len(m.pushed[i]), int(c.End()))
	m.life.pushed += uint64(count)
	c.Publish()
}

// headers are those of a batch that is pushed: none, or some that no other batch has.
func (m *model) headers() []byte {
	if m.rng.IntN(2) == 0 {
		return nil
	}
	return shard.AppendHeader(shard.AppendHeaderCount(nil, 1), "id", strconv.FormatUint(m.nextID, 10))
}
