package kafkatools

import "testing"

// TestConsumeProperties: librdkafka's fetching does not rest for a second while a verb shows what it
// has, unless the user says so.
func TestConsumeProperties(t *testing.T) {
	const name = "fetch.queue.backoff.ms"
	verb := (&consumption{}).properties()
	for want, user := range map[string]map[string]string{"10": nil, "500": {name: "500"}} {
		got, err := Cluster{Brokers: "127.0.0.1:1", Properties: user}.properties(verb)
		if err != nil || got[name] != want {
			t.Errorf("with -X %v it is %s, want %s: %v", user, got[name], want, err)
		}
	}
}
