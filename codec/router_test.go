package codec

import (
	"strings"
	"testing"
	"unsafe"
)

// TestSizes keeps what every connection costs in view.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Decoder{}); n > 112 {
		t.Errorf("a Decoder is %d bytes", n)
	}
	if n := unsafe.Sizeof(Record{}); n > 72 {
		t.Errorf("a Record is %d bytes", n)
	}
}

func TestNewRouterRefuses(t *testing.T) {
	good := Options{Field: "number", Shards: 10, MaxRecordBytes: 1000}
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Field = "" }, "--field is empty"},
		{func(o *Options) { o.Field = "\xff" }, `--field "\xff" is not UTF-8`},
		{func(o *Options) { o.KeyField = "\xff" }, `--key-field "\xff" is not UTF-8`},
		{func(o *Options) { o.Shards = 0 }, "--shards 0 is not within 1 to 1000000"},
		{func(o *Options) { o.Shards = 1_000_001 }, "--shards 1000001 is not within 1 to 1000000"},
		{func(o *Options) { o.MaxRecordBytes = 0 }, "--max-record-bytes 0 is not at least 1"},
	} {
		o := good
		c.change(&o)
		if _, err := NewRouter(o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", o, err, c.want)
		}
	}
}

// TestLabels holds the names that metrics, clients and dashboards know.
func TestLabels(t *testing.T) {
	var got []string
	for r := OK; int(r) <= NumReasons; r++ {
		got = append(got, r.String())
	}
	for f := Failure(0); int(f) <= NumFailures; f++ {
		got = append(got, f.String())
	}
	const want = "ok too_large truncated bad_utf8 too_deep bad_json not_object missing_field bad_number refused_by_kafka unauthorized reason(11) " +
		" foreign bad_length bad_stream no_token failure(5)"
	if strings.Join(got, " ") != want {
		t.Errorf("%q", got)
	}
}

// TestFieldNames routes by fields of every kind: short and long ones are
// compared in different ways, and some can only be spelt with escapes.
func TestFieldNames(t *testing.T) {
	for _, field := range []string{"n", "id", "number", "numbers", "numbers_", "numbers_1", "a long name of a field", "nümber", "数", "🚀", "a.b", " ", "\x7f",
		`a"`, `a":`, `"`, `\`, "a\nb", "a\x00", "a/b", "\ufffd", "\u2028"} {
		spelt := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\x00", `\u0000`).Replace(field)
		r := testRouter(t, Options{Field: "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(field), KeyField: field})
		for _, c := range []struct {
			record string
			want   Reason
		}{
			{`{"` + spelt + `":"45"}`, OK},
			{`{ "x" : [0] , "` + spelt + `" : "45" , "y" : {"` + spelt + `":2} }`, OK},
			{`{"` + spelt + `":1,"` + spelt + `":"45","x":"abcdefghijk"}`, OK},
			{`{"x` + spelt + `":1}`, MissingField},
			{`{"` + spelt + `x":1}`, MissingField},
			{`{"a":"x","y":1}`, MissingField},
			{`{"x":{"` + spelt + `":1}}`, MissingField},
			{`{"\ud800":1}`, MissingField},
		} {
			var fast, slow Record
			r.Judge(&fast, []byte(c.record))
			r.judgeSlowly(&slow, []byte(c.record))
			if fast.Reason != c.want || slow.Reason != c.want {
				t.Errorf("field %q: %s is %s, slowly %s, want %s", field, c.record, fast.Reason, slow.Reason, c.want)
			}
			if c.want == OK && (fast.Shard != 5 || slow.Shard != 5 || string(fast.Key) != "45" || string(slow.Key) != "45") {
				t.Errorf("field %q: %s goes to %d, slowly %d, keys %q %q", field, c.record, fast.Shard, slow.Shard, fast.Key, slow.Key)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{`"user-7"`, "user-7"},
		{`""`, ""},
		{`"a\"b\\\/\n\u00fc\ud83d\ude80"`, "a\"b\\/\nü🚀"},
		{`"\ud800x"`, "\ufffdx"},
		{`7`, "7"},
		{`-1.50e3`, "-1.50e3"},
		{`true`, "true"},
		{`null`, "null"},
		{`[1, {"a":"\n"}]`, `[1, {"a":"\n"}]`},
		{`{"key":1}`, `{"key":1}`},
	} {
		r := testRouter(t, Options{KeyField: "key"})
		var keys [][]byte
		for _, record := range []string{
			`{"number":1,"key":` + c.value + `}`,
			`{"key" : ` + c.value + ` ,"number":1}`,
			`{"key":0,"number":1,"\u006bey":` + c.value + `}`,
		} {
			var rec Record
			r.Judge(&rec, []byte(record))
			if rec.Reason != OK || rec.Key == nil {
				t.Errorf("%s: %s, key %q", record, rec.Reason, rec.Key)
			}
			keys = append(keys, rec.Key)
		}
		for _, key := range keys { // each stays what it was
			if string(key) != c.want {
				t.Errorf("%s becomes the key %q, want %q", c.value, key, c.want)
			}
		}
	}
	r := testRouter(t, Options{KeyField: "key"})
	rec := Record{Key: []byte("left over")}
	r.Judge(&rec, []byte(`{"number":1}`))
	if rec.Key != nil {
		t.Errorf("a record without the field has the key %q", rec.Key)
	}
}

// TestManyEscapedKeys holds keys of one chunk against each other: they share
// an arena.
func TestManyEscapedKeys(t *testing.T) {
	r := testRouter(t, Options{KeyField: "key"})
	var keys []string
	var got [][]byte
	for i := range 5000 {
		key := strings.Repeat("ü", i%50)
		var rec Record
		r.Judge(&rec, []byte(`{"number":1,"key":"`+strings.ReplaceAll(key, "ü", `\u00fc`)+`"}`))
		keys, got = append(keys, key), append(got, rec.Key)
	}
	for i := range keys {
		if string(got[i]) != keys[i] {
			t.Fatalf("key %d is %q, want %q", i, got[i], keys[i])
		}
	}
}

// TestLimit moves the limit around a record, in and out of the partial record.
func TestLimit(t *testing.T) {
	record := `{"number":1,"a":"` + strings.Repeat("x", 6000) + `"}`
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		stream := between(f, record)
		for limit, want := range map[int]string{
			len(record) - 1: "too_large " + record[:MaxPrefix],
			len(record):     "1 " + record,
			len(record) + 1: "1 " + record,
		} {
			r := testRouter(t, Options{MaxRecordBytes: 1 << 20})
			r.SetMaxRecordBytes(limit)
			for _, cut := range []int{0, 30, 2000, MaxPrefix + 20, len(stream) - 40, len(stream)} {
				got := decode(r, f, stream[:cut], stream[cut:])
				if len(got) != 3 || !strings.HasPrefix(got[1], want) || got[2] != "2 "+after {
					t.Errorf("%v, limit %d, cut at %d: %.300q", f, limit, cut, got)
				}
			}
		}
	}
}

// TestLimitMovesUnderWay changes the limit while a record is unfinished.
func TestLimitMovesUnderWay(t *testing.T) {
	record := `{"number":1,"a":"` + strings.Repeat("x", 6000) + `"}` + "\n"
	for _, c := range []struct {
		first, then int
		want        Reason
	}{{10_000, 1000, TooLarge}, {1000, 10_000, TooLarge}, {5000, 10_000, OK}} {
		r := testRouter(t, Options{MaxRecordBytes: c.first})
		var d Decoder
		var rec Record
		d.Init(Newline)
		d.Feed([]byte(record[:3000]))
		if d.Next(r, &rec) {
			t.Fatal("a record too soon")
		}
		r.SetMaxRecordBytes(c.then)
		d.Feed([]byte(record[3000:]))
		if !d.Next(r, &rec) || rec.Reason != c.want || rec.Size != len(record)-1 {
			t.Errorf("from %d to %d: %s of %d", c.first, c.then, rec.Reason, rec.Size)
		}
		d.Release()
	}
}
