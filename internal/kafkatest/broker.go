package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// broker is one process: nothing, running, frozen, and nothing again.
type broker struct {
	id      int
	address string
	dir     string
	login   []kgo.Opt

	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has been waited for
}

func (b *broker) alive() bool {
	if b.cmd == nil {
		return false
	}
	select {
	case <-b.gone:
		return false
	default:
		return true
	}
}

// starts is how often a broker is started that ends before it serves: after a kill its port may
// still be held by connections that the kernel has not given up, and ZooKeeper remembers it for
// as long as its session lasts.
const starts = 8

// start runs the process and waits until it serves.
func (b *broker) start() error {
	if b.alive() {
		return fmt.Errorf("broker %d runs already", b.id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	for range starts {
		if err = b.spawn(); err != nil {
			return err
		}
		if err = b.ready(ctx); err == nil || b.alive() {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("broker %d on %s does not serve: %w\n%s", b.id, b.address, err, b.logTail())
	}
	return nil
}

func (b *broker) spawn() error {
	log, err := os.OpenFile(filepath.Join(b.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(b.dir, "run"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := Spawn(cmd); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its exit status tells nothing that the log does not
		close(gone)
	}()
	b.cmd, b.gone = cmd, gone
	return nil
}

// ready waits until the broker answers and finds itself in the metadata, which
// names only brokers that the controller has let in.
func (b *broker) ready(ctx context.Context) error {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.address), kgo.RequestRetries(0), kgo.DialTimeout(time.Second),
		kgo.MetadataMinAge(10 * time.Millisecond),
	}, b.login...)...)
	if err != nil {
		return err
	}
	defer client.Close()
	last := errors.New("no answer yet")
	for b.alive() {
		answer, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
		switch {
		case err != nil:
			last = err
		case slices.ContainsFunc(answer.Brokers, func(other kmsg.MetadataResponseBroker) bool { return int(other.NodeID) == b.id }):
			return nil
		default:
			last = errors.New("the controller has not let it in yet")
		}
		select {
		case <-ctx.Done():
			return last
		case <-b.gone:
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("its process ended (%w)", last)
}

func (b *broker) kill() {
	if b.alive() {
		_ = b.cmd.Process.Kill() // it may have ended by itself just now
		<-b.gone
	}
}

func (b *broker) stop() error {
	if err := b.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-b.gone:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("broker %d has not stopped after %v\n%s", b.id, patience, b.logTail())
	}
}

// freeze returns once the kernel says that the process has stopped.
func (b *broker) freeze() error {
	if err := b.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.cmd.Process.Pid))
		if err != nil {
			return err
		}
		// The state follows the command's name, which is in parentheses.
		if after := stat[bytes.LastIndexByte(stat, ')')+1:]; bytes.HasPrefix(after, []byte(" T")) {
			return nil
		}
	}
	return fmt.Errorf("broker %d does not freeze", b.id)
}

func (b *broker) unfreeze() error { return b.signal(syscall.SIGCONT) }

func (b *broker) signal(s syscall.Signal) error {
	if !b.alive() {
		return fmt.Errorf("broker %d is not running", b.id)
	}
	return b.cmd.Process.Signal(s)
}

// logTail is the end of the broker's log, for a failure's message.
func (b *broker) logTail() []byte {
	log, err := os.ReadFile(filepath.Join(b.dir, "log"))
	if err != nil {
		return []byte(err.Error())
	}
	return log[max(0, len(log)-4000):]
}
