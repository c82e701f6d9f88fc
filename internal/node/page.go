package node

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

//go:embed web
var web embed.FS

// page is the one document that people see: its style and its script are in it, so it also works
// where nothing else can be had.
var page = assemble()

func assemble() string {
	text := func(names ...string) string {
		var b strings.Builder
		for _, name := range names {
			part, err := web.ReadFile("web/" + name)
			if err != nil {
				panic(err) // it was there when this was built
			}
			b.Write(part)
		}
		return b.String()
	}
	return strings.NewReplacer(
		"/* page.css */", text("page.css"),
		"/* page.js */", text("dom.js", "figures.js", "sections.js", "page.js"),
	).Replace(text("page.html"))
}

// pagePolicy lets the page's own style and script run, and nothing else: a record's field that gets
// into the page some day as markup stays text. A browser that knows trusted types does not even
// parse it. The icon is made by the script.
var pagePolicy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; "+
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	hashOf("style"), hashOf("script"))

// hashOf is the hash by which a policy knows the page's element of that name.
func hashOf(element string) string {
	_, text, _ := strings.Cut(page, "<"+element+">")
	text, _, _ = strings.Cut(text, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	_, _ = w.Write([]byte(page))
}
