// Package secret knows which of Kafka's properties are nobody's business, and takes their values out
// of what others say: librdkafka quotes in its errors and its log what it was given.
//
//	property ─► Named, InURL ─► Of: the secrets ─► Hide: a text without them
package secret

import (
	"net/url"
	"slices"
	"strings"
)

// Hidden stands for a secret.
const Hidden = "[hidden]"

// Named reports whether a property of librdkafka holds a secret, by its name.
func Named(property string) bool {
	name := strings.ToLower(property)
	for _, part := range []string{"password", "passphrase", "secret", ".key.pem", "sasl.oauthbearer.config", "sasl.jaas.config", "kinit.cmd", "token"} {
		if strings.Contains(name, part) && !strings.HasSuffix(name, ".url") {
			return true
		}
	}
	return false
}

// InURL reports whether a value is a URL with an account in it: https://name:password@host.
func InURL(value string) bool {
	u, err := url.Parse(value)
	return err == nil && u.User != nil
}

// shortest is the length in bytes from which a secret is looked for anywhere in a text. A shorter
// one may be a part of any word, and is looked for in quotes.
const shortest = 4

// Of returns what is secret in these properties, longest first: values, their words and lines, since
// an error may quote the rest of a value, and passwords in URLs. What another property says openly
// is not among them.
func Of(properties map[string]string) (secrets []string) {
	var open []string
	for name, value := range properties {
		switch u, err := url.Parse(value); {
		case Named(name):
			secrets = append(append(secrets, value), strings.Fields(value)...)
		case err == nil && u.User != nil:
			password, _ := u.User.Password()
			secrets = append(secrets, u.User.String()+"@", password)
			if _, typed, ok := strings.Cut(value, "//"); ok { // as it was typed, not as it is encoded
				typed, _, _ = strings.Cut(typed, "@")
				secrets = append(secrets, typed+"@")
			}
		default:
			open = append(open, value)
		}
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return s == "" || slices.Contains(open, s) })
	slices.SortFunc(secrets, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(secrets)
}

// Hide returns the text without these secrets.
func Hide(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= shortest {
			text = strings.ReplaceAll(text, s, Hidden)
			continue
		}
		for _, quote := range []string{`"`, `'`} {
			text = strings.ReplaceAll(text, quote+s+quote, quote+Hidden+quote)
		}
	}
	return text
}
