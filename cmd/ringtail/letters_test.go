package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// replays: letters of a server with a wrong --field, replayed by one that is killed in the middle,
// again and again, and by two at once. A read_committed reader finds each once, in its partition.
func (k *cluster3) replays(t *testing.T) {
	const good, bad, cut = 15_000, 300, 7
	k.CreateTopic("letters", 3, 2, nil)
	k.CreateTopic("replayed", 10, 2, nil)
	client := k.Client(t)
	var batch []*kgo.Record
	for n := range good {
		batch = append(batch, &kgo.Record{Topic: "letters", Value: fmt.Appendf(nil, `{"meta":{"number":%d},"user":"u%d"}`, n, n)})
		if n%(good/bad) == 0 { // those that stay are between the others, for the list of what is left
			batch = append(batch, &kgo.Record{Topic: "letters", Value: []byte("no json")})
		}
	}
	for range cut {
		batch = append(batch, &kgo.Record{Topic: "letters", Value: []byte(`{"meta":{"number":1}}`), Headers: []kgo.RecordHeader{{Key: "truncated", Value: []byte("4096")}}})
	}
	if err := client.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	verb := k.args("letters", "replay", "--from", "letters", "--to", "replayed")
	left := fmt.Sprintf("bad_json %d, cut_short %d", bad, cut)
	refusesAll := func() { // before the fix nothing passes
		code, _, errs := ringtail(t, verb...)
		if want := fmt.Sprintf("%d letters did not pass and stayed in letters: %s, missing_field %d\n", good+bad+cut, left, good); code != exitFailed || !strings.HasSuffix(errs, want) {
			t.Errorf("exit %d, %q, want %q", code, errs, want)
		}
	}
	refusesAll()
	verb = append(verb, "--field", "meta.number", "--key-field", "user")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for kills, seen := 0, int64(0); kills < 4 && seen < good; kills++ {
		w := worker(t, nil, verb...)
		until(t, "records come", func() bool { n := k.Ends("replayed"); return n > seen })
		time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
		_ = w.Process.Kill()
		_ = w.Wait()
		seen = k.Ends("replayed")
	}
	// The second of two ends the first one; who is left sees it through.
	first := start(t, "", verb...)
	second := start(t, "", verb...)
	for _, c := range []*command{first, second} {
		if code := c.wait(); code != exitFailed {
			t.Errorf("exit %d: %s", code, c.err.String())
		}
	}
	for range 2 {
		if code, _, errs := ringtail(t, verb...); code != exitFailed || !strings.HasSuffix(errs, fmt.Sprintf("%d letters did not pass and stayed in letters: %s\n", bad+cut, left)) {
			t.Errorf("exit %d, %q", code, errs)
		}
	}
	var numbers []int
	for _, r := range records(t, k.all(t, "replayed", "--format", "json")) {
		var v struct{ Meta struct{ Number int } }
		if err := json.Unmarshal([]byte(*r.Value), &v); err != nil || v.Meta.Number%10 != r.Partition || *r.Key != "u"+strconv.Itoa(v.Meta.Number) || len(r.Headers) > 0 {
			t.Fatalf("a record is %+v, %s", r, *r.Value)
		}
		numbers = append(numbers, v.Meta.Number)
	}
	slices.Sort(numbers)
	if once := slices.Compact(slices.Clone(numbers)); len(numbers) != good || len(once) != good {
		t.Errorf("%d records, %d different ones, want %d", len(numbers), len(once), good)
	}
	if n := k.Ends("letters"); n != good+bad+cut {
		t.Errorf("%d letters are in their topic, want %d", n, good+bad+cut)
	}
}
