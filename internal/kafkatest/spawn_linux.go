package kafkatest

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

var spawner = sync.OnceValue(func() chan<- func() {
	requests := make(chan func())
	go func() {
		runtime.LockOSThread()
		for request := range requests {
			request()
		}
	}()
	return requests
})

// Spawn starts a command that the kernel kills when this process ends. The
// kernel ties that promise to the thread that forked, so one thread that never
// ends does all the forking.
func Spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	return <-started
}
