package bench

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"
)

func TestRecordsAreWholeAndDiffer(t *testing.T) {
	for _, size := range []int{MinSize, 220, 1000, 10_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			pool := NewPool(7, size, -1)
			orders, digits, total := map[string]bool{}, [10]int{}, 0
			strings, integers := 0, 0
			const n = 3000
			for seq := uint64(1); seq <= n; seq++ {
				record := pool.Append(nil, 3, seq)
				total += len(record)
				order, number := inspect(t, record)
				orders[order] = true
				switch number[0] {
				case '"':
					strings++
				default:
					integers++
				}
				digit := pool.Shard(3, seq, 10)
				digits[digit]++
				if last := number[len(number)-1-boolInt(number[0] == '"')]; int(last-'0') != digit {
					t.Fatalf("number %s has shard %d", number, digit)
				}
				if conn, s, ok := pool.Identify(record); !ok || conn != 3 || s != seq {
					t.Fatalf("identified as %d, %d, %v", conn, s, ok)
				}
			}
			if mean := total / n; mean < size*9/10 || mean > size*11/10 {
				t.Errorf("mean size %d, want about %d", mean, size)
			}
			if len(orders) < 50 || strings < n/3 || integers < n/3 {
				t.Errorf("%d orders of fields, %d strings, %d integers", len(orders), strings, integers)
			}
			for digit, count := range digits {
				if count < n/20 {
					t.Errorf("digit %d came %d times of %d", digit, count, n)
				}
			}
		})
	}
}

// inspect checks a record without this package's code: JSON and checksum.
func inspect(t *testing.T, record []byte) (order, number string) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(record, &fields); err != nil {
		t.Fatalf("%v: %s", err, record)
	}
	var sum string
	if err := json.Unmarshal(fields["sum"], &sum); err != nil {
		t.Fatal(err)
	}
	zeroed, filled := string(record), map[string]string{}
	for _, name := range []string{"conn", "seq"} {
		text := strings.Trim(string(fields[name]), `"`)
		filled[name] = text
		zeroed = strings.Replace(zeroed, `"`+name+`":"`+text, `"`+name+`":"`+strings.Repeat("0", len(text)), 1)
	}
	zeroed = strings.Replace(zeroed, `"sum":"`+sum, `"sum":"00000000`, 1)
	conn, err := strconv.Atoi(filled["conn"])
	if err != nil {
		t.Fatal(err)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(crc32.Checksum([]byte(zeroed), table)^uint32(conn), table, []byte(filled["seq"]))
	if want := fmt.Sprintf("%08x", crc); sum != want {
		t.Fatalf("sum %s, want %s", sum, want)
	}
	decoder := json.NewDecoder(strings.NewReader(string(record)))
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		if text, ok := token.(string); ok && depth == 1 {
			if _, isField := fields[text]; isField {
				order += text + " "
			}
		}
		if delim, ok := token.(json.Delim); ok {
			depth += map[json.Delim]int{'{': 1, '[': 1, '}': -1, ']': -1}[delim]
		}
	}
	return order, string(fields["number"])
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestOneDigit(t *testing.T) {
	pool := NewPool(7, 220, 4)
	for seq := uint64(1); seq <= 1000; seq++ {
		if got := pool.Shard(0, seq, 10); got != 4 {
			t.Fatalf("record %d has digit %d", seq, got)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	pool := NewPool(7, 220, -1)
	buffer, seq := make([]byte, 0, 4096), uint64(0)
	if n := testing.AllocsPerRun(1000, func() { seq++; buffer = pool.Append(buffer[:0], 1, seq) }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 220, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			pool := NewPool(7, size, -1)
			buffer, seq := make([]byte, 0, writeBytes+MaxSize/1000), uint64(0)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if len(buffer) >= writeBytes {
					buffer = buffer[:0]
				}
				seq++
				buffer = pool.Append(buffer, 1, seq)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	pool := NewPool(7, 220, -1)
	checker := NewChecker(pool, 10, nil)
	record, seq := []byte(nil), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		record = pool.Append(record[:0], 1, seq)
		checker.Add(pool.Shard(1, seq, 10), record)
	}
}
