package kafkatools

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestBrokerGoesAwayBeforeItAnswers: what was asked of it is asked of another one, and
// that it was done already is no error then, as it is else.
func TestBrokerGoesAwayBeforeItAnswers(t *testing.T) {
	const gone = -2
	exists, denied := kerr.TopicAlreadyExists, kerr.TopicAuthorizationFailed
	for _, c := range []struct {
		name    string
		answers []int16 // of the requests; gone: none came
		want    int16
	}{
		{"answered", []int16{0}, 0},
		{"exists", []int16{exists.Code}, exists.Code},
		{"not done", []int16{gone, gone, 0}, 0},
		{"done", []int16{gone, exists.Code}, 0},
		{"denied", []int16{gone, denied.Code}, denied.Code},
		{"another controller", []int16{kerr.NotController.Code, exists.Code}, exists.Code},
	} {
		asked := 0
		said, err := Cluster{}.answered(t.Context(), exists, func() (answer, error) {
			code := c.answers[asked]
			asked++
			if code == gone {
				return answer{}, io.EOF
			}
			return answer{code: code}, nil
		})
		if err != nil || said.code != c.want || asked != len(c.answers) {
			t.Errorf("%s: asked %d times, %v, %v; want %v", c.name, asked, said.code, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Cluster{}.answered(ctx, exists, func() (answer, error) {
		cancel()
		return answer{}, io.EOF
	})
	if !errors.Is(err, io.EOF) {
		t.Errorf("nobody answers, and the user ends it: %v", err)
	}
	other := errors.New("a flag is wrong")
	if _, err := (Cluster{}).answered(t.Context(), exists, func() (answer, error) { return answer{}, other }); !errors.Is(err, other) {
		t.Errorf("another error: %v", err)
	}
}

// TestTopicsSayWhatTheyDid on a terminal; a program sees the exit code.
func TestTopicsSayWhatTheyDid(t *testing.T) {
	b := startBroker(t)
	o := CreateOptions{Name: "new", Partitions: 2, ReplicationFactor: 1, IfNotExists: true}
	create := func(s Streams) error { return CreateTopic(t.Context(), b.Cluster, o, s) }
	for _, step := range []struct {
		do   func(Streams) error
		want string
	}{
		{create, "created topic new"},
		{create, "topic new exists already"},
		{func(s Streams) error {
			return AlterTopic(t.Context(), b.Cluster, AlterOptions{Name: "new", Partitions: 3}, s)
		}, "altered topic new"},
		{func(s Streams) error { return DeleteTopic(t.Context(), b.Cluster, "new", s) }, "deleted topic new"},
	} {
		var told said
		if err := step.do(Streams{Err: &told, ErrTerminal: true}); err != nil || told.String() != "ringtail: "+step.want+"\n" {
			t.Errorf("it says %q and ends with %v, want %q", told.String(), err, step.want)
		}
	}
	var told said
	if err := create(Streams{Err: &told}); err != nil || told.String() != "" {
		t.Errorf("beside a terminal it says %q and ends with %v", told.String(), err)
	}
}

// TestTopicsWhileABrokerEnds: the connection is closed in the middle of each request.
func TestTopicsWhileABrokerEnds(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	closed := 0
	for _, key := range []kmsg.Key{kmsg.CreateTopics, kmsg.DeleteTopics} {
		cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			closed++
			return nil, errors.New("the broker ends"), true
		})
	}
	c := Cluster{Brokers: cluster.ListenAddrs()[0]}
	if err := CreateTopic(t.Context(), c, CreateOptions{Name: "t", Partitions: 2, ReplicationFactor: 1}, Streams{}); err != nil {
		t.Error("create: ", err)
	}
	if err := DeleteTopic(t.Context(), c, "t", Streams{}); err != nil {
		t.Error("delete: ", err)
	}
	if closed != 2 {
		t.Errorf("%d connections closed, want 2", closed)
	}
}
