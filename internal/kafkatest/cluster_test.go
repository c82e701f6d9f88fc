package kafkatest

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A controller lets a killed broker in again once its old session has ended.
var quick = map[string]string{"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}

func produce(t *testing.T, client *kgo.Client, topic string) error {
	t.Helper()
	return client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr()
}

func TestOneBrokerKeepsItsRecordsThroughEveryEnd(t *testing.T) {
	c := Start(t, Options{Properties: quick})
	if asked := os.Getenv(VersionVariable); asked != "" && c.Version(1) != asked {
		t.Errorf("%s is %s, and the broker is of %s", VersionVariable, asked, c.Version(1))
	}
	c.CreateTopic("records", 10, 1, map[string]string{"max.message.bytes": "5000"})
	client := c.Client(t)
	steps := []struct {
		name string
		do   func()
	}{
		{"kill", func() { c.Kill(1); c.Restart(1) }},
		{"stop", func() { c.Stop(1); c.Restart(1) }},
		{"freeze", func() { c.Freeze(1); c.Continue(1) }},
	}
	for i, step := range steps {
		if err := produce(t, client, "records"); err != nil {
			t.Fatal(err)
		}
		step.do()
		if got := c.Ends("records"); got != int64(i+1) {
			t.Fatalf("after %s: %d records, want %d", step.name, got, i+1)
		}
	}
	c.AlterTopic("records", "max.message.bytes", "4000")
	c.DeleteTopic("records")
	c.CreateTopic("records", 3, 1, nil)
	if got := c.Ends("records"); got != 0 {
		t.Fatalf("a topic made again holds %d records", got)
	}
}

func TestThreeBrokersSurviveTheLossOfALeader(t *testing.T) {
	c := Start(t, Options{Brokers: 3, Properties: quick})
	c.CreateTopic("records", 1, 3, nil)
	client := c.Client(t)
	if err := produce(t, client, "records"); err != nil {
		t.Fatal(err)
	}
	lost := c.Leader("records", 0)
	c.Kill(lost)
	c.Wait("another broker leads", func(context.Context) bool {
		leader := c.Leader("records", 0)
		return leader != 0 && leader != lost
	})
	if err := produce(t, client, "records"); err != nil {
		t.Fatal(err)
	}
	c.Restart(lost)
	if got := c.Ends("records"); got != 2 {
		t.Fatalf("%d records, want 2", got)
	}
}

func TestPermissionsAndQuotas(t *testing.T) {
	c := Start(t, Options{ACL: true})
	c.CreateTopic("records", 1, 1, nil)
	if err := produce(t, c.clientAs(t, User), "records"); err == nil {
		t.Fatal("a stranger could write")
	}
	c.Grant("records")
	client := c.clientAs(t, User)
	c.Wait("the grant works", func(context.Context) bool { return produce(t, client, "records") == nil })
	c.RevokeWrite("records")
	c.Wait("the revocation works", func(context.Context) bool {
		return errors.Is(produce(t, client, "records"), kerr.TopicAuthorizationFailed)
	})
	c.SetProduceQuota(1000)
	c.SetProduceQuota(0)
}

func TestLinks(t *testing.T) {
	c := Start(t, Options{Links: true})
	c.CreateTopic("records", 1, 1, nil)
	client := c.Client(t)
	link := c.Link(1)
	for _, step := range []func(){
		func() { link.Refuse(20) },
		func() { link.Worsen(20*time.Millisecond, 20*time.Millisecond, 50) },
		link.Silence,
		link.SilenceRequests,
		link.SilenceAnswers,
		link.Cut,
	} {
		before := link.Passed()
		if err := produce(t, client, "records"); err != nil || link.Passed() == before {
			t.Fatalf("%d bytes passed: %v", link.Passed()-before, err)
		}
		stalled := link.Stalled()
		step()
		done := make(chan error, 1)
		go func() { done <- client.ProduceSync(t.Context(), &kgo.Record{Topic: "records"}).FirstErr() }()
		c.Wait("it arrives or is held up", func(context.Context) bool {
			w, _ := link.now()
			return len(done) > 0 || w.cut && link.Resets() > 0 || w.requestMax > 0 && link.Refused() > 0 || w.silent != [2]bool{} && link.Stalled() > stalled
		})
		link.Heal()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	link.Throttle(1 << 20)
	if err := produce(t, client, "records"); err != nil {
		t.Fatal(err)
	}
	if got := c.Ends("records"); got != 13 {
		t.Errorf("%d records, want 13", got)
	}
	if link.Resets() == 0 || link.Stalled() == 0 || link.Refused() == 0 {
		t.Errorf("%d resets, %d stalls, %d requests refused", link.Resets(), link.Stalled(), link.Refused())
	}
}

// TestLengths: a request is seen wherever reads cut the stream.
func TestLengths(t *testing.T) {
	var stream []byte
	for _, n := range []int{5, 0, 300, 7} {
		stream = append(binary.BigEndian.AppendUint32(stream, uint32(n)), make([]byte, n)...)
	}
	for cut := range stream {
		var l lengths
		first, second := l.read(stream[:cut]), l.read(stream[cut:])
		if max(first, second) != 300 || l.rest != 0 || l.have != 0 {
			t.Errorf("cut at %d: %d, then %d; %d bytes left", cut, first, second, l.rest)
		}
	}
}
