package kafkatest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TB is the part of testing.TB that a cluster needs. It is an interface of our
// own so that the fault runner, which is no test, can be one too.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// VersionVariable is the environment variable that tells deploy/kafka.sh which version of Apache
// Kafka clusters are of, where their Options do not: "3.9.1".
const VersionVariable = "KAFKA_VERSION"

// Options of a cluster. The zero value is one broker without ACLs.
type Options struct {
	Version    string            // of Apache Kafka; empty: as VersionVariable says
	Brokers    int               // 1 (also for 0) or 3
	Properties map[string]string // server properties more, or instead of deploy/kafka.sh's
	Heap       string            // Java heap of each broker, as Java writes it; default 384m
	TLS        string            // PEM file with the brokers' key and certificate, for "localhost"; NewTLS makes one
	SASL       string            // mechanisms by which clients log in, one of them PLAIN: "PLAIN,SCRAM-SHA-512"
	Users      []string          // NAME:PASSWORD; empty: User with its name
	ACL        bool              // ACLs, and SASL, by PLAIN where SASL does not say: see Cluster.Grant
	Listeners  []string          // more of them, as deploy/kafka.sh has them: see Cluster.At
	Links      bool              // everybody reaches the brokers through Links: see Cluster.Link
}

// patience is how long a broker may take to do what it was asked to. It only
// ends tests that would otherwise hang; a loaded machine gets nowhere near it.
const patience = 6 * time.Minute

// Cluster is a running Kafka. Its methods fail the test rather than return
// errors. They may be called from several goroutines, but one broker is to be
// killed, frozen or started by one goroutine at a time.
type Cluster struct {
	tb        TB
	sasl      bool
	tls       bool
	listeners map[string]string // addresses of Options.Listeners
	dir       string
	zookeeper *broker // ZooKeeper, before Kafka 3.7; else nil
	brokers   []*broker
	links     []*Link     // empty without Options.Links
	client    *kgo.Client // for admin requests; as the super user with ACL
}

// Start starts a cluster and waits until every broker answers. The cluster
// ends, and its data goes, when the test does.
func Start(tb TB, o Options) *Cluster {
	tb.Helper()
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	dir, err := os.MkdirTemp("", "ringtail-kafka-")
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	base := ReservePorts(tb, (3+len(o.Listeners))*o.Brokers) // listeners, controllers, links, more listeners
	if err := prepare(dir, base, o); err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
	c := &Cluster{tb: tb, sasl: o.ACL || o.SASL != "", tls: o.TLS != "", dir: dir, listeners: more(base, o)}
	for id := 1; id <= o.Brokers; id++ {
		c.brokers = append(c.brokers, &broker{
			id:      id,
			address: fmt.Sprintf("127.0.0.1:%d", base+id-1),
			dir:     filepath.Join(dir, fmt.Sprint(id)),
			login:   c.login("admin"),
		})
	}
	tb.Cleanup(c.close)
	if zookeeper := filepath.Join(dir, "0"); exists(zookeeper) {
		c.zookeeper = &broker{dir: zookeeper}
		if err := c.zookeeper.spawn(); err != nil { // brokers wait until it answers
			tb.Fatalf("kafkatest: %v", err)
		}
	}
	if o.Links {
		for i, b := range c.brokers {
			link, err := newLink(linkAddress(base, o.Brokers, i), b.address)
			if err != nil {
				tb.Fatalf("kafkatest: %v", err)
			}
			c.links = append(c.links, link)
		}
	}
	// Started together: three controllers need two of them to elect one.
	var wg sync.WaitGroup
	failures := make([]error, len(c.brokers))
	for i, b := range c.brokers {
		wg.Go(func() { failures[i] = b.start() })
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			tb.Fatalf("kafkatest: %v", err)
		}
	}
	c.client = c.Client(tb)
	return c
}

func (c *Cluster) close() {
	for _, b := range c.brokers {
		b.kill()
	}
	if c.zookeeper != nil {
		c.zookeeper.kill()
	}
	for _, l := range c.links {
		l.close()
	}
}

// linkAddress is where clients reach broker i, from 0, in place of the broker.
func linkAddress(base, brokers, i int) string { return fmt.Sprintf("127.0.0.1:%d", base+2*brokers+i) }

// Link is the link to broker i, of a cluster with Options.Links.
func (c *Cluster) Link(i int) *Link {
	c.tb.Helper()
	if i < 1 || i > len(c.links) {
		c.tb.Fatalf("kafkatest: no link to broker %d", i)
	}
	return c.links[i-1]
}

// Bootstrap is what a Kafka client takes as its list of brokers.
func (c *Cluster) Bootstrap() string {
	return strings.Join(c.addresses(), ",")
}

// Brokers is how many brokers there are, alive or not.
func (c *Cluster) Brokers() int { return len(c.brokers) }

// Address of broker i.
func (c *Cluster) Address(i int) string { return c.broker(i).address }

func (c *Cluster) broker(i int) *broker {
	c.tb.Helper()
	if i < 1 || i > len(c.brokers) {
		c.tb.Fatalf("kafkatest: no broker %d: they are numbered 1 to %d", i, len(c.brokers))
	}
	return c.brokers[i-1]
}

// Kill ends broker i with SIGKILL and waits until its process is gone.
func (c *Cluster) Kill(i int) {
	c.tb.Helper()
	c.broker(i).kill()
}

// Stop ends broker i with SIGTERM: it hands its partitions over, if there is
// anyone to take them, and leaves. Stop waits until its process is gone.
func (c *Cluster) Stop(i int) {
	c.tb.Helper()
	if err := c.broker(i).stop(); err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
}

// Freeze stops broker i with SIGSTOP: its connections stay open and nothing
// answers. Continue ends that.
func (c *Cluster) Freeze(i int) {
	c.tb.Helper()
	if err := c.broker(i).freeze(); err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
}

// Continue lets a frozen broker go on.
func (c *Cluster) Continue(i int) {
	c.tb.Helper()
	if err := c.broker(i).unfreeze(); err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
}

// Restart starts broker i again after Kill or Stop, on the same port and with
// the same data, and waits until it answers and the cluster counts it in.
func (c *Cluster) Restart(i int) {
	c.tb.Helper()
	if err := c.broker(i).start(); err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
	if c.zookeeper != nil { // brokers beside a ZooKeeper serve before they know their topics
		c.awaitTopics(i)
	}
}

// Upgrade lets brokers be of another version of Kafka from their next Restart on.
func (c *Cluster) Upgrade(version string) {
	c.tb.Helper()
	if err := script("upgrade", "--dir", c.dir, "--version", version); err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
}

// Version is the version of Kafka that broker i says it is, or was when it ran last.
func (c *Cluster) Version(i int) string {
	c.tb.Helper()
	log, err := os.ReadFile(filepath.Join(c.broker(i).dir, "log"))
	if err != nil {
		c.tb.Fatalf("kafkatest: %v", err)
	}
	const says = "INFO Kafka version: "
	_, said, found := strings.Cut(string(log[max(0, strings.LastIndex(string(log), says)):]), says)
	if !found {
		c.tb.Fatalf("kafkatest: broker %d does not say which version it is", i)
	}
	return strings.Fields(said)[0]
}

// DataBytes is how much the brokers' directories hold on disk. What goes while
// it is counted may be in the sum or not.
func (c *Cluster) DataBytes() (sum int64) {
	_ = filepath.WalkDir(c.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // gone meanwhile: brokers delete segments
		}
		if info, err := entry.Info(); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				sum += stat.Blocks * 512 // index files are longer than what is in them
			}
		}
		return nil
	})
	return sum
}

// Alive tells whether broker i's process runs, frozen or not.
func (c *Cluster) Alive(i int) bool { return c.broker(i).alive() }

// prepare has deploy/kafka.sh fetch Kafka (once for all), write the brokers'
// files and format their storage.
func prepare(dir string, base int, o Options) error {
	args := []string{"prepare", "--dir", dir, "--brokers", fmt.Sprint(o.Brokers), "--port", fmt.Sprint(base)}
	if o.Version != "" {
		args = append(args, "--version", o.Version)
	}
	if o.Heap != "" {
		args = append(args, "--heap", o.Heap)
	}
	args = append(args, securityArgs(o)...)
	if o.Links {
		args = append(args, "--advertise", fmt.Sprint(base+2*o.Brokers))
	}
	for key, value := range o.Properties {
		args = append(args, "--set", key+"="+value)
	}
	return script(args...)
}

// script runs deploy/kafka.sh.
func script(args ...string) error {
	path, err := ProjectFile("deploy/kafka.sh")
	if err != nil {
		return err
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", path, err, out)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ProjectFile finds a file of this project from wherever inside the module we run.
func ProjectFile(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if exists(path) {
			return path, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%s not found above the working directory", name)
		}
		dir = parent
	}
}
