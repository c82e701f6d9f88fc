package wire

import "testing"

func TestAppendToken(t *testing.T) {
	for f, want := range map[Framing]string{
		Newline: "-{\"token\":\"a\\\"b\"}\n", Auto: "-{\"token\":\"a\\\"b\"}\n", JSON: "-{\"token\":\"a\\\"b\"}\n",
		Length: "-\x00\x00\x00\x10{\"token\":\"a\\\"b\"}",
	} {
		if got := string(AppendToken([]byte("-"), f, `a"b`)); got != want {
			t.Errorf("%v: %q, want %q", f, got, want)
		}
	}
}
