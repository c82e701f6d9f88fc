package crc32c

import (
	"math/rand/v2"
	"testing"
)

// The check value of the catalogue of parametrised CRC algorithms for CRC-32/ISCSI.
func TestSum(t *testing.T) {
	if got := Sum([]byte("123456789")); got != 0xe3069283 {
		t.Errorf("%#x", got)
	}
	if got := Update(Sum([]byte("1234")), []byte("56789")); got != 0xe3069283 {
		t.Errorf("in two parts: %#x", got)
	}
}

// TestJoin: the joined checksum is that of the bytes one behind the other, wherever they are cut.
func TestJoin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 70_000)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for round := range 2000 {
		n := rng.IntN(len(b) >> rng.IntN(16))
		at := rng.IntN(n + 1)
		if got, want := Join(Sum(b[:at]), Sum(b[at:n]), n-at), Sum(b[:n]); got != want {
			t.Fatalf("round %d: %d and %d bytes: %#x, want %#x", round, at, n-at, got, want)
		}
	}
	zeros := make([]byte, 1<<20)
	sum := Sum(b)
	for range 2100 { // over 2^31
		sum = Update(sum, zeros)
	}
	sum = Update(sum, zeros[:5])
	joined := Sum(b)
	for left := 2100<<20 + 5; left > 0; {
		n := min(left, 1<<31-1)
		joined = Join(joined, 0, n) ^ zeroSum(n)
		left -= n
	}
	if joined != sum {
		t.Errorf("over 2^31 zeros: %#x, want %#x", joined, sum)
	}
}

// zeroSum is the checksum of n zeros, by doubling.
func zeroSum(n int) uint32 {
	if n < 1000 {
		return Sum(make([]byte, n))
	}
	half := zeroSum(n / 2)
	sum := Join(half, half, n/2)
	if n%2 == 1 {
		sum = Update(sum, []byte{0})
	}
	return sum
}

func BenchmarkJoin(b *testing.B) {
	sum := uint32(1)
	for b.Loop() {
		sum = Join(sum, sum, 6543)
	}
	_ = sum
}
