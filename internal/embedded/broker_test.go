package embedded

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestBrokerHasItsTopics(t *testing.T) {
	b, err := Start(0, map[string]int{"records": 10, "dead": 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Address()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	topics, err := kadm.NewClient(c).ListTopics(context.Background())
	if err != nil || len(topics["records"].Partitions) != 10 || len(topics["dead"].Partitions) != 1 {
		t.Errorf("topics are %v, %v", topics, err)
	}
}

func TestPortInUse(t *testing.T) {
	b, err := Start(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var port int
	if _, err := fmt.Sscanf(b.Address(), "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	if second, err := Start(port, nil); err == nil {
		second.Close()
		t.Error("two brokers on one port")
	}
}

// TestMemoryIsBounded: what is beyond the bound goes, the oldest first.
func TestMemoryIsBounded(t *testing.T) {
	b, err := Start(0, map[string]int{"records": 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	value := make([]byte, 900_000)
	for range 2 * retentionBytes / len(value) {
		if err := c.ProduceSync(ctx, &kgo.Record{Topic: "records", Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for {
		starts, err := kadm.NewClient(c).ListStartOffsets(ctx, "records")
		if err != nil {
			t.Fatal(err)
		}
		if o, _ := starts.Lookup("records", 0); o.Offset > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
