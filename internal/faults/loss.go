package faults

import (
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// packetsLost: the kernel drops every twentieth packet between the
// broker and everybody, both ways: what is lost is found and sent again by TCP.
func packetsLost(c *Case) {
	c.Begin()
	c.SendOn()
	c.Flows(50_000)
	_, port, err := net.SplitHostPort(c.Kafka.Address(1))
	c.must(err)
	c.nft(fmt.Sprintf(`
table ip faults {
  counter lost { }
  chain sent {
    type filter hook output priority 0
    tcp dport %[1]s numgen random mod 100 < 5 counter name lost drop
    tcp sport %[1]s numgen random mod 100 < 5 counter name lost drop
  }
}
`, port))
	c.Pause(c.Between(10*time.Second, 20*time.Second))
	c.Flows(100_000)
	m := regexp.MustCompile(`packets (\d+)`).FindStringSubmatch(c.nft("list counter ip faults lost"))
	if m == nil {
		c.Fatalf("nft does not tell how many packets were lost")
	}
	c.nft("delete table ip faults")
	lost, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		c.Fatalf("nft: %v", err)
	}
	c.Standard()
	c.Proved("packets_lost", lost)
}

func (c *Case) nft(commands string) string {
	c.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(commands)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.Fatalf("nft: %v\n%s", err, out)
	}
	return string(out)
}
