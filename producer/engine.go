package producer

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// seams are the engine's edges: the real ones in writer.go, the model's in
// model_test.go.
type seams struct {
	open         func(t topicState, first []uint64) (backend.Client, error)
	destroy      func(backend.Client) <-chan struct{} // begins Destroy; closed when it has returned
	topic        func() topicState                    // the newest look at the topic
	refreshTopic func()                               // asks for a newer one
	now          func() time.Duration                 // monotonic
	die          func(error)                          // ends the process; the model notes a crash
}

// engineConfig is what an engine is made with. The funcs are called on its
// goroutine and must not block; nil ones are left out.
type engineConfig struct {
	Name          string // in logs
	WindowRecords int    // most records of a line handed over and not reported
	WindowBytes   int    // most bytes of the batches they lie in; one batch may exceed it
	SettleTimeout time.Duration
	Traits        backend.Traits // of the clients that seams.open makes
	Linger        time.Duration  // how long a record may wait for others; see hold
	BatchSize     int            // bytes of a shard that end the waiting
	DeadRing      *shard.Ring    // where letters of records set aside go
	DeadLetterMax func() int     // most bytes of a letter
	Keyed         bool           // records have keys (--key-field)
	Compressed    bool           // compression.type: a record's size is not what Kafka sees
	OnProgress    func()         // room was freed
	OnRelief      func()         // a stall is over, and what had queued up is in Kafka
	OnRefused     func(conn, ordinal uint64)
	RemoteOf      func(conn uint64) string
	Logger        *slog.Logger
}

type state int32

const (
	stateRebuilding state = iota
	stateRunning
	stateSettling
	stateDestroying
	stateEnded
)

func (s state) String() string {
	return [...]string{"rebuilding", "running", "settling", "destroying", "ended"}[s]
}

const (
	// rd_kafka_destroy joins librdkafka's threads, and one that looks up a name
	// waits for the resolver: 25 s and more when name servers are away.
	destroyTimeout   = time.Minute
	giveUpTimeout    = 10 * time.Second // from purging everything to not waiting for reports
	purgeEvery       = 100 * time.Millisecond
	backoffMin       = time.Second
	healthyAfter     = time.Minute // an instance that has run for so long is not in trouble
	backoffMax       = 10 * time.Second
	pollIdle         = time.Second
	gatherFor        = time.Millisecond
	gatherBelow      = 2048                    // fewer in a round: let more come together first
	reportsEvery     = 1700 * time.Microsecond // at reports, while more come together
	lingerCheckEvery = 10 * time.Millisecond   // where no report is due, at how much has come
	stalledAfter     = 10 * time.Second        // how long the oldest record waits for Kafka before that is a stall
	relievedAfter    = time.Second             // and when it is over
)

// engine carries the lines of one instance of the writer. Everything is its
// goroutine's own but for the last block.
type engine struct {
	cfg     engineConfig
	seams   seams
	streams []*stream
	stats   *stats
	parker  *shard.Parker

	state          state
	client         backend.Client
	limits         limits        // what refusals have taught beside the topic's settings
	clientReady    bool          // running: the client is ready
	batchMax       int           // batch.size that the client was made with
	stateSince     time.Duration // when the state was entered
	retryAt        time.Duration // rebuilding: not before
	openedAt       time.Duration // when the last instance was made
	backoff        time.Duration
	topicSeen      uint64 // rebuilding: a look at the topic newer than this one is needed
	failure        bool   // settling: something failed, so queues are purged
	purgedInflight bool   // settling: requests under way were purged as well
	lastPurge      time.Duration
	destroyed      <-chan struct{}      // destroying: closed when it is done
	quiet          bool                 // the last round found nothing
	stalled        bool                 // a record has waited for longer than stalledAfter
	lingerUntil    time.Duration        // what has come since the last hand-over waits until then
	windowFull     bool                 // feed: a window was full
	onFreed        func(*inflightBatch) // stats.freed, bound once
	brokersDown    bool                 // the client said that no broker can be reached, and nothing was acked since
	records        []backend.Record     // scratch of feedRecords
	recordMax      int                  // feed: most bytes of a record and its key
	needKey        bool                 // feed: the topic takes no record without key
	retriesSeen    uint64               // retries in the last statistics
	lastWarning    string               // the client's last warning
	lastWarningAt  time.Duration

	mu     sync.Mutex // held by wake, and while client changes: Wake must not meet Destroy
	waking backend.Client
	poke   chan struct{} // capacity 1: wakes an engine without a client
	abort  atomic.Bool   // give up what is not in Kafka yet
	health atomic.Pointer[string]
	oldest atomic.Int64           // when the oldest record not in Kafka came (shard.Now), 0: none
	cause  atomic.Pointer[string] // what the oldest record waits for, while that is a stall
	ready  chan struct{}          // closed once the first instance is ready
	done   chan struct{}
}

func newEngine(cfg engineConfig, s seams, streams []*stream, st *stats) *engine {
	e := &engine{
		cfg: cfg, seams: s, streams: streams, stats: st, onFreed: st.freed,
		records: make([]backend.Record, 0, backend.BatchMax),
		poke:    make(chan struct{}, 1),
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
	}
	if streams[0].shard < 0 {
		e.onFreed = func(*inflightBatch) {} // delivery_seconds is about records
	}
	e.parker = shard.NewParker(e.wake)
	for _, s := range streams {
		s.ring.Attach(e.parker)
	}
	e.setUnhealthy("starting")
	return e
}

// wake makes the engine look at its rings, flags and the topic again.
func (e *engine) wake() {
	select {
	case e.poke <- struct{}{}:
	default:
	}
	e.mu.Lock()
	if e.waking != nil {
		e.waking.Wake()
	}
	e.mu.Unlock()
}

// run is the engine's goroutine.
func (e *engine) run() {
	defer close(e.done)
	if e.cfg.Traits.OneThread {
		runtime.LockOSThread()
	}
	for e.state != stateEnded {
		e.sleep(e.step())
	}
}

// step does what is due and answers how long there is nothing more to do, unless
// somebody wakes the engine. It never blocks.
func (e *engine) step() time.Duration {
	// Nothing stands between the last look at the reports and the hand-over that
	// follows: a failure that came meanwhile would be overtaken.
	e.collect()
	var idle time.Duration
	switch e.state {
	case stateRebuilding:
		idle = e.stepRebuilding()
	case stateRunning:
		idle = e.stepRunning()
	case stateSettling:
		idle = e.stepSettling()
	case stateDestroying:
		idle = e.stepDestroying()
	}
	if e.client != nil {
		e.events()
	}
	return idle
}

// sleep waits, serving the client where there is one. A producer wakes
// the engine only while it is parked, and it parks only for long waits: under load
// a wake a batch would cost more than the milliseconds it saves.
func (e *engine) sleep(d time.Duration) {
	if e.state == stateEnded {
		return
	}
	if e.state == stateRunning && d >= pollIdle {
		e.parker.Park()
		defer e.parker.Unpark()
		if e.pending() {
			d = 0
		}
	}
	if e.client != nil {
		if e.cfg.Traits.ReportsByPartition && e.state == stateRunning && d > 0 && d < pollIdle {
			// To poll meanwhile would be to wake for every partition's reports. Where records come one by
			// one, that costs more than all else that is done for them.
			time.Sleep(d)
			d = 0
		}
		e.client.Poll(int((d + time.Millisecond - 1) / time.Millisecond))
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-e.poke:
	case <-e.destroyed:
	case <-t.C:
	}
}

// pending tells whether a ring has a batch that the window would let through.
func (e *engine) pending() bool {
	for _, s := range e.streams {
		if s.cur == len(s.inflight) && s.ring.Pending() {
			return true
		}
	}
	return e.drained() // closed meanwhile
}

// collect takes what the reports said since the last time: acked moves, batches
// are freed, a failure is noted.
func (e *engine) collect() {
	freed, oldest, oldestStream := false, int64(0), e.streams[0]
	deadLetters := uint64(0)
	if e.cfg.DeadRing != nil {
		deadLetters = e.cfg.DeadRing.Acked()
	}
	var failed *stream
	code := 0
	for _, s := range e.streams {
		if e.client != nil {
			p := e.client.Progress(s.id)
			if p.Acked > s.acked {
				e.stats.delivered(s, p.Acked-s.acked)
				s.acked, s.asideStreak, s.tooManyAside = p.Acked, 0, false
				e.brokersDown = false
				if s.failedEnd > 0 && s.acked >= s.failedEnd {
					s.failedEnd = 0
					e.endBackoff()
				}
				if e.state == stateRunning && e.clientReady {
					e.setHealthy()
				}
			}
			if failed == nil {
				switch {
				case p.Failed != backend.None:
					failed, code = s, p.Err
				case p.Beyond > 0 && p.Reports == s.sent-s.base:
					failed, code = s, backend.ErrInconsistent // all reported, and the run has a hole
				}
			}
		}
		if s.free(deadLetters, e.onFreed) {
			freed = true
		}
		if len(s.inflight) > 0 && (oldest == 0 || s.inflight[0].batch.Taken < oldest) {
			oldest, oldestStream = s.inflight[0].batch.Taken, s
		}
	}
	e.oldest.Store(oldest)
	e.checkStall(oldest, oldestStream)
	if freed && e.cfg.OnProgress != nil {
		e.cfg.OnProgress()
	}
	if e.client == nil {
		return
	}
	if e.state == stateRunning || e.state == stateSettling && !e.failure {
		if failed != nil {
			e.fail(code, failed)
		} else if c := e.client.Fatal(); c != 0 {
			e.fail(c, nil)
		}
	}
}

func (e *engine) stepRunning() time.Duration {
	if e.abort.Load() {
		e.fail(0, nil)
		return 0
	}
	if t := e.topic(); t.batchMax() < e.batchMax {
		e.log().Warn("topic's max.message.bytes fell, starting the writer anew", "topic", t.Name, "limit", t.Limit)
		e.enter(stateSettling)
		return 0
	}
	if rest := e.lingerLeft(); rest > 0 {
		return rest
	}
	n, blocked := e.handOver()
	if e.state != stateRunning {
		return 0
	}
	e.client.Send()
	if e.backoff > 0 && e.seams.now()-e.stateSince > healthyAfter {
		for _, s := range e.streams {
			s.failedEnd = 0
		}
		e.endBackoff()
	}
	e.checkReady()
	if e.clientReady && e.nothingInflight() {
		e.setHealthy() // what was in the way has been set aside
	}
	for _, s := range e.streams {
		if s.tooManyAside {
			e.setUnhealthy("shard " + s.ring.Name() + ": too many records in a row are refused by the topic; see its max.message.bytes and cleanup.policy")
		}
	}
	if n == 0 && e.drained() {
		e.enter(stateSettling)
		return 0
	}
	switch {
	case n >= gatherBelow:
		e.quiet = false
		return 0
	case n > 0 || blocked || !e.quiet:
		e.quiet = n == 0 && !blocked
		if n > 0 && !blocked && !e.windowFull {
			e.lingerUntil = e.seams.now() + e.cfg.Linger
		}
		return max(gatherFor, e.lingerLeft())
	}
	return pollIdle
}

// empty tells whether every ring is closed and all of it is in Kafka.
func (e *engine) drained() bool {
	for _, s := range e.streams {
		if !s.idle() || !s.ring.Drained() {
			return false
		}
	}
	return true
}

// enter changes the state.
func (e *engine) enter(s state) {
	e.state, e.stateSince = s, e.seams.now()
	e.quiet = false
}

func (e *engine) topic() topicState { return e.seams.topic() }

func (e *engine) log() *slog.Logger { return e.cfg.Logger.With("engine", e.cfg.Name) }
