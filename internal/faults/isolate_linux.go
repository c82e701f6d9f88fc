package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// isolated is set, in the environment, for a process that has been isolated
// and is to run a single row.
const isolated = "TEST_FAULTS_ISOLATED"

// Isolated tells whether this process is to run one row and write its report
// with WriteReport.
func Isolated() bool { return os.Getenv(isolated) != "" }

// isolate runs a row in a process that has a network and mounts of its own:
// packets can be dropped and file systems mounted, and the machine does not
// notice, however the process ends.
func isolate(row Row, seed uint64, log io.Writer) Report {
	report := Report{Row: row.Name, Seed: seed}
	if _, err := exec.LookPath("nft"); err != nil || os.Geteuid() != 0 {
		report.Absent = "needs root and nft (Debian, Ubuntu: apt-get install nftables)"
		return report
	}
	self, err := os.Executable()
	if err != nil {
		report.Failure = err.Error()
		return report
	}
	r := &kafkatest.Runner{Log: log}
	binary := ""
	if report.Failure = r.Run(func() { binary = e2e.Binary(r) }); report.Failure != "" {
		return report
	}
	var out bytes.Buffer
	cmd := exec.Command(self, "--row", row.Name, "--seed", fmt.Sprint(seed))
	cmd.Stdout, cmd.Stderr = &out, log
	cmd.Env = append(os.Environ(), isolated+"=1", "TEST_BINARY="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal comes when the thread that forked ends
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	if err != nil {
		report.Absent = fmt.Sprintf("needs namespaces: %v", err)
		return report
	}
	if err = cmd.Wait(); err == nil {
		err = json.Unmarshal(out.Bytes(), &report)
	}
	if err != nil {
		report.Failure = fmt.Sprintf("the row's process: %v", err)
	}
	return report
}

// furnish brings up the one interface of a new network, and keeps mounts from
// being seen by others.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// tmpfs is a directory with so much room.
func (c *Case) tmpfs(bytes int64) string {
	c.Helper()
	dir, err := os.MkdirTemp("", "ringtail-small-")
	c.must(err)
	c.Cleanup(func() { os.RemoveAll(dir) })
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		c.Fatalf("mount: %v", err)
	}
	c.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // it ends with the process in any case
	return dir
}
