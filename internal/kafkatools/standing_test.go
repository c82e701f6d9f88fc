package kafkatools

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/embedded"
)

// said takes what is said, from any goroutine.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *said) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *said) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestLagOfABlockedConsumer: nobody reads what the consumer writes. It cannot go on,
// and its lag says so, whoever scrapes it.
func TestLagOfABlockedConsumer(t *testing.T) {
	b, err := embedded.Start(0, map[string]int{"t": 1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	value := bytes.Repeat([]byte("x"), 1000)
	var records []*kgo.Record
	for range 1000 { // of 1000 bytes, far more than any buffer on the way
		records = append(records, &kgo.Record{Value: value})
	}
	if err := c.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	var told said
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- Consume(ctx, Cluster{Brokers: b.Address()}, ConsumeOptions{
			Topics: config.List{"t"}, From: "beginning", Partition: -1, Format: "value", MetricsOptions: MetricsOptions{Metrics: "127.0.0.1:0"},
		}, Streams{Out: writer, Err: &told})
	}()
	read := make([]byte, 1)
	if _, err := io.ReadFull(reader, read); err != nil { // now it writes, and waits
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(told.String(), "ringtail: metrics at "))
	if lag := lagAt(t, url); lag < 800 || lag > 1000 {
		t.Errorf("the lag is %v of 1000 records, of which a buffer's worth was written", lag)
	}
	if err := c.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); lagAt(t, url) < 1800; {
		if time.Now().After(deadline) {
			t.Fatal("the lag does not grow with the partition")
		}
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	for deadline := time.Now().Add(time.Minute); lagAt(t, url) != 0; {
		if time.Now().After(deadline) {
			t.Fatal("the lag does not get to 0")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lagAt scrapes the lag of partition 0; −1 where it is not known.
func lagAt(t *testing.T, url string) float64 {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	lag := -1.0
	_, after, found := strings.Cut(string(text), `ringtail_consumer_lag{group="",partition="0",topic="t"} `)
	if found {
		if _, err := fmt.Sscan(after, &lag); err != nil {
			t.Fatal(err)
		}
	}
	return lag
}

// TestMetricsAddress: a wrong one is said before anything is read.
func TestMetricsAddress(t *testing.T) {
	for _, address := range []string{"9889", "127.0.0.1:999999"} {
		if _, err := (MetricsOptions{address, ""}).expose(newStanding(ConsumeOptions{}), Streams{Err: io.Discard}); err == nil || !strings.Contains(err.Error(), "--metrics") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestMetricsToken: with a file of tokens one of them is wanted.
func TestMetricsToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if _, err := (MetricsOptions{"127.0.0.1:0", file}).expose(newStanding(ConsumeOptions{}), Streams{Err: io.Discard}); err == nil || !strings.HasPrefix(err.Error(), "--metrics-token-file: ") {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(file, []byte("prometheus:s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var told said
	stop, err := (MetricsOptions{"127.0.0.1:0", file}).expose(newStanding(ConsumeOptions{}), Streams{Err: &told})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	_, url, _ := strings.Cut(strings.TrimSpace(told.String()), "metrics at ")
	for token, want := range map[string]int{"s3cret": http.StatusOK, "wrong": http.StatusUnauthorized} {
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("", token)
		r.Close = true
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("with the token %s: %d", token, response.StatusCode)
		}
	}
}

// TestPositions: where we begin and what was shown is committed, and nothing else.
func TestPositions(t *testing.T) {
	s := newStanding(ConsumeOptions{Topics: config.List{"t"}})
	three, seven := s.take(partitionID{"t", 3}, -2), s.take(partitionID{"t", 7}, 40) // nothing is known of partition 3
	committed := func(all bool) (text string) {
		for id, at := range s.positions(all)["t"] {
			text += fmt.Sprint(id, ":", at.Offset, " ")
		}
		return text
	}
	if at := committed(false); at != "7:40 " {
		t.Errorf("nothing was shown, and %s is to be committed", at)
	}
	s.passed(seven, 41)
	if at := committed(false); at != "7:41 " {
		t.Errorf("%s is to be committed", at)
	}
	if at := committed(false); at != "" {
		t.Errorf("%s is to be committed again", at)
	}
	if at := committed(true); at != "7:41 " {
		t.Errorf("%s is to be committed at the end", at)
	}
	s.finish(three)
	s.drop(map[string][]int32{"t": {3, 7, 8}})
	if s.pending != 0 || len(s.parts) != 0 {
		t.Errorf("%d partitions are pending after all were taken", s.pending)
	}
	s.take(partitionID{"t", 7}, 41)
	s.take(partitionID{"t", 7}, 41)
	if s.pending != 1 {
		t.Errorf("a partition given twice counts %d times", s.pending)
	}
}
