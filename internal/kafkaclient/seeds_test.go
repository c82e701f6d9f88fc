package kafkaclient

import (
	"strings"
	"testing"
)

func TestSeeds(t *testing.T) {
	got := strings.Join(Seeds(" a:1,, PLAINTEXT://b:2 ,[::1]:3,c "), " ")
	if want := "a:1 b:2 [::1]:3 c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCheckSeeds: what cannot be an address is said before anybody is asked.
func TestCheckSeeds(t *testing.T) {
	for _, good := range []string{"a:1", "a", "a:1,b:2 , c", "[::1]:3", "::1", "PLAINTEXT://b:2", "a:1, SASL_SSL://b:2", "127.0.0.1:65535", "k_1.example:9092", "[fe80::1%eth0]:1"} {
		if err := CheckSeeds(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"": "--brokers is missing", " ,": "names none", "${KAFKA}": "${KAFKA} is no host:port", "a:1,b:x": "b:x is no", "a:0": "a:0 is no", "a:65536": "is no",
		"http://a:8080": "http://a:8080 is no host:port", "a:1, tcp://b:2": "tcp://b:2 is no host:port", "a:1;b:2": "is no", "a b:1": "is no", ":9092": "is no",
	} {
		if err := CheckSeeds(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
}

// TestResolve: an unknown name is named, also beside known ones. No name may be that long, so nobody
// is asked.
func TestResolve(t *testing.T) {
	unknown := strings.Repeat("k", 64) + ".invalid:9092"
	if err := Resolve(t.Context(), []string{"127.0.0.1:1", "::1", "[::1]:2"}); err != nil {
		t.Error(err)
	}
	err := Resolve(t.Context(), []string{"127.0.0.1:1", unknown})
	if err == nil || !strings.Contains(err.Error(), unknown+": no such host") {
		t.Error(err)
	}
}
