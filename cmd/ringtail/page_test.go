package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/browsertest"
	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

var (
	pictures    = flag.String("page.pictures", "", "TestPage: the directory to write pictures of the page to")
	pictureLoad = flag.Duration("page.load", 0, "TestPage: how long to have load before a picture, so that there is a history")
)

// pictureBytes is how large a picture of the documents may be.
const pictureBytes = 150_000

// hostileRecord is what somebody may send who would like to run a script in the page.
const hostileRecord = `{"no<img src=x onerror=document.title='run'>`

// manyNumbers are records of all digits, few of which are rejected.
func manyNumbers(i int) string {
	var b strings.Builder
	for range 10 + rand.IntN(10) { //nolint:gosec // load
		b.WriteString(`{"number":` + strconv.Itoa(rand.IntN(1000)) + `,"text":"` + strings.Repeat("x", 150) + "\"}\n") //nolint:gosec // load
	}
	switch {
	case i%50 == 20:
		b.WriteString(`{"nummer":` + strconv.Itoa(i) + "}\n")
	case i%200 == 100:
		b.WriteString(hostileRecord + "\n")
	}
	return b.String()
}

// metricSum is the sum of a metric's series, of those whose labels contain a text.
func (s *server) metricSum(t *testing.T, name, label string) (sum float64) {
	t.Helper()
	_, text := newAsker(t, "").get(s.admin + "/metrics")
	for line := range strings.SplitSeq(text, "\n") {
		series, value, _ := strings.Cut(line, " ")
		if metric, labels, _ := strings.Cut(series, "{"); metric != name || !strings.Contains(labels, label) {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += v
	}
	return sum
}

// withCommas is a count as the page writes it.
func withCommas(v float64) string {
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// TestPage: a browser looks at a real server under load, while a broker dies and comes back, and while
// there is no server.
func TestPage(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3, Properties: map[string]string{
		"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500",
	}})
	var replicas [][]int32
	for i := range int32(10) {
		replicas = append(replicas, []int32{1 + i%2, 2 - i%2})
	}
	replicas[3] = []int32{3, 1} // without broker 3 there are too few
	cluster.CreateTopicAcross("records", 2, replicas)
	cluster.CreateTopic("letters", 1, 3, nil)
	s := serve(t, "--brokers", cluster.Bootstrap(), "--topic", "records", "--dead-letter-topic", "letters", "--ring-bytes", "16MiB")
	var stops []func()
	for range 20 {
		stops = append(stops, feed(t, s.listen[0], 20*time.Millisecond, manyNumbers))
	}
	b := browsertest.Open(t)
	b.Look(1280, 900, false)
	b.Go(s.admin + "/")
	b.Until("all is well", `document.title.startsWith("OK")`)
	const received = `Number(document.querySelector("#figures .total").textContent.replace(/\D/g, ""))`
	first := b.Eval(received).(float64)
	b.Until("figures move", fmt.Sprintf("%s > %v", received, first+1000))
	b.Until("there is load on all", `[...document.querySelectorAll("#rings tbody tr")].slice(0, 10).every(r => r.cells[2].textContent !== "0 /s")`)
	b.Until("who sends is there", `document.querySelectorAll("#top tbody tr").length === 20`)
	takePicture(t, b, "page-light", false)
	takePicture(t, b, "page-dark", true)
	b.Look(390, 844, false)
	takePicture(t, b, "page-phone", false)
	for _, dark := range []bool{false, true} {
		b.Look(320, 800, dark)
		if found := b.Inaccessible(); len(found) > 0 || b.Sideways() > 0 {
			t.Errorf("dark %v, %v too wide at 320 pixels:\n%s", dark, b.Sideways(), strings.Join(found, "\n"))
		}
	}
	b.Look(1280, 900, false)

	cluster.Kill(3)
	b.Until("the verdict is in the title", `document.title.startsWith("STUCK: partition 3 ")`)
	b.Until("a stuck shard is the first", `document.querySelector("#rings td").textContent === "3 stuck"`)
	b.Until("its error is there", `document.querySelector("#rings tbody tr").cells[8].textContent.includes("NOT_ENOUGH_REPLICAS")`)
	b.Until("the broker is down", `[...document.querySelectorAll("#brokers tr")].some(r => r.textContent.includes("broker 3") && r.textContent.includes("✕ down"))`)
	b.Until("replicas are missing", `document.querySelector("#topics tbody tr").cells[4].textContent === "3"`)
	takePicture(t, b, "page-stuck", false)
	cluster.Restart(3)
	b.Until("all is well again", `document.title.startsWith("OK")`)
	for _, stop := range stops {
		stop()
	}
	likeMetrics(t, s, b)
	showsRejects(t, b)
	if c := b.Complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}

	if code := s.terminate(); code != exitDone {
		t.Errorf("exit %d: %s", code, s.drained())
	}
	b.Until("the server is gone", `document.title.startsWith("GONE: last heard ")`)
	serve(t, "--sink", "discard", "--admin", strings.TrimPrefix(s.admin, "http://"))
	b.Until("there is one again", `!document.title.startsWith("GONE") && document.getElementById("target").textContent === "No Kafka: --sink discard."`)
}

// likeMetrics waits until nothing is under way, and compares the page with /metrics.
func likeMetrics(t *testing.T, s *server, b *browsertest.Tab) {
	t.Helper()
	until(t, "all is in Kafka", func() bool {
		return s.metricSum(t, "ringtail_records_received_total", "") == s.metricSum(t, "ringtail_records_delivered_total", "") &&
			s.metricSum(t, "ringtail_records_rejected_total", "") == s.metricSum(t, "ringtail_records_dead_lettered_total", "")
	})
	routed, rejected := s.metricSum(t, "ringtail_records_received_total", ""), s.metricSum(t, "ringtail_records_rejected_total", "")
	totals := fmt.Sprintf("%s so far|%s so far|%s so far", withCommas(routed+rejected), withCommas(routed), withCommas(rejected))
	b.Until("the totals are those of /metrics: "+totals,
		`[0, 1, 4].map(i => document.querySelectorAll("#figures .total")[i].textContent).join("|") === `+strconv.Quote(totals))
	for what, want := range map[string]string{
		`document.getElementById("rejects").innerText`: "bad_json\t" + withCommas(s.metricSum(t, "ringtail_records_rejected_total", `reason="bad_json"`)) + "\t",
		`document.getElementById("crowd").textContent`: "Opened " + withCommas(s.metricSum(t, "ringtail_connections_opened_total", "")) + ";",
		`document.getElementById("target").innerText`:  "dead letters " + withCommas(s.metricSum(t, "ringtail_records_dead_lettered_total", "")) + ",",
	} {
		b.Until(want, what+`.includes(`+strconv.Quote(want)+`)`)
	}
	b.Until("rings are empty", `[...document.querySelectorAll("#rings tbody tr")].every(r => r.cells[3].textContent === "0" && r.cells[4].textContent.startsWith("0 %, 0 B"))`)
}

// showsRejects runs the command that the page has for the letters of a reason, and looks for the sample.
func showsRejects(t *testing.T, b *browsertest.Tab) {
	t.Helper()
	if sample := b.Eval(`[...document.querySelectorAll("#rejects tbody tr")].find(r => r.cells[0].textContent === "bad_json").cells[6].textContent`); !strings.Contains(fmt.Sprint(sample), "<img src=x onerror=") {
		t.Errorf("the sample is %q", sample)
	}
	b.Eval(`[...document.querySelectorAll("#rejects tbody tr")].find(r => r.cells[0].textContent === "bad_json").querySelector("button").click()`)
	command, filter, _ := strings.Cut(fmt.Sprint(b.Eval(`navigator.clipboard.readText()`)), " | ")
	if filter != `grep '"reason":"bad_json"'` {
		t.Errorf("the command has the filter %q", filter)
	}
	shown := must(t, strings.Fields(strings.TrimPrefix(command, "ringtail "))...)
	if !strings.Contains(shown, `"reason":"bad_json"`) || !strings.Contains(shown, "onerror=document.title") {
		t.Errorf("%s does not show the letters: %.300s", command, shown)
	}
}

// takePicture writes what the window shows to the directory that was asked for.
func takePicture(t *testing.T, b *browsertest.Tab, name string, dark bool) {
	t.Helper()
	dir := *pictures
	if dir == "" {
		dir = t.ArtifactDir()
	}
	if dark {
		b.Look(1280, 900, true)
	}
	time.Sleep(*pictureLoad)
	file := filepath.Join(dir, name+".webp")
	b.Picture(file, false)
	if info, err := os.Stat(file); err != nil || info.Size() > pictureBytes {
		t.Errorf("%s: %v, or over %d bytes", file, err, pictureBytes)
	}
}

// TestPageForFew: a browser that has logged in reads the page over TLS, stream and all.
func TestPageForFew(t *testing.T) {
	cert, key := certtest.NewCA(t).Files(t, certtest.Leaf{Name: "gate"})
	token := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(token, []byte("s3cret-of-the-page\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--sink", "discard", "--admin-token-file", token, "--admin-tls-cert", cert, "--admin-tls-key", key)
	b := browsertest.Open(t)
	b.Go(strings.Replace(s.admin, "https://", "https://anybody:s3cret-of-the-page@", 1) + "/status") // as who types it into the browser's question
	b.Go(s.admin + "/")
	b.Until("the verdict is there", `document.getElementById("bar").className === "ok"`)
	b.Until("connections are asked for", `document.getElementById("top-none").textContent === "No connection is open."`)
	stop := feed(t, s.listen[0], 10*time.Millisecond, numbers)
	b.Until("figures move", `document.querySelectorAll("#top tbody tr").length === 1 && /^[1-9]/.test(document.querySelector("#figures .total").textContent)`)
	stop()
	if c := b.Complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}
