package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

// legacy is what a successor gets to know of the process before it, in a variable. The descriptors
// are 3, by which the two talk, and from 4 on the sockets, in this order.
type legacy struct {
	Sockets []string // by the names that socketName and adminName make
	RingDir string
	Memory  int64 // bytes that it may take at most
}

// legacyVariable has no prefix of a flag's variable: nobody sets it by hand.
const legacyVariable = "_RINGTAIL_TAKEOVER"

// environment is that of the successor. systemd's variables that name a process name this one.
func (l legacy) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "LISTEN_") || strings.HasPrefix(v, "WATCHDOG_PID=")
	})
	text, _ := json.Marshal(l) // strings: it cannot fail
	return append(env, legacyVariable+"="+string(text))
}

// socketName is a listener's address as --listen has it. With port 0 it still is the port that was
// given then.
func socketName(l *server.Listener) string { return l.Network + "://" + l.Address }
func adminName(address string) string      { return "admin://" + address }

// inheritance is what this process has of the one that it takes over from.
type inheritance struct {
	ringDir string
	memory  int64
	talk    *os.File
	files   map[string][]*os.File // by name
	known   chan struct{}         // closed when systemd knows this one as the service's process
	gone    chan struct{}         // closed when that process has ended
}

// inherit returns nil where this process takes over from none.
func inherit() (*inheritance, error) {
	text, ok := os.LookupEnv(legacyVariable)
	if !ok {
		return nil, nil
	}
	_ = os.Unsetenv(legacyVariable)
	var l legacy
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return nil, config.Usagef("%s is set by ringtail itself, and not so: %w", legacyVariable, err)
	}
	const first = 3 // after standard error
	file := func(i int, name string) *os.File {
		unix.CloseOnExec(first + i)
		return os.NewFile(uintptr(first+i), name)
	}
	in := &inheritance{ringDir: l.RingDir, memory: l.Memory, talk: file(0, "predecessor"), files: map[string][]*os.File{}, known: make(chan struct{}), gone: make(chan struct{})}
	for i, name := range l.Sockets {
		in.files[name] = append(in.files[name], file(1+i, name))
	}
	go func() {
		defer close(in.gone)
		_, _ = in.talk.Read(make([]byte, 1))
		close(in.known)
		_, _ = in.talk.Read(make([]byte, 1)) // nothing more comes
	}()
	return in, nil
}

// take returns a socket of that name, nil if there is none left.
func (in *inheritance) take(name string) *os.File {
	if in == nil || len(in.files[name]) == 0 {
		return nil
	}
	f := in.files[name][0]
	in.files[name] = in.files[name][1:]
	return f
}

// besides returns how much memory the process before this one may take beside it: none, where it
// ends before this one takes any.
func (in *inheritance) besides(o *Options) int64 {
	if in == nil || sameDirectory(in.ringDir, o.RingDir) {
		return 0
	}
	return in.memory
}

// say tells the process before this one how far this one is.
func (in *inheritance) say(word string) {
	if in != nil {
		_, _ = fmt.Fprintln(in.talk, word) // it may have ended: all the same
		<-in.known
	}
}

// takeSockets takes those that the listeners want, and closes the others.
func (n *node) takeSockets() {
	if n.inherited == nil {
		return
	}
	for i := range n.opt.Listeners {
		n.opt.Listeners[i].Socket = n.inherited.take(socketName(&n.opt.Listeners[i]))
	}
	n.adminSocket = n.inherited.take(adminName(n.opt.Admin.Address))
	for _, files := range n.inherited.files {
		for _, f := range files {
			_ = f.Close()
		}
	}
}

// awaitDirectory waits for the process before this one where that has the same --ring-dir. Everything
// that may go wrong without it has been tried by then: behind this point that process cannot go on.
func (n *node) awaitDirectory(reg *prometheus.Registry) error {
	if n.inherited == nil || !sameDirectory(n.inherited.ringDir, n.opt.RingDir) {
		return nil
	}
	for i := range n.opt.Listeners {
		l := &n.opt.Listeners[i]
		if l.Socket != nil {
			continue
		}
		if err := l.Open(); err != nil {
			return listening(err)
		}
	}
	if err := shard.CheckDir(n.opt.ringFiles()); err != nil && !errors.Is(err, shard.ErrInUse) {
		return config.Usagef("%w", err)
	}
	if _, err := n.opt.ask(n.stopping, n.brokers, true, n.env.Log); err != nil {
		return err
	}
	if err := n.openAdmin(reg); err != nil {
		return err
	}
	n.inherited.say(wordWaiting)
	select {
	case <-n.inherited.gone:
	case <-n.stopping.Done():
	}
	return nil
}

func sameDirectory(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}
