package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Count is a whole number, at least 0: 500, 10k, 1M, 1e6. Its thousands are thousands, whereas those
// of a Size are 1,024: nobody counts records in powers of two.
type Count int64

// UnmarshalText reads a count.
func (c *Count) UnmarshalText(text []byte) error {
	v, err := number(string(text))
	if err != nil || v != math.Trunc(v) || v > 1<<53 {
		return fmt.Errorf("%q is not a count; write it like 500, 10k, 1M or 1e6", text)
	}
	*c = Count(v)
	return nil
}

// String is the number.
func (c Count) String() string { return strconv.FormatInt(int64(c), 10) }

// PerSecond is a number of something a second, at least 0, also with a fraction: 0.5, 500, 10k, 1e6.
type PerSecond float64

// UnmarshalText reads it.
func (r *PerSecond) UnmarshalText(text []byte) error {
	v, err := number(strings.TrimSuffix(string(text), "/s"))
	if err != nil {
		return fmt.Errorf("%q is not a number a second; write it like 0.5, 500, 10k or 1e6", text)
	}
	*r = PerSecond(v)
	return nil
}

// String is the number.
func (r PerSecond) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) }

// thousands are the units of what is counted, in any case of letters.
var thousands = []struct {
	name   string
	factor float64
}{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}}

// number reads digits with a unit, or an exponent.
func number(text string) (float64, error) {
	factor := 1.0
	for _, t := range thousands {
		if rest, ok := cutUnit(text, t.name); ok {
			text, factor = rest, t.factor
			break
		}
	}
	if strings.Trim(text, "0123456789.eE+") != "" { // no signs, no hexadecimal digits, no Inf
		return 0, strconv.ErrSyntax
	}
	v, err := strconv.ParseFloat(text, 64)
	return v * factor, err
}
