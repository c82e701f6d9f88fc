package codec

import "testing"

// TestRequestLine: what begins an HTTP request, and what is only a bad record.
func TestRequestLine(t *testing.T) {
	for line, want := range map[string]bool{
		"GET / HTTP/1.1":           true,
		"POST /x HTTP/1.1":         true,
		"OPTIONS * HTTP/1.1":       true,
		"CONNECT a:443 HTTP/1.1":   true,
		"GET http://h/ HTTP/1.0":   true,
		"GET /":                    true,
		"GO / HTTP/1.1":            false, // no method is so short
		"DESCRIBES / HTTP/1.1":     false, // or so long
		"get / HTTP/1.1":           false,
		"GET":                      false,
		"GET ":                     false,
		"GET x":                    false,
		"G3T / HTTP/1.1":           false,
		"ERROR something is wrong": false,
		"":                         false,
	} {
		if got := isRequestLine([]byte(line)); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
