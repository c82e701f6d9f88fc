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
