package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestProcessors: engines that are Go's get processors of their own, unless the environment says
// how many there are; twice is not more.
func TestProcessors(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runtime.SetDefaultGOMAXPROCS()
	ordinary := runtime.GOMAXPROCS(0)
	for _, c := range []struct {
		native      bool
		environment string
		want        int
	}{{true, "", ordinary + 2}, {false, "", ordinary}, {true, "1", ordinary}} {
		t.Setenv("GOMAXPROCS", c.environment)
		runtime.SetDefaultGOMAXPROCS()
		n := &node{native: c.native, opt: Options{Producers: 2}, env: Env{Log: slog.New(slog.DiscardHandler)}}
		n.giveProcessors()()
		n.giveProcessors()()
		if got := runtime.GOMAXPROCS(0); got != c.want {
			t.Errorf("%+v: %d processors", c, got)
		}
	}
}

// TestProcessorsFollow: they are set anew when the group's limit has changed, and only then.
func TestProcessorsFollow(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runtime.SetDefaultGOMAXPROCS()
	ordinary := runtime.GOMAXPROCS(0)
	root := machine(t, 1<<30, "max")
	tick, stop, ended := make(chan time.Time), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		followProcessors(root, 1, tick, stop, slog.New(slog.DiscardHandler))
	}()
	look := func() {
		tick <- time.Time{}
		tick <- time.Time{} // taken when the first is done
	}
	look()
	runtime.GOMAXPROCS(ordinary + 5)
	if look(); runtime.GOMAXPROCS(0) != ordinary+5 {
		t.Errorf("%d processors, and nothing had changed", runtime.GOMAXPROCS(0))
	}
	if err := os.WriteFile(filepath.Join(root, "cgroup/ringtail/cpu.max"), []byte("200000 100000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if look(); runtime.GOMAXPROCS(0) != ordinary+1 {
		t.Errorf("%d processors after a change, want %d", runtime.GOMAXPROCS(0), ordinary+1)
	}
	close(stop)
	<-ended
}
