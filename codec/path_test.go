package codec

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestField: the ways of writing --field.
func TestField(t *testing.T) {
	for field, want := range map[string]string{
		"number": "number", "a.b": "a|b", "a.b.c": "a|b|c", "/a/b": "a|b", "/a.b": "a.b", "/a~1b/c~0d": "a/b|c~d", "/~01": "~1", "ü.é": "ü|é",
		".": "", "a.": "", ".a": "", "a..b": "", "/": "", "//a": "", "/a/": "", "": "",
	} {
		names, err := parseField(field)
		if got := strings.Join(names, "|"); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, want %q: %v", field, got, want, err)
		}
		if _, err := NewRouter(Options{Field: field, Shards: 10, MaxRecordBytes: 1}); (err == nil) != (want != "") {
			t.Errorf("%q: %v", field, err)
		}
	}
}

// TestNestedField: both paths find what encoding/json finds.
func TestNestedField(t *testing.T) {
	const seeds = 20_000
	r := testRouter(t, Options{Field: "a.b.c", KeyField: "k"})
	routers := paths(r)
	found := 0
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 5))
		data := []byte(nestedObject(rng, 4))
		want := Record{Reason: MissingField}
		if value, ok := nestedValue(data, "a", "b", "c"); ok {
			found++
			want.Reason = BadNumber
			if value[0] >= '0' && value[0] <= '9' {
				want.Reason, want.Shard = OK, int(value[len(value)-1]-'0')
			}
		}
		var slow Record
		r.judgeSlowly(&slow, data)
		for _, router := range routers {
			var fast Record
			router.tryLookahead()
			router.Judge(&fast, data)
			for _, got := range []Record{fast, slow} {
				if got.Reason != want.Reason || got.Shard != want.Shard {
					t.Fatalf("seed %d: %s is %s %d, encoding/json says %s %d", seed, data, got.Reason, got.Shard, want.Reason, want.Shard)
				}
			}
		}
	}
	if found < seeds/20 || found > seeds*19/20 {
		t.Errorf("%d of %d have the field", found, seeds)
	}
}

// nestedObject has few names, so that they meet, again and again in one object too.
func nestedObject(rng *rand.Rand, depth int) string {
	members := make([]string, 1+rng.IntN(4))
	for i := range members {
		value := fmt.Sprint(rng.IntN(1000))
		switch n := rng.IntN(10); {
		case n < 5 && depth > 1:
			value = nestedObject(rng, depth-1)
		case n == 5:
			value = `["x",{"c":1}]`
		case n == 6:
			value = `"{\"c\":2} ü"`
		}
		name := []string{"a", "b", "c", `\u0061`, `\u0062`, "k", "ab"}[rng.IntN(7)]
		if rng.IntN(2) == 0 {
			name = []string{"a", "b", "c", "a"}[4-depth]
		}
		space := []string{"", "", " ", "\n\t"}[rng.IntN(4)]
		members[i] = fmt.Sprintf(`%s"%s"%s:%s%s`, space, name, space, space, value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func nestedValue(data []byte, names ...string) (value json.RawMessage, ok bool) {
	value = data
	for _, name := range names {
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil {
			return nil, false
		}
		if value, ok = members[name]; !ok {
			return nil, false
		}
	}
	return value, true
}
