package node

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/browsertest"
	"github.com/ringtail/ringtail/internal/verdict"
)

// tooWide are the elements that reach out of the window.
const tooWide = `[...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth).map(e => e.tagName + " " + e.id + " " + e.className + " " + e.textContent.slice(0, 40)).slice(0, 8).join("; ")`

// TestPageShows: all that is wrong is on the page, for everybody: in words, in both colours, on a
// narrow screen, with a keyboard; and nothing that clients send is more than text.
func TestPageShows(t *testing.T) {
	f := newFake()
	url, _ := f.serve(t, "127.0.0.1:0")
	b := browsertest.Open(t)
	b.Look(1280, 900, false)
	b.Go(url)
	b.Until("the verdict is in the title", `document.title === "STUCK: partition 3 since 4 min: NOT_ENOUGH_REPLICAS · gate-7"`)
	b.Until("connections are there", `document.querySelectorAll("#top tbody tr").length === 20`)
	text := b.Eval(`document.body.innerText.replaceAll("\u00a0", " ")`).(string)
	for _, want := range []string{
		"STUCK: partition 3 since 4 min: NOT_ENOUGH_REPLICAS", "rings full in 38 s", "3 of 200 clients wait", "bring back the brokers",
		"1,234,567 so far", "1,200,345 so far", "1,234 so far", "15,000 /s", "14,000 /s", "2.1 ms / 15 ms", "12 /s", "leader of partition 3: 1 -> 2",
		"broker 82 %", "parse 1 %", "3 stuck", "86 %, 3.4 MiB of 4.0 MiB", "3 → no leader, settling", "NOT_ENOUGH_REPLICAS, ", " s ago", "4 min 5 s", "7 → broker 1",
		"bad_json", "10.0.0.7:4711", hostile, "--topic letters --from beginning", "200 open of 10,000, 3 wait: 1 for memory, 0 for their rate, 0 until their acks are read, 2 for room",
		"refused: limit 2; closed: eof 300, idle 10", "waits for room in ring 3", "✓ up", "✕ down", "3, 4", "1.0 MiB", "gate-7, process 4711", "1.2.3", "1 d 2 h",
		"native: all properties are known to it", "0.42 cores", "240 MiB", "231 of 1,048,576",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if first := b.Eval(`document.querySelector("#rings tbody td").textContent`); first != "3 stuck" {
		t.Errorf("the first shard is %q", first)
	}
	if n := b.Eval(`document.querySelectorAll("main img, main script").length`); n != 0.0 {
		t.Errorf("%v elements came out of what others say", n)
	}
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{1920, 1280, 1000, 768, 390, 320} {
			b.Look(width, 800, dark)
			if over := b.Sideways(); over > 0 {
				t.Errorf("at %d pixels the page is %v too wide: %v", width, over, b.Eval(tooWide))
			}
			if width != 1280 && width != 320 {
				continue
			}
			if found := b.Inaccessible(); len(found) > 0 {
				t.Errorf("at %d pixels, dark %v:\n%s", width, dark, strings.Join(found, "\n"))
			}
			b.Picture(filepath.Join(t.ArtifactDir(), fmt.Sprintf("page-%d-%v.webp", width, dark)), true)
		}
	}
	b.Look(1280, 900, false)
	if narrow := b.Eval(`[...document.querySelectorAll("#rings tbody tr")].filter(r => [...r.cells].some(c => !c.classList.contains("wide") &&
		c.clientWidth > r.querySelector(".fill").clientWidth)).length`); narrow != 0.0 {
		t.Errorf("in %v rows the bar is not the widest thing", narrow)
	}
	if moves := b.Eval(`getComputedStyle(document.querySelector("#rings .fill div")).transitionDuration`); moves != "0s" {
		t.Errorf("bars move for %v, for people who want less of that", moves)
	}
	if c := b.Complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}

// TestPageMoves: each state has its shape, its words and its icon; figures move, and stand while the page is
// paused.
func TestPageMoves(t *testing.T) {
	f := newFake()
	url, _ := f.serve(t, "127.0.0.1:0")
	b := browsertest.Open(t)
	b.Look(1280, 900, false)
	b.Go(url)
	seen := map[any]verdict.State{}
	for _, s := range verdict.States {
		f.set(func(st *status) { st.Verdict.State, st.Verdict.Text = s, strings.ToUpper(string(s))+": words" })
		b.Until("the state is "+string(s), `document.title === "`+strings.ToUpper(string(s))+`: words · gate-7"`)
		for _, look := range []string{`document.querySelector("#shape path").getAttribute("d")`, `document.querySelector("#icon").href`} {
			if other, twice := seen[b.Eval(look)]; twice {
				t.Errorf("%s looks like %s", s, other)
			}
			seen[b.Eval(look)] = s
		}
	}
	b.Eval(`document.getElementById("pause").click()`)
	f.set(func(st *status) { st.Server.Received = 2_000_000; st.Verdict.Text = "STUCK: again" })
	b.Until("the title goes on", `document.title.startsWith("STUCK: again")`)
	if text := b.Text("figures"); !strings.Contains(text, "1,234,567 so far") {
		t.Errorf("figures move while the page is paused: %s", text)
	}
	b.Eval(`document.getElementById("pause").click()`)
	b.Until("figures move again", `document.getElementById("figures").innerText.includes("2,000,000 so far")`)

	b.Eval(`document.querySelector("#figure-row svg").focus(); document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "Home", bubbles: true}))`)
	if text := b.Text("figures"); strings.Count(text, ", oldest") != 2 || !strings.Contains(text, "– / –") { // the first minutes had none
		t.Errorf("Home does not go to the first moment: %s", text)
	}
	if marks := b.Eval(`document.querySelectorAll("#figure-row .mark").length`); marks != 5.0 {
		t.Errorf("%v marks in five figures", marks)
	}
	b.Eval(`document.getElementById("copy").click()`)
	copied, _ := b.Eval(`navigator.clipboard.readText()`).(string)
	for _, want := range []string{"STUCK: again", "2,000,000 so far", "3 stuck  ", "--config-is-not-there", "k2:9092", hostile} {
		if strings.Contains(copied, want) == strings.HasPrefix(want, "--config") {
			t.Errorf("copied as text, with or without %q:\n%s", want, copied)
		}
	}
	b.Eval(`[...document.querySelectorAll("#rejects button")][0].click()`)
	want := `ringtail consume --brokers k1:9092,k2:9092 --topic letters --from beginning --until-end --format json | grep '"reason":"bad_json"'`
	if copied := b.Eval(`navigator.clipboard.readText()`); copied != want {
		t.Errorf("copied %q, want %q", copied, want)
	}
	if c := b.Complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}

// TestPageConnections: search by address, and one alone, also by its link, and when it is closed.
func TestPageConnections(t *testing.T) {
	f := newFake()
	url, _ := f.serve(t, "127.0.0.1:0")
	b := browsertest.Open(t)
	b.Go(url)
	b.Until("twenty are there", `document.querySelectorAll("#top tbody tr").length === 20`)
	b.Eval(`const s = document.getElementById("search"); s.value = "0.0.25:"; s.dispatchEvent(new Event("input"))`)
	b.Until("it is found", `document.querySelectorAll("#top tbody tr").length === 1 && document.getElementById("top").innerText.includes("10.0.0.25:4711")`)
	b.Eval(`document.querySelector("#top a").click()`)
	b.Until("it is alone", `document.getElementById("one-facts").innerText.includes("10.0.0.25:4711")`)
	b.Go("about:blank")
	b.Go(url + "#connection=2")
	b.Until("the link leads there", `document.getElementById("one-facts").innerText.includes("waits for room in ring 3")`)
	b.Eval(`location.hash = "#connection=99"`)
	b.Until("one is closed", `document.getElementById("one-head").textContent === "Connection 99: closed"`)
	b.Eval(`document.querySelector("#one a").click()`)
	b.Until("all are back", `document.getElementById("one").hidden`)
	if c := b.Complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}

// TestPageWithoutServer: without its server the page keeps the last figures, in grey, says how old they are,
// and is alive again when there is one.
func TestPageWithoutServer(t *testing.T) {
	f := newFake()
	url, end := f.serve(t, "127.0.0.1:0")
	b := browsertest.Open(t)
	b.Go(url)
	b.Until("it is there", `document.title.startsWith("STUCK")`)
	end()
	b.Until("it is gone", `document.body.classList.contains("gone") && /^GONE: last heard \d+ s ago · gate-7$/.test(document.title)`)
	if text := b.Text("gone"); !strings.Contains(text, "last heard") || !strings.Contains(text, " s ago") {
		t.Errorf("it says %q", text)
	}
	if grey := b.Eval(`getComputedStyle(document.querySelector("main")).filter`); grey != "grayscale(1)" {
		t.Errorf("the figures look like %v", grey)
	}
	if text := b.Text("figures"); !strings.Contains(text, "1,234,567 so far") {
		t.Errorf("the last figures are gone: %s", text)
	}
	if found := b.Inaccessible(); len(found) > 0 {
		t.Errorf("in grey:\n%s", strings.Join(found, "\n"))
	}
	f.set(func(st *status) { st.Server.Received = 5 })
	f.serve(t, strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/"))
	b.Until("it is back", `!document.body.classList.contains("gone") && document.title.startsWith("STUCK") && document.getElementById("figures").innerText.includes("\n5 so far")`)
}
