// Package browsertest looks at web pages with a real browser, a headless Chromium, for tests. The
// browser knows no names and reaches nothing but this machine.
package browsertest

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience only ends tests that would otherwise hang.
const patience = 2 * time.Minute

// axe is axe-core 4.14.1 as npm has it, under the licence beside it. It finds what of a page some
// people cannot read or reach.
//
//go:embed testdata/axe-4.14.1.min.js.gz
var axe []byte

// Tab is a browser with one page. Its methods end the test where the browser fails.
type Tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// Open starts a browser, which ends with the test.
func Open(t *testing.T) *Tab {
	t.Helper()
	b := &Tab{t: t}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(patience),
		chromedp.IgnoreCertErrors,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("no-sandbox", os.Geteuid() == 0), // Chromium has none for root
	)
	ctx, ended := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(ended)
	b.ctx, _ = chromedp.NewContext(ctx, chromedp.WithListener(b.hear))
	t.Cleanup(func() {
		if err := chromedp.Cancel(b.ctx); err != nil {
			t.Errorf("the browser does not end: %v", err)
		}
	})
	if err := chromedp.Do(b.ctx); err != nil { // the browser lives as long as the context of the first
		t.Fatalf("no browser (Debian, Ubuntu: apt-get install chromium): %v", err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	call(b, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "clipboard-read"}, Setting: browser.PermissionSettingGranted,
	})
	return b
}

func call[P, R any](b *Tab, c cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, c, params)
	if err != nil {
		b.t.Fatalf("browser: %s: %v", c.Method, err)
	}
	return r
}

func run[T any](b *Tab, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("browser: %s: %v", what, err)
	}
	return r
}

// hear writes down what a browser complains about.
func (b *Tab) hear(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	case *runtime.EventConsoleAPICalled:
		text = string(e.Type)
		for _, a := range e.Args {
			text += " " + string(a.Value)
		}
	case *log.EventEntryAdded:
		text = string(e.Entry.Level) + " " + e.Entry.Text + " " + e.Entry.URL
	case *network.EventResponseReceived:
		if e.Response.Status < 400 {
			return
		}
		text = fmt.Sprintf("%d %s", e.Response.Status, e.Response.URL)
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// Complaints are those since the last call: what the page's scripts throw or say, what its policy
// forbids, and what could not be loaded.
func (b *Tab) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.complaints
	b.complaints = nil
	return c
}

// Go opens a page.
func (b *Tab) Go(url string) {
	b.t.Helper()
	run(b, "open "+url, chromedp.Navigate(url))
}

// Eval returns what a script's last expression, or the promise that it is, comes to, as JSON does.
func (b *Tab) Eval(script string) any {
	b.t.Helper()
	return run(b, script[:min(len(script), 200)], chromedp.Evaluate[any](script, chromedp.EvalAwaitPromise, func(p *runtime.EvaluateParams) {
		yes := true
		p.UserGesture = &yes
	}))
}

// Text is what the element with that id says.
func (b *Tab) Text(id string) string {
	b.t.Helper()
	s, _ := b.Eval("document.getElementById(" + quote(id) + ").innerText").(string)
	return s
}

func quote(s string) string {
	q, _ := json.Marshal(s) //nolint:errchkjson // it is a string
	return string(q)
}

// Until waits until a script says true.
func (b *Tab) Until(what, script string) {
	b.t.Helper()
	for end := time.Now().Add(patience); b.Eval(script) != true; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("still not true: %s; the page says\n%v", what, b.Eval("document.title + '\\n' + document.body.innerText"))
		}
	}
}

// Look sets the size of the window, in pixels, and the colours that its user prefers.
func (b *Tab) Look(width, height int64, dark bool) {
	b.t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// Sideways is by how many pixels the page is wider than the window.
func (b *Tab) Sideways() float64 {
	b.t.Helper()
	over, _ := b.Eval("document.documentElement.scrollWidth - document.documentElement.clientWidth").(float64)
	return over
}

// Inaccessible lists what axe finds, each with the first elements.
func (b *Tab) Inaccessible() []string {
	b.t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(axe))
	if err != nil {
		b.t.Fatal(err)
	}
	script, err := io.ReadAll(z)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.Eval("'axe' in window") != true {
		b.Eval(string(script) + "; true")
	}
	found, _ := b.Eval(`axe.run().then(r => r.violations.map(v => v.id + " (" + v.impact + "): " +
		v.nodes.slice(0, 3).map(n => n.html.slice(0, 150) + " " + n.any.map(a => a.message).join(" ")).join("; ")))`).([]any)
	var list []string
	for _, f := range found {
		list = append(list, fmt.Sprint(f))
	}
	return list
}

// Picture writes what the window shows, or all of the page, as WebP.
func (b *Tab) Picture(file string, all bool) {
	b.t.Helper()
	quality := int64(80)
	picture := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatWebp, Quality: &quality, CaptureBeyondViewport: &all,
	})
	if err := os.WriteFile(file, picture.Data, 0o644); err != nil { //nolint:gosec // for everybody
		b.t.Fatal(err)
	}
}
