package kafkatest

import (
	"os/exec"
	"syscall"
)

// Spawn starts a command. No kernel ends it here when this process does: tests that are killed leave
// their brokers behind.
func Spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}
