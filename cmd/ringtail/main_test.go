package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// TestEchoOfASignal: timeout(1) sends its signal twice, and means one.
func TestEchoOfASignal(t *testing.T) {
	for echo, want := range map[time.Duration]int{time.Hour: 1, 0: 2} {
		in := make(chan os.Signal, 2)
		in <- syscall.SIGTERM
		in <- syscall.SIGTERM
		close(in)
		got := 0
		for range withoutEchoes(in, echo, func(s os.Signal) bool { return s != syscall.SIGHUP }) {
			got++
		}
		if got != want {
			t.Errorf("two signals within %v are %d, want %d", echo, got, want)
		}
	}
}
