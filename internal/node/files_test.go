package node

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokenFileOfOthers: a file that everybody on the machine can read is warned of, and what becomes
// of a change is logged, with no part of a token.
func TestTokenFileOfOthers(t *testing.T) {
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		path := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(path, []byte("s3cret\n"), mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		v, err := openTokens("--token-file", path, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "chmod") != warns {
			t.Errorf("%o: %q", mode, log.String())
		}
		for text, want := range map[string]string{"s3cret:\n": "level=ERROR", "s3cret-2\n": "was read again"} {
			log.Reset()
			if err := os.WriteFile(path, []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				v.Look()
			}
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || strings.Contains(got, "s3cret") {
				t.Errorf("want %s once, and no token: %s", want, got)
			}
		}
	}
}
