package node

import (
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/ringtail/ringtail/internal/cgroup"
)

// processorsInterval is how often the control group's share of the processors is looked at.
const processorsInterval = 30 * time.Second

// giveProcessors gives Go one more (GOMAXPROCS) for each engine that is Go's, until stop is called.
// A loop keeps its own while it waits in the kernel, until sysmon takes it away, up to twenty
// milliseconds later. Whoever sets GOMAXPROCS has decided.
func (n *node) giveProcessors() (stop func()) {
	if !n.native || os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	ticker, stopped, ended := time.NewTicker(processorsInterval), make(chan struct{}), make(chan struct{})
	setProcessors(n.opt.Producers)
	go func() {
		defer close(ended)
		followProcessors("/", n.opt.Producers, ticker.C, stopped, n.env.Log)
	}()
	return func() {
		ticker.Stop()
		close(stopped)
		<-ended
	}
}

// followProcessors does what Go does itself as long as nobody sets GOMAXPROCS: when the group's
// share of the processors changes, so does their number. Setting it stops the world, so that is all
// it is set for.
func followProcessors(root string, more int, tick <-chan time.Time, stop <-chan struct{}, log *slog.Logger) {
	limit := cgroup.CPULimit(root)
	for {
		select {
		case <-stop:
			return
		case <-tick:
		}
		if now := cgroup.CPULimit(root); now != limit {
			limit = now
			log.Info("the limit of processors has changed; --loops is as at the start", "processors", setProcessors(more))
		}
	}
}

// setProcessors returns how many Go has: what it would take by itself, and so many more.
func setProcessors(more int) int {
	runtime.SetDefaultGOMAXPROCS()
	n := runtime.GOMAXPROCS(0) + more
	runtime.GOMAXPROCS(n)
	return n
}
