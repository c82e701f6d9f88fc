package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// impatient is for servers that will not answer.
const impatient = 200 * time.Millisecond

func TestServerTakesEverything(t *testing.T) {
	for _, tc := range []struct {
		mine Framing
		its  string
	}{
		{Newline, "auto"}, {Length, "length"},
	} {
		t.Run(tc.mine.String()+" to "+tc.its, func(t *testing.T) {
			r := embedded(t, tc.its)
			c := newClient(t, fast(Options{Address: r.address(), Framing: tc.mine}))
			ctx := within(t)
			const n = 3000
			sendAll(t, ctx, c, n)
			if err := c.Close(ctx); err != nil {
				t.Fatal(err)
			}
			l := r.topic()
			l.acked = n
			l.check(n, digit)
			if s := c.Stats(); len(l.taken) != n || s.Resent != 0 || s.Connects != 1 || s.Acked != n {
				t.Errorf("%d taken, %+v", len(l.taken), s)
			}
		})
	}
}

// TestOneRecordToTheServer: whatever passes is one record to the server, in every framing it may be
// set to: acks of more would be no answer that can be, and with fewer Close would not end.
func TestOneRecordToTheServer(t *testing.T) {
	const alphabet = `{{{}}}[]"\,:1 a` + "\t\x00\x1e\xff"
	for _, tc := range []struct {
		mine Framing
		its  string
	}{
		{Newline, "newline"}, {Newline, "auto"}, {Newline, "json"}, {Length, "length"}, {Length, "auto"},
	} {
		r := discarding(t, tc.its)
		c := newClient(t, Options{Address: r.address(), Framing: tc.mine})
		rng, ctx := newRand(t), within(t)
		if _, err := c.Send(ctx, []byte(`{"number":1}`)); err != nil { // or auto ends the connection at the first error
			t.Fatal(err)
		}
		for range 5000 {
			p := []byte{'{'}
			for range rng.IntN(12) {
				p = append(p, alphabet[rng.IntN(len(alphabet))])
			}
			_, _ = c.Send(ctx, append(p, '}')) // most are no object
		}
		if err := c.Close(ctx); err != nil {
			t.Errorf("%v to %s: %v", tc.mine, tc.its, err)
		}
		if s := c.Stats(); s.Connects != 1 || s.Rejected < 20 {
			t.Errorf("%v to %s: %+v", tc.mine, tc.its, s)
		}
	}
}

// TestEveryWayToTheServer: over a unix socket, encrypted, with a token, behind a server that is not
// there; a server that knows neither the token nor acks is left alone.
func TestEveryWayToTheServer(t *testing.T) {
	dir := t.TempDir()
	cert, key, trust := selfSigned(t, dir)
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("billing:s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(dir, "s")
	r := newRig(t, "--sink", "discard", "--tls-cert", cert, "--tls-key", key, "--token-file", tokens, "--listen", socket+"?ack=kafka",
		"--listen", strings.Replace(acking, "tcp", "tls", 1), "--listen", acking+"&token=off", "--listen", "tcp://127.0.0.1:0?token=off&ack=off")
	ctx := within(t)
	for _, f := range []Framing{Newline, Length} {
		for address, token := range map[string]string{
			r.addresses[0]: "s3cret", r.addresses[1]: "s3cret", r.addresses[2]: "",
			"unix:///nowhere/s," + r.addresses[2]: "",
			r.addresses[3] + "," + r.addresses[2]: "", // the first does not ack
		} {
			why := newCauses()
			c := newClient(t, fast(Options{Address: address, Framing: f, Token: token, TLS: &tls.Config{RootCAs: trust}, Logger: slog.New(why)}))
			if strings.HasPrefix(address, r.addresses[3]) {
				c = newClient(t, fast(Options{Address: address, Framing: f, ConnectTimeout: impatient}))
			}
			sendAll(t, ctx, c, 100)
			if err := c.Close(ctx); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
		for address, want := range map[string]error{r.addresses[3]: ErrNoAcks, r.addresses[0]: ErrUnauthorized} {
			c := newClient(t, fast(Options{Address: address, Framing: f, Token: "wrong", ConnectTimeout: impatient}))
			if address == r.addresses[3] {
				c = newClient(t, fast(Options{Address: address, Framing: f, ConnectTimeout: impatient}))
			}
			sendAll(t, ctx, c, 1)
			if err := c.Flush(ctx); !errors.Is(err, want) || !strings.Contains(err.Error(), address) {
				t.Errorf("%s: %v, want %v", address, err, want)
			}
			if s := c.Stats(); s.Sent != 0 {
				t.Errorf("%s: %+v", address, s)
			}
		}
	}
	if n := r.stop(); n != 2*(5*100+1) { // a wrong token is one record, and rejected
		t.Errorf("%d records came", n)
	}
}

// A proxy that cuts connections stands between; the server reads the rest of the old
// connection while the new one is already there.
func TestServerBehindACuttingProxy(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		t.Run(f.String(), func(t *testing.T) {
			r := embedded(t, "auto")
			p := newCutter(t, r.address(), newRand(t), 50)
			c := newClient(t, fast(Options{Address: p.address(), Framing: f}))
			ctx := within(t)
			n := uint64(0)
			for ; p.left() > 0; n++ {
				if _, err := c.Send(ctx, []byte(record(n+1))); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Close(ctx); err != nil {
				t.Fatal(err)
			}
			l, s := r.topic(), c.Stats()
			l.acked = n
			l.check(n, digit)
			t.Logf("%+v, %d duplicates", s, len(l.taken)-int(n))
			if s.Connects < 5 || len(l.taken)-int(n) > int(s.Resent) {
				t.Errorf("%+v, %d duplicates", s, len(l.taken)-int(n))
			}
		})
	}
}

// Rejected records are told once each, with their number and bytes, before Flush
// returns, also where connections break.
func TestRejects(t *testing.T) {
	for _, cuts := range []int{0, 40} {
		t.Run(fmt.Sprintf("%d cuts", cuts), func(t *testing.T) {
			r := discarding(t, "newline")
			p := newCutter(t, r.address(), newRand(t), cuts)
			var mu sync.Mutex
			var told []uint64
			bad := func(k uint64) string { return fmt.Sprintf(`{"k":%d,"number":"x"}`, k) }
			c := newClient(t, fast(Options{Address: p.address(), OnReject: func(seq uint64, record []byte, reason string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, seq)
				if string(record) != bad(seq) || reason != "bad_number" {
					t.Errorf("%d: %q, %s", seq, record, reason)
				}
			}}))
			ctx := within(t)
			var want []uint64
			for k := uint64(1); k <= 2000 || p.left() > 0; k++ {
				s := record(k)
				if k%3 == 0 {
					s = bad(k)
					want = append(want, k)
				}
				if _, err := c.Send(ctx, []byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(told, want) {
				t.Errorf("told of %d rejects, want %d, in order", len(told), len(want))
			}
		})
	}
}

// Many goroutines send through one small window, and cuts come between; each one's
// records stay in its order, and every number is given once.
func TestManySenders(t *testing.T) {
	r := embedded(t, "newline")
	p := newCutter(t, r.address(), newRand(t), 10)
	c := newClient(t, fast(Options{Address: p.address(), WindowRecords: 7}))
	ctx := within(t)
	const senders, each = 8, 300
	var numbers [senders][]uint64
	var all sync.WaitGroup
	for i := range uint64(senders) {
		goIn(&all, func() {
			for k := range uint64(each) {
				seq, err := c.Send(ctx, []byte(record(1+i*each+k)))
				if err != nil {
					t.Error(err)
				}
				numbers[i] = append(numbers[i], seq)
			}
		})
		goIn(&all, func() {
			for range 20 {
				if err := c.Flush(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	l := r.topic()
	l.acked = senders * each
	l.check(senders*each, func(k uint64) uint64 { return (k-1)/each*10 + digit(k) })
	got := map[uint64]bool{}
	for _, list := range numbers {
		if !slices.IsSorted(list) {
			t.Error("numbers of one sender are not in order")
		}
		for _, seq := range list {
			got[seq] = true
		}
	}
	if len(got) != senders*each || got[0] || got[senders*each+1] {
		t.Errorf("%d different numbers, want %d", len(got), senders*each)
	}
}

// selfSigned makes a certificate of 127.0.0.1.
func selfSigned(t *testing.T, dir string) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(cryptorand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, trust = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		trust.AppendCertsFromPEM(pem.EncodeToMemory(block))
	}
	return cert, key, trust
}
