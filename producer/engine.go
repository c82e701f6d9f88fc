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

// seams are what a test replaces: producer.go has the real ones, model_test.go the model's.
type seams struct {
	open         func(t topicState, first []uint64) (backend.Client, error)
	destroy      func(backend.Client) <-chan struct{} // starts Destroy; closed when that has returned
	topic        func() topicState                    // as of the newest refresh
	refreshTopic func()                               // asks for a newer refresh; does not wait
	silence      func()                               // asks for a look at brokers that do not answer; nil: nobody looks
	now          func() time.Duration                 // monotonic
	die          func(error)                          // ends the process; the model notes a crash
}

// engineConfig is what an engine is made with. The engine calls the funcs on its own goroutine, so
// they must not block. It leaves out those that are nil.
type engineConfig struct {
	Name          string // in logs
	WindowRecords int    // most records of a stream that are handed over and not in Kafka
	WindowBytes   int    // most bytes of their batches; a single batch may be larger
	SettleTimeout time.Duration
	Traits        backend.Traits // of the clients that seams.open makes
	Linger        time.Duration  // how long a record may wait for others; see lingerLeft
	BatchSize     int            // bytes of a shard that end this waiting, and the most of a Kafka batch
	BatchRecords  int            // the most records of a Kafka batch
	DeadRing      *shard.Ring    // gets the dead letters of records that are set aside
	DeadLetterMax func() int     // most bytes of a dead letter
	Keyed         bool           // records have keys (--key-field)
	Compressed    bool           // batches are compressed, so a record's size is not what Kafka sees
	OnProgress    func()         // room was freed
	OnRelief      func()         // a stall is over, and what had queued up is in Kafka
	OnRefused     func(conn, ordinal uint64)
	Insight       *backend.Insight // what the clients that seams.open makes tell of partitions and brokers; nil: they tell nothing
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
	// rd_kafka_destroy joins librdkafka's threads. One of them may wait for the resolver: 25 s and
	// more when name servers are away.
	destroyTimeout   = time.Minute
	giveUpTimeout    = 10 * time.Second // from purging requests under way to giving up on their reports
	purgeEvery       = 100 * time.Millisecond
	backoffMin       = time.Second
	healthyAfter     = time.Minute // a client that has run for this long ends the back-off
	backoffMax       = 10 * time.Second
	pollIdle         = time.Second
	gatherFor        = time.Millisecond
	gatherBelow      = 2048                    // with fewer in a round, wait so that more come together
	reportsEvery     = 1700 * time.Microsecond // between looks at the reports while lingering
	lingerCheckEvery = 10 * time.Millisecond   // between looks at the rings where no report wants one
	stalledAfter     = 10 * time.Second        // the oldest record waits for longer: this is a stall
	relievedAfter    = time.Second             // the oldest record waits for less: the stall is over
)

// engine writes its streams with one client at a time. Its goroutine owns all fields but the last
// block, which others may use.
type engine struct {
	cfg     engineConfig
	seams   seams
	streams []*stream
	stats   *stats
	parker  *shard.Parker

	state          state
	client         backend.Client
	whole          backend.BatchClient // client, if it takes whole batches
	limits         limits              // what refusals taught beyond the topic's settings
	clientReady    bool                // running: the client is ready
	batchMax       int                 // batch.size that the client was made with
	stateSince     time.Duration       // when the state was entered
	retryAt        time.Duration       // rebuilding: not before
	openedAt       time.Duration       // when the last client was made
	backoff        time.Duration
	topicSeen      uint64 // rebuilding: wait for a refresh newer than this one
	failure        bool   // settling: something failed, so purge
	purgedInflight bool   // settling: the requests under way are purged as well
	lastPurge      time.Duration
	destroyed      <-chan struct{}               // destroying: closed when Destroy has returned
	quiet          bool                          // the last round found nothing
	stalled        bool                          // a record has waited for longer than stalledAfter
	lingerUntil    time.Duration                 // what came since the last hand-over waits until then
	windowFull     bool                          // handOver: a window was full
	noRoom         bool                          // handOver: the client takes a batch of some stream later
	noRoomRounds   int                           // rounds in a row that handed nothing over for want of room
	onFreed        func(*stream, *inflightBatch) // noteFreed, bound once
	freedAt        int64                         // collect: when it began
	roundAt        int64                         // handOver: when it began
	troublesAt     int64                         // when noteTroubles last looked
	askedAt        int64                         // when it last asked for a refresh
	brokersDown    bool                          // the client reaches no broker, and nothing was acked since it said so
	records        []backend.Record              // scratch of handOverRecords
	headers        []byte                        // of each of records
	pieces         [][]byte                      // scratch of handOverBatch
	room           backend.Room                  // handOver: what the client takes beside records
	recordMax      int                           // handOver: most bytes of a record, its key and its headers
	needKey        bool                          // handOver: the topic takes no record without key
	retriesSeen    uint64                        // retries as of the last statistics
	lastWarning    string                        // the client's last warning
	lastWarningAt  time.Duration

	mu     sync.Mutex             // guards waking: Wake must not run during Destroy
	waking backend.Client         // client, where others may wake it; nil: none
	poke   chan struct{}          // capacity 1: wakes an engine without a client
	abort  atomic.Bool            // order to stop: give up what is not in Kafka
	health atomic.Pointer[string] // why records are not being written; nil: they are
	shown  atomic.Int32           // state
	oldest atomic.Int64           // when the oldest record that is not in Kafka came (shard.Now); 0: none
	cause  atomic.Pointer[string] // during a stall: what the oldest record waits for
	turns  atomic.Uint64          // of run
	seen   uint64                 // Writer.Alive's
	ready  chan struct{}          // closed once the first client is ready
	done   chan struct{}          // closed when run has returned
}

func newEngine(cfg engineConfig, s seams, streams []*stream, st *stats) *engine {
	e := &engine{
		cfg: cfg, seams: s, streams: streams, stats: st,
		records: make([]backend.Record, 0, backend.BatchMax),
		poke:    make(chan struct{}, 1),
		ready:   make(chan struct{}),
		done:    make(chan struct{}),
	}
	e.onFreed = e.noteFreed
	if cfg.Insight == nil {
		e.cfg.Insight = backend.NewInsight(len(streams))
	}
	e.parker = shard.NewParker(e.wake)
	for _, s := range streams {
		s.ring.Attach(e.parker)
		if !cfg.Traits.WholeBatches || s.shard < 0 {
			s.ring.OmitSums()
		} else { // until a client says what it takes
			s.ring.SetKafkaBatch(min(cfg.BatchSize-backend.BatchHeader, cfg.WindowBytes), min(cfg.BatchRecords, cfg.WindowRecords))
		}
	}
	e.setUnhealthy("starting")
	return e
}

// wake makes the engine look at its rings, its flags and the topic again. Any goroutine.
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
	defer e.show()
	if e.cfg.Traits.OneThread {
		runtime.LockOSThread()
	}
	for e.state != stateEnded {
		e.turns.Add(1)
		e.sleep(e.step())
	}
}

// step does what is due. It returns how long the engine may sleep then, unless somebody wakes it.
// It never blocks.
func (e *engine) step() time.Duration {
	// The hand-over follows directly on the reports. Whatever took time between the two could hide
	// a failure, and records would overtake the one that failed.
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

// sleep waits for d, and polls the client where there is one. Event loops wake an engine only while
// it is parked, and it parks only for long waits: under load, a wake for each batch would cost more
// than the milliseconds that it saves.
func (e *engine) sleep(d time.Duration) {
	if e.state == stateEnded {
		return
	}
	if e.state != stateRunning {
		d = min(d, unseenMax)
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
			// Poll would return for each partition's reports. Where records come one by one, those
			// wake-ups cost more than everything else that is done for the records.
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

// pending reports whether there is something to do: a ring has a batch that was not read yet, or
// all is drained.
func (e *engine) pending() bool {
	for _, s := range e.streams {
		if s.cur == len(s.inflight) && s.ring.Pending() {
			return true
		}
	}
	return e.drained() // closed meanwhile
}

// collect takes the streams' progress from the client: it moves acked, frees batches, and notes a
// failure.
func (e *engine) collect() {
	freed, oldest, oldestStream := false, int64(0), e.streams[0]
	e.freedAt = int64(e.seams.now())
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
				s.addClientTimes(p)
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
					failed, code = s, backend.ErrInconsistent // all is reported, and the run has a hole
				}
			}
		}
		if s.free(deadLetters, e.onFreed) {
			freed = true
		}
		if taken := s.show(); taken != 0 && (oldest == 0 || taken < oldest) {
			oldest, oldestStream = taken, s
		}
	}
	e.oldest.Store(oldest)
	e.checkStall(oldest, oldestStream)
	e.noteTroubles(oldest)
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

// stepRunning hands records over, unless the engine lingers, and finds out whether all is well.
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
		e.setHealthy() // what failed has been set aside
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
	if n > 0 || !e.noRoom {
		e.noRoomRounds = 0
	}
	switch {
	case n >= gatherBelow:
		e.quiet = false
		return 0
	case n == 0 && e.noRoom && !blocked: // Poll returns once there is room; other streams may get something before
		e.noRoomRounds++
		return min(gatherFor*time.Duration(e.noRoomRounds), lingerCheckEvery)
	case n > 0 || blocked || !e.quiet:
		e.quiet = n == 0 && !blocked
		if n > 0 && !blocked && !e.windowFull {
			e.lingerUntil = e.seams.now() + e.cfg.Linger
		}
		return max(gatherFor, e.lingerLeft())
	}
	return pollIdle
}

// drained reports whether every ring is closed and Kafka has all of it.
func (e *engine) drained() bool {
	for _, s := range e.streams {
		if !s.idle() || !s.ring.Drained() {
			return false
		}
	}
	return true
}

// enter changes the state, which begins now.
func (e *engine) enter(s state) {
	e.state, e.stateSince = s, e.seams.now()
	e.shown.Store(int32(s))
	e.quiet = false
}

func (e *engine) topic() topicState { return e.seams.topic() }

func (e *engine) log() *slog.Logger { return e.cfg.Logger.With("engine", e.cfg.Name) }
