//go:build amd64 || arm64

package codec

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/bytedance/sonic"
	"github.com/bytedance/sonic/ast"
	"github.com/tidwall/gjson"
)

// TestSonicIsSonic fails where sonic has silently become encoding/json: for a
// version of Go it does not know.
func TestSonicIsSonic(t *testing.T) {
	if sonic.APIKind != sonic.UseSonicJSON {
		t.Fatalf("sonic is %v: it does not know this version of Go", sonic.APIKind)
	}
}

// BenchmarkVerdict compares verdict and digit of a record already framed with
// what others need for a part of it.
func BenchmarkVerdict(b *testing.B) {
	var rec Record
	r := testRouter(b, Options{})
	for _, how := range []struct {
		name string
		do   func(data []byte)
	}{
		{"ringtail", func(data []byte) { r.Judge(&rec, data) }},
		{"ringtail-slow", func(data []byte) { r.judgeSlowly(&rec, data) }},
		{"sonic-valid-utf8-get", func(data []byte) {
			if node, err := sonic.GetWithOptions(data, ast.SearchOptions{}, "number"); err != nil || !sonic.Valid(data) || !utf8.Valid(data) || !node.Exists() {
				b.Fatal("invalid")
			}
		}},
		{"gjson-valid-get", func(data []byte) {
			if !gjson.ValidBytes(data) || !gjson.GetBytes(data, "number").Exists() {
				b.Fatal("invalid")
			}
		}},
		{"encoding-json-valid", func(data []byte) {
			if !json.Valid(data) {
				b.Fatal("invalid")
			}
		}},
		{"encoding-json-unmarshal", func(data []byte) {
			var v struct {
				Number json.RawMessage `json:"number"`
			}
			if json.Unmarshal(data, &v) != nil {
				b.Fatal("invalid")
			}
		}},
	} {
		for _, s := range shapes {
			b.Run(how.name+"/"+s.name, func(b *testing.B) {
				records, average := benchData(s)
				b.ReportAllocs()
				stop := meter(b, len(records), average)
				for b.Loop() {
					for _, data := range records {
						how.do(data)
					}
				}
				stop()
			})
		}
	}
}
