package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// errHalted is returned by what a second signal has broken off. Whatever it was about is left to a
// goroutine that may still be at work, until the process ends.
var errHalted = errors.New("second signal, stopping at once")

// hear takes the signals that end the node: the first ends n.stopping, the second closes n.halted.
// It returns what ends that.
func (n *node) hear() (end func()) {
	ended := make(chan struct{})
	go func() {
		for _, act := range []func(os.Signal){
			func(s os.Signal) { n.end(errors.New(s.String())) },
			func(os.Signal) { close(n.halted) },
		} {
			select {
			case s := <-n.env.Signals:
				act(s)
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended) }
}

// start is begin, and returns errHalted when a second signal comes before begin has returned: some of
// what begin does cannot be broken off, like a ring that is being made.
func (n *node) start(reg *prometheus.Registry) (reached bool, err error) {
	type result struct {
		reached bool
		err     error
	}
	begun := make(chan result, 1)
	go func() {
		reached, err := n.begin(reg)
		begun <- result{reached, err}
	}()
	var early []os.Signal // came when records were taken already, and begin had not returned
	for {
		select {
		case r := <-begun:
			if r.reached {
				for _, s := range early {
					n.control(s)
				}
			}
			return r.reached, r.err
		case <-n.halted:
			n.abandoned = true
			return false, errHalted
		case s := <-n.env.Control:
			if why := n.phase.Load(); why != nil {
				n.env.Log.Info("the server is not ready yet", "signal", s.String(), "cause", *why)
			} else {
				early = append(early, s)
			}
		}
	}
}

// tend does what there is to do while records are taken, until a signal, or the end of the sink; nil
// means the signal.
func (n *node) tend() error {
	defer n.endSuccessor()
	for {
		select {
		case <-n.stopping.Done():
			n.env.Log.Info("stopping", "signal", context.Cause(n.stopping).Error())
			return nil
		case err := <-n.died:
			return err
		case s := <-n.env.Control:
			n.control(s)
		case word, alive := <-n.successor.words():
			if n.succeeded(word, alive) {
				return n.outlive()
			}
		}
	}
}

// control obeys a signal that does not end the node.
func (n *node) control(s os.Signal) {
	switch s {
	case syscall.SIGHUP:
		n.reload()
	case syscall.SIGUSR1:
		n.sayVerdict()
	case syscall.SIGUSR2:
		n.handOver()
	default:
		n.env.Log.Warn("signal: not known here", "signal", fmt.Sprint(s))
	}
}
