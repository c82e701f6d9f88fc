package node

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestPageUnderItsPolicy: what a browser would not run or load under the page's policy is not in it.
func TestPageUnderItsPolicy(t *testing.T) {
	w := httptest.NewRecorder()
	servePage(w, nil)
	policy, body := w.Header().Get("Content-Security-Policy"), w.Body.String()
	rules := map[string]string{}
	for rule := range strings.SplitSeq(policy, "; ") {
		name, value, _ := strings.Cut(rule, " ")
		rules[name] = value
	}
	if rules["default-src"] != "'none'" || rules["connect-src"] != "'self'" || rules["frame-ancestors"] != "'none'" ||
		rules["require-trusted-types-for"] != "'script'" || rules["img-src"] != "data:" || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	for name, rule := range map[string]string{"style": "style-src", "script": "script-src"} {
		elements := regexp.MustCompile(`(?s)<`+name+`([^>]*)>(.*?)</`+name+`>`).FindAllStringSubmatch(body, -1)
		if len(elements) != 1 || elements[0][1] != "" {
			t.Fatalf("%d elements %s, want one that has no attributes", len(elements), name)
		}
		sum := sha256.Sum256([]byte(elements[0][2]))
		if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; rules[rule] != want {
			t.Errorf("%s is %s, and the element's hash is %s", rule, rules[rule], want)
		}
	}
	if len(body) >= 100_000 {
		t.Errorf("the page has %d bytes", len(body))
	}
	// An icon that is none keeps the browser from asking for one; the namespace is a name, no address.
	body = strings.Replace(body, `<link rel="icon" id="icon" href="data:,">`, "", 1)
	body = strings.ReplaceAll(body, "http://www.w3.org/2000/svg", "")
	for _, never := range []string{
		`\son\w+=`, `\sstyle=`, `\ssrc=`, `<link`, `<img`, `<form`, `<base`, `https?:`, `url\(`, `@import`, `javascript:`, `setAttribute\(`, `(inner|outer)HTML`,
		`insertAdjacent`, `document\.write`, `eval\(`, `Function\(`,
	} {
		if found := regexp.MustCompile(never).FindString(body); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
}
