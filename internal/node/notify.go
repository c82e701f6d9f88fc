package node

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/repeat"
)

// What systemd is told (sd_notify(3)), where it has asked for it: Type=notify, WatchdogSec=.

// notify tells systemd. Without it, nobody hears; what it does not get is of no matter to records.
func notify(state string) {
	const forget = true
	_, _ = daemon.SdNotify(!forget, state)
}

func (n *node) notifyReady() {
	notify(daemon.SdNotifyReady + "\nSTATUS=" + n.verdictText())
}

// notifyReloading has to say when, or Type=notify-reload does not take it.
func notifyReloading() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	notify(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/int64(time.Microsecond)))
}

func notifyStopping() { notify(daemon.SdNotifyStopping + "\nSTATUS=draining") }

// notifySuccessor makes another process the main one of the service. What this one says is not
// heard any more then.
func notifySuccessor(pid int) { notify(fmt.Sprintf("MAINPID=%d", pid)) }

// statusEvery is how often the verdict is looked at for STATUS=.
const statusEvery = 2 * time.Second

// keepNotified tells systemd the verdict when it changes, and that the process makes progress: while
// records are taken, only if event loops and engines do. It returns what ends that.
func (n *node) keepNotified() (end func()) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return func() {}
	}
	every := statusEvery
	const forget = true
	limit, err := daemon.SdWatchdogEnabled(!forget)
	watched := err == nil && limit > 0
	if watched {
		every = min(every, limit/4)
	}
	said := ""
	return repeat.Every(every, func() {
		if watched && n.progresses() {
			notify(daemon.SdNotifyWatchdog)
		}
		if text := n.verdictText(); text != said {
			said = text
			notify("STATUS=" + text)
		}
	})
}

// progresses returns whether whoever moves records has been there since the last call. What starts
// and what drains has limits of its own.
func (n *node) progresses() bool {
	n.asking.Lock()
	defer n.asking.Unlock()
	s := n.server.Load()
	well := s == nil || n.phase.Load() != nil
	if !well {
		server, sink := s.Alive(), n.sink.alive()
		well = server && sink
	}
	if well || n.progressed.IsZero() {
		n.progressed = time.Now()
	}
	return well
}

// stuckLimit is how long nothing may progress before /healthz says so, as long as
// deploy/ringtail.service has systemd wait.
const stuckLimit = 30 * time.Second

// health is what a supervisor asks before it starts the process again. Several may, one right behind
// the other, so one question without a sign of life says nothing yet.
func (n *node) health(w http.ResponseWriter, _ *http.Request) {
	if !n.progresses() {
		n.asking.Lock()
		since := time.Since(n.progressed)
		n.asking.Unlock()
		if since > stuckLimit {
			http.Error(w, fmt.Sprintf("stuck: an event loop, or what writes to Kafka, has not come by for %s", since.Truncate(time.Second)), http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = fmt.Fprintln(w, "ok")
}

func (n *node) verdictText() string { return n.seen.last.Load().verdict.Text }
