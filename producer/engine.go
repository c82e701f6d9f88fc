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
	open    func(t topicState, first []uint64) (backend.Client, error)
	destroy func(backend.Client) <-chan struct{} // begins Destroy; closed when it has returned
	topic   func() topicState                    // the newest look at the topic
	look    func()                               // asks for a newer one
	now     func() time.Duration                 // monotonic
	die     func(error)                          // ends the process; the model notes a crash
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
	Dead          *shard.Ring    // where letters of records set aside go
	DeadLimit     func() int     // most bytes of a letter
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
	rebuilding state = iota
	running
	settling
	destroying
	ended
)

func (s state) String() string {
	return [...]string{"rebuilding", "running", "settling", "destroying", "ended"}[s]
}

const (
	// rd_kafka_destroy joins librdkafka's threads, and one that looks up a name
	// waits for the resolver: 25 s and more when name servers are away.
	destroyTimeout = time.Minute
	giveUpTimeout  = 10 * time.Second // from purging everything to not waiting for reports
	purgeEvery     = 100 * time.Millisecond
	backoffMin     = time.Second
	healthy        = time.Minute // an instance that has run for so long is not in trouble
	backoffMax     = 10 * time.Second
	pollIdle       = time.Second
	gather         = time.Millisecond
	gatherRecords  = 2048                    // fewer in a round: let more come together first
	look           = 1700 * time.Microsecond // at reports, while more come together
	lookRarely     = 10 * time.Millisecond   // where no report is due, at how much has come
	stalledAfter   = 10 * time.Second        // how long the oldest record waits for Kafka before that is a stall
	relieved       = time.Second             // and when it is over
)

// engine carries the lines of one instance of the writer. Everything is its
// goroutine's own but for the last block.
type engine struct {
	cfg    engineConfig
	seams  seams
	lines  []*line
	stats  *stats
	parker *shard.Parker

	state       state
	client      backend.Client
	limits      limits        // what refusals have taught beside the topic's settings
	able        bool          // running: the client is ready
	batchMax    int           // batch.size that the client was made with
	since       time.Duration // when the state was entered
	retryAt     time.Duration // rebuilding: not before
	opened      time.Duration // when the last instance was made
	backoff     time.Duration
	lookedAt    uint64 // rebuilding: a look at the topic newer than this one is needed
	failure     bool   // settling: something failed, so queues are purged
	inflight    bool   // settling: requests under way were purged as well
	lastPurge   time.Duration
	gone        <-chan struct{}  // destroying: closed when it is done
	quiet       bool             // the last round found nothing
	stalled     bool             // a record has waited for longer than stalledAfter
	heldUntil   time.Duration    // what has come since the last hand-over waits until then
	full        bool             // feed: a window was full
	freed       func(*held)      // stats.freed, bound once
	down        bool             // the client said that no broker can be reached, and nothing was acked since
	records     []backend.Record // scratch of feedRecords
	recordMax   int              // feed: most bytes of a record and its key
	needKey     bool             // feed: the topic takes no record without key
	retriesSeen uint64           // retries in the last statistics
	said        string           // the client's last warning
	saidAt      time.Duration

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

func newEngine(cfg engineConfig, s seams, lines []*line, st *stats) *engine {
	e := &engine{
		cfg: cfg, seams: s, lines: lines, stats: st, freed: st.freed,
		records: make([]backend.Record, 0, backend.BatchMax),
		poke:    make(chan struct{}, 1),
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
	}
	if lines[0].shard < 0 {
		e.freed = func(*held) {} // delivery_seconds is about records
	}
	e.parker = shard.NewParker(e.wake)
	for _, l := range lines {
		l.ring.Attach(e.parker)
	}
	e.sick("starting")
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
	for e.state != ended {
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
	case rebuilding:
		idle = e.stepRebuilding()
	case running:
		idle = e.stepRunning()
	case settling:
		idle = e.stepSettling()
	case destroying:
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
	if e.state == ended {
		return
	}
	if e.state == running && d >= pollIdle {
		e.parker.Park()
		defer e.parker.Unpark()
		if e.pending() {
			d = 0
		}
	}
	if e.client != nil {
		if e.cfg.Traits.ReportsByPartition && e.state == running && d > 0 && d < pollIdle {
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
	case <-e.gone:
	case <-t.C:
	}
}

// pending tells whether a ring has a batch that the window would let through.
func (e *engine) pending() bool {
	for _, l := range e.lines {
		if l.cur == len(l.held) && l.ring.Pending() {
			return true
		}
	}
	return e.empty() // closed meanwhile
}

// collect takes what the reports said since the last time: acked moves, batches
// are freed, a failure is noted.
func (e *engine) collect() {
	freed, oldest, stuck := false, int64(0), e.lines[0]
	letters := uint64(0)
	if e.cfg.Dead != nil {
		letters = e.cfg.Dead.Acked()
	}
	var failed *line
	code := 0
	for _, l := range e.lines {
		if e.client != nil {
			t := e.client.Progress(l.id)
			if t.Acked > l.acked {
				e.stats.delivered(l, t.Acked-l.acked)
				l.acked, l.inARow, l.stopped = t.Acked, 0, false
				e.down = false
				if l.trouble > 0 && l.acked >= l.trouble {
					l.trouble = 0
					e.calm()
				}
				if e.state == running && e.able {
					e.well()
				}
			}
			if failed == nil {
				switch {
				case t.Failed != backend.None:
					failed, code = l, t.Err
				case t.Beyond > 0 && t.Reports == l.sent-l.base:
					failed, code = l, backend.ErrInconsistent // all reported, and the run has a hole
				}
			}
		}
		if l.free(letters, e.freed) {
			freed = true
		}
		if len(l.held) > 0 && (oldest == 0 || l.held[0].batch.Taken < oldest) {
			oldest, stuck = l.held[0].batch.Taken, l
		}
	}
	e.oldest.Store(oldest)
	e.relief(oldest, stuck)
	if freed && e.cfg.OnProgress != nil {
		e.cfg.OnProgress()
	}
	if e.client == nil {
		return
	}
	if e.state == running || e.state == settling && !e.failure {
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
		e.enter(settling)
		return 0
	}
	if rest := e.hold(); rest > 0 {
		return rest
	}
	n, again := e.feed()
	if e.state != running {
		return 0
	}
	e.client.Send()
	if e.backoff > 0 && e.seams.now()-e.since > healthy {
		for _, l := range e.lines {
			l.trouble = 0
		}
		e.calm()
	}
	e.reach()
	if e.able && e.nothingHeld() {
		e.well() // what was in the way has been set aside
	}
	for _, l := range e.lines {
		if l.stopped {
			e.sick("shard " + l.ring.Name() + ": too many records in a row are refused by the topic; see its max.message.bytes and cleanup.policy")
		}
	}
	if n == 0 && e.empty() {
		e.enter(settling)
		return 0
	}
	switch {
	case n >= gatherRecords:
		e.quiet = false
		return 0
	case n > 0 || again || !e.quiet:
		e.quiet = n == 0 && !again
		if n > 0 && !again && !e.full {
			e.heldUntil = e.seams.now() + e.cfg.Linger
		}
		return max(gather, e.hold())
	}
	return pollIdle
}

// empty tells whether every ring is closed and all of it is in Kafka.
func (e *engine) empty() bool {
	for _, l := range e.lines {
		if !l.idle() || !l.ring.Drained() {
			return false
		}
	}
	return true
}

// enter changes the state.
func (e *engine) enter(s state) {
	e.state, e.since = s, e.seams.now()
	e.quiet = false
}

func (e *engine) topic() topicState { return e.seams.topic() }

func (e *engine) log() *slog.Logger { return e.cfg.Logger.With("engine", e.cfg.Name) }
