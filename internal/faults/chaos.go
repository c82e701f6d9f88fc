package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// breakage is one fault of a soak: it begins, lasts and is healed by itself.
type breakage struct {
	kind string
	what string // kind, whom and for how long
	uses uint   // what no other fault may touch meanwhile: see below
	do   func(s *soaking)
}

// What breakages use.
const (
	theServer  = 1 << 0
	theClients = 1 << 1
	allBrokers = 7 << 2 // 1 << (2+i-1) is broker i
	allLinks   = 7 << 5 // 1 << (5+i-1) is the link to broker i
)

func broker(i int) uint { return 1 << (2 + i - 1) }
func link(i int) uint   { return 1 << (5 + i - 1) }

// draws make breakages; how often each stands here is how likely it is. Those
// that end the server come last.
var (
	draws = []func(r *rand.Rand) breakage{
		killBroker, killBroker, freezeBroker, freezeBroker, restartAll, slowLink, slowLink, slowAll, cutLink, cutLink, cutAll,
		silentLink, silentLink, resetClients, resetClients, resetClients, freezeServer, freezeServer,
	}
	drawsOfEnds = []func(r *rand.Rand) breakage{killServer, killServer, killServer, stopServer, stopServer}
)

// draw draws one fault, and in three cases of ten another one that goes with
// it.
func (s *soaking) draw(ends bool) []breakage {
	from := draws
	if ends {
		from = append(from[:len(from):len(from)], drawsOfEnds...)
	}
	together := []breakage{from[s.rand.IntN(len(from))](s.rand)}
	if other := from[s.rand.IntN(len(from))](s.rand); s.rand.IntN(10) < 3 && other.uses&together[0].uses == 0 {
		together = append(together, other)
	}
	return together
}

func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return (from + time.Duration(r.Int64N(int64(to-from)))).Round(time.Millisecond)
}

// breakFor is a breakage that is begun, lasts, and is healed.
func breakFor(kind, whom string, uses uint, lasts time.Duration, begin, heal func(s *soaking)) breakage {
	return breakage{kind, fmt.Sprintf("%s%s for %v", kind, whom, lasts), uses, func(s *soaking) {
		begin(s)
		time.Sleep(lasts) // the fault itself
		heal(s)
	}}
}

func killBroker(r *rand.Rand) breakage {
	i := 1 + r.IntN(3)
	return breakFor("broker killed", fmt.Sprintf(" (%d)", i), broker(i), between(r, 0, 8*time.Second),
		func(s *soaking) { s.kafka.Kill(i) }, func(s *soaking) { s.kafka.Restart(i) })
}

func freezeBroker(r *rand.Rand) breakage {
	i := 1 + r.IntN(3)
	return breakFor("broker frozen", fmt.Sprintf(" (%d)", i), broker(i), between(r, 2*time.Second, 25*time.Second),
		func(s *soaking) { s.kafka.Freeze(i) }, func(s *soaking) { s.kafka.Continue(i) })
}

// restartAll wants the other brokers and their links well: a broker that stops
// hands its partitions over first.
func restartAll(r *rand.Rand) breakage {
	order := r.Perm(3)
	return breakage{"rolling restart", "rolling restart", allBrokers | allLinks, func(s *soaking) {
		for _, i := range order {
			s.kafka.Stop(i + 1)
			s.kafka.Restart(i + 1)
		}
	}}
}

func slowLink(r *rand.Rand) breakage {
	i := 1 + r.IntN(3)
	latency, jitter := between(r, 0, 50*time.Millisecond), between(r, time.Millisecond, 100*time.Millisecond)
	return breakFor("link slow", fmt.Sprintf(" (%d, %v and up to %v more)", i, latency, jitter), link(i), between(r, 5*time.Second, 25*time.Second),
		func(s *soaking) { s.kafka.Link(i).Worsen(latency, jitter, 5) }, healLinks(i))
}

func slowAll(r *rand.Rand) breakage {
	return breakFor("links slow", "", allLinks, between(r, 5*time.Second, 25*time.Second),
		func(s *soaking) {
			for i := range 3 {
				s.kafka.Link(i+1).Worsen(5*time.Millisecond, 20*time.Millisecond, 5)
			}
		}, healLinks(1, 2, 3))
}

func cutLink(r *rand.Rand) breakage {
	i := 1 + r.IntN(3)
	return breakFor("link cut", fmt.Sprintf(" (%d)", i), link(i), between(r, 0, 15*time.Second),
		func(s *soaking) { s.kafka.Link(i).Cut() }, healLinks(i))
}

func cutAll(r *rand.Rand) breakage {
	return breakFor("links cut", "", allLinks, between(r, 0, 15*time.Second),
		func(s *soaking) { s.cutAll() }, healLinks(1, 2, 3))
}

func (s *soaking) cutAll() {
	for i := range 3 {
		s.kafka.Link(i + 1).Cut()
	}
}

func silentLink(r *rand.Rand) breakage {
	i, way := 1+r.IntN(3), r.IntN(3)
	kind := []string{"link silent", "link silent to the broker", "link silent from the broker"}[way]
	silence := []func(*kafkatest.Link){(*kafkatest.Link).Silence, (*kafkatest.Link).SilenceRequests, (*kafkatest.Link).SilenceAnswers}[way]
	return breakFor(kind, fmt.Sprintf(" (%d)", i), link(i), between(r, time.Second, 25*time.Second),
		func(s *soaking) { silence(s.kafka.Link(i)) }, healLinks(i))
}

func healLinks(links ...int) func(s *soaking) {
	return func(s *soaking) {
		for _, i := range links {
			s.kafka.Link(i).Heal()
		}
	}
}

// resetClients resets connections one by one; their clients make others.
func resetClients(r *rand.Rand) breakage {
	victims := make([]int, 5+r.IntN(60))
	for i := range victims {
		victims[i] = r.IntN(watchedConnections)
	}
	pause := between(r, 0, 300*time.Millisecond)
	return breakage{"clients reset", fmt.Sprintf("clients reset (%d, one in %v)", len(victims), pause), theClients, func(s *soaking) {
		for _, conn := range victims {
			s.fleet.Reset(conn)
			time.Sleep(pause) // the fault itself
		}
	}}
}

func freezeServer(r *rand.Rand) breakage {
	return breakFor("server frozen", "", theServer, between(r, time.Second, 20*time.Second),
		func(s *soaking) { s.server.Freeze() }, func(s *soaking) { s.server.Continue() })
}

// killServer ends the server with SIGKILL. What its rings held is in their
// files, and what was not acked is sent again besides.
func killServer(*rand.Rand) breakage {
	return breakage{"server killed", "server killed", theServer, func(s *soaking) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kill()
		s.serve()
	}}
}

// stopServer ends the server with SIGTERM while no broker can be reached. It
// keeps what it holds, and the next one finds just that.
func stopServer(r *rand.Rand) breakage {
	away, earlier := between(r, time.Second, 4*time.Second), r.IntN(2) == 0
	return breakage{"server stopped without Kafka", fmt.Sprintf("server stopped, Kafka away %v before", away), theServer | allLinks, func(s *soaking) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cutAll()
		time.Sleep(away) // the fault itself
		if s.stop(0).Kept == 0 {
			s.Fatalf("nothing was kept, without Kafka and under load")
		}
		if earlier { // than Kafka is back: it waits for it
			heal := time.AfterFunc(away, func() { healLinks(1, 2, 3)(s) })
			defer heal.Stop()
		} else {
			healLinks(1, 2, 3)(s)
		}
		s.serveRecovered()
	}}
}
