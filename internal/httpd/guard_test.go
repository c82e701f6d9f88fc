package httpd

import (
	"bufio"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// ask sends a request of that method with these headers, Host among them, and returns the response;
// its body has been read.
func (c *client) ask(method, path string, headers ...string) *http.Response {
	c.t.Helper()
	c.send(method + " " + path + " HTTP/1.1\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// TestHost: a port is not for a web page that calls it by a name of its own.
func TestHost(t *testing.T) {
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Address: "Metrics.internal:9888", Hosts: []string{"ringtail.example"}}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:9888": true, "LocalHost": true, "localhost.": true, "127.0.0.1": true, "127.1.2.3:1": true,
		"[::1]": true, "[::1]:9888": true, "": true, "192.168.0.1:9888": true, "[2001:db8::1]:9888": true,
		machine: true, machine + ":9888": true, strings.ToUpper(machine): true,
		"metrics.internal": true, "metrics.internal:1": true, "ringtail.example": true, "RINGTAIL.example.:9888": true,
		"attacker.example": false, "attacker.example:9888": false, "localhost.attacker.example": false, "127.0.0.1.attacker.example": false,
		"127.0.0.1@attacker.example": false, machine + ".attacker.example": false, "a.ringtail.example": false, "2130706433": false, ".": false,
	} {
		if isOneOf(o.hosts(), host) != want {
			t.Errorf("Host %q: %v", host, !want)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		var refused []string
		o := Options{Address: address, HostFlag: "--name", Refused: func(reason string) { refused = append(refused, reason) }}
		s := startWith(t, o, ok, ordinary)
		if code := dial(t, s).get("attacker.example"); code != http.StatusMisdirectedRequest || !slices.Equal(refused, []string{refusedHost}) {
			t.Errorf("at %s, a foreign host gets %d; refused is %v", address, code, refused)
		}
		if code := dial(t, s).get("localhost:9888"); code != http.StatusOK || len(refused) != 1 {
			t.Errorf("at %s, localhost gets %d; refused is %v", address, code, refused)
		}
	}
}

// TestCrossOrigin: a page of another site may send what changes something, if a browser lets it, but
// nothing comes of it. Programs, which are no browsers, may.
func TestCrossOrigin(t *testing.T) {
	var refused []string
	s := startWith(t, Options{Address: "127.0.0.1:0", Refused: func(reason string) { refused = append(refused, reason) }}, ok, ordinary)
	for _, c := range []struct {
		method, header string
		want           int
	}{
		{"POST", "Sec-Fetch-Site: cross-site", http.StatusForbidden},
		{"POST", "Sec-Fetch-Site: same-site", http.StatusForbidden},
		{"POST", "Origin: http://attacker.example", http.StatusForbidden},
		{"DELETE", "Origin: http://localhost:1", http.StatusForbidden},
		{"POST", "Sec-Fetch-Site: same-origin", http.StatusOK},
		{"POST", "Origin: http://localhost", http.StatusOK},
		{"POST", "Accept: */*", http.StatusOK},
		{"GET", "Sec-Fetch-Site: cross-site", http.StatusOK},
	} {
		refused = nil
		r := dial(t, s).ask(c.method, "/", "Host: localhost", c.header, "Content-Length: 0")
		if r.StatusCode != c.want || slices.Contains(refused, refusedCrossOrigin) != (c.want == http.StatusForbidden) {
			t.Errorf("%s with %s gets %d; refused is %v", c.method, c.header, r.StatusCode, refused)
		}
	}
}

// TestSecurityHeaders: on each response, the refusals too.
func TestSecurityHeaders(t *testing.T) {
	s := start(t, "127.0.0.1:0", ok, ordinary)
	for _, host := range []string{"localhost", "attacker.example"} {
		r := dial(t, s).ask("GET", "/", "Host: "+host)
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("asked as %s, %s is %q, want %q", host, name, got, want)
			}
		}
	}
}
