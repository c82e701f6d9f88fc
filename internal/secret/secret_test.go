package secret

import (
	"slices"
	"strings"
	"testing"
)

// TestHide: whatever of a secret may be quoted is not in the text, and nothing else is missing.
func TestHide(t *testing.T) {
	secrets := Of(map[string]string{
		"sasl.password": "pass word with blanks", "ssl.key.password": "ab", "sasl.username": "ringtail",
		"ssl.keystore.password":               "ringtail", // said openly as well
		"ssl.key.pem":                         "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----",
		"sasl.oauthbearer.token.endpoint.url": "https://me:s%C3%A9cret@issuer.example/token",
	})
	for text, want := range map[string]string{
		"it says pass word with blanks twice: pass word with blanks": "it says [hidden] twice: [hidden]",
		"beginning at: blanks":                                "beginning at: [hidden]",
		`about cabs, not "ab", 'ab'`:                          `about cabs, not "[hidden]", '[hidden]'`,
		"account ringtail":                                    "account ringtail",
		"line MIGHAgEA of it":                                 "line [hidden] of it",
		"no token from https://me:s%C3%A9cret@issuer.example": "no token from https://[hidden]issuer.example",
		"sécret":                       "[hidden]",
		"nothing of that kind, linger": "nothing of that kind, linger",
	} {
		if got := Hide(text, secrets); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if slices.Contains(secrets, "") || !slices.IsSortedFunc(secrets, func(a, b string) int { return len(b) - len(a) }) {
		t.Errorf("%q", secrets)
	}
	if got := Hide("a longer one first: hunter22", Of(map[string]string{"sasl.password": "hunter2", "ssl.key.password": "hunter22"})); strings.Contains(got, "2") {
		t.Errorf("%q", got)
	}
}
