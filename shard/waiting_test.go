package shard

import "testing"

// TestWaiting: the consumer learns when the next batch came before it takes it.
func TestWaiting(t *testing.T) {
	r, err := New(Options{Name: "0", Bytes: bytesMin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Release() })
	if taken, ok := r.Waiting(); ok {
		t.Errorf("%d, and the ring is empty", taken)
	}
	for lap := range int64(10) { // twice around
		c, err := r.Claim(1, bytesMin/4)
		if err != nil {
			t.Fatal(err)
		}
		c.SetTaken(100 + lap)
		c.Append(make([]byte, bytesMin/4), nil, 1)
		if taken, ok := r.Waiting(); ok {
			t.Errorf("%d, and the batch is not published", taken)
		}
		c.Publish()
		if taken, ok := r.Waiting(); !ok || taken != 100+lap {
			t.Errorf("%d %v, want %d", taken, ok, 100+lap)
		}
		b, _ := r.Next()
		r.Free(b.End)
	}
}

// TestValueBytes: the bytes of values alone, whatever else a batch has.
func TestValueBytes(t *testing.T) {
	r, err := New(Options{Name: "0", Bytes: bytesMin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Release() })
	headers := AppendHeader(nil, "name", []byte("value"))
	for _, metas := range []bool{false, true} {
		for _, h := range [][]byte{nil, headers} {
			c, err := r.Claim(3, 3*10+5+3*len(h))
			if err != nil {
				t.Fatal(err)
			}
			c.SetHeaders(h)
			for i, meta := range [][]byte{nil, {}, []byte("abcde")} {
				if value := make([]byte, 10); metas {
					c.Append(value, meta, uint32(i))
				} else {
					c.Append(append(value, meta...), nil, uint32(i))
				}
			}
			c.Publish()
			b, _ := r.Next()
			want := 35
			if metas {
				want = 30
			}
			if got := b.ValueBytes(); got != want {
				t.Errorf("metas %v, headers %v: %d, want %d", metas, h != nil, got, want)
			}
			r.Free(b.End)
		}
	}
}
