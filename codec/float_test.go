package codec

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// borders are doubles beside which something changes: what int() makes of them, how
// far they are from the next, whether there is a next.
var borders = []float64{
	0, math.SmallestNonzeroFloat64, 0x1p-1022, 0.09999999999999999, 0.1, 0.5, 0x1.fffffffffffffp-1, 1, 2, 3, 7, 1<<20 - 1, 1e15, 1e16,
	1<<51 - 0.5, 1 << 51, 1<<52 - 1, 1<<52 - 0.5, 1 << 52, 1<<52 + 1, 1<<53 - 2, 1<<53 - 1, 1 << 53, 1<<53 + 2, 1 << 54, 1 << 62, 1 << 63, 1 << 64,
	1e17, 1e19, 1e22, 1e23, 1e100, 1e300, 1e308, 0x1p1023, math.MaxFloat64,
}

// borderNumbers are literals of doubles, of the middles between two, and of what is
// just beside these, in all the ways in which they can be written.
func borderNumbers(rng *rand.Rand, n int) (literals []string) {
	for i := range n {
		f := math.Float64frombits(uint64(1021+rng.IntN(1026))<<52 + rng.Uint64N(1<<52)) // from 1/4 to the largest
		if i%2 == 0 {
			f = borders[i/2%len(borders)]
		}
		low := new(big.Float).SetPrec(2200).SetFloat64(f)
		middle := new(big.Float).SetMantExp(big.NewFloat(1), 1024).SetPrec(2200) // which is what comes behind the largest
		if next := math.Nextafter(f, math.Inf(1)); !math.IsInf(next, 1) {
			middle.SetFloat64(next)
		}
		middle.Add(middle, low).Mul(middle, big.NewFloat(0.5))
		for _, exact := range []*big.Float{low, middle} {
			text, power, _ := strings.Cut(exact.Text('e', 1100), "e")
			exponent, _ := strconv.Atoi(power)
			digits := strings.TrimRight(strings.Replace(text, ".", "", 1), "0")
			if digits == "" {
				digits = "0"
			}
			last := digits[len(digits)-1]
			k := rng.IntN(1 + rng.IntN(900))
			for _, digits := range []string{
				digits,
				digits + strings.Repeat("0", k),
				digits + strings.Repeat("0", k) + "1",
				digits[:len(digits)-1] + string(max(last-1, '0')) + strings.Repeat("9", k),
				digits[:min(len(digits), 1+rng.IntN(40))],
			} {
				literals = append(literals, written(rng, digits, exponent))
			}
		}
	}
	return literals
}

// written puts a point and an exponent, that fits it, somewhere into digits of which
// the first counts 10^exponent.
func written(rng *rand.Rand, digits string, exponent int) string {
	digits = strings.Repeat("0", rng.IntN(3)) + digits
	exponent += len(digits) - len(strings.TrimLeft(digits, "0"))
	point := 1 + rng.IntN(len(digits)+2)
	if rng.IntN(3) == 0 && exponent >= 0 && exponent < 400 { // without an exponent
		point = exponent + 1
	}
	digits += strings.Repeat("0", max(0, point-len(digits)))
	whole, fraction := strings.TrimLeft(digits[:point], "0"), digits[point:]
	if whole == "" {
		whole = "0"
	}
	s := []string{"", "", "-"}[rng.IntN(3)] + whole
	if fraction != "" {
		s += "." + fraction
	}
	if exponent -= point - 1; exponent == 0 && fraction != "" {
		return s
	}
	sign := "-"
	if exponent >= 0 {
		sign = []string{"", "+"}[rng.IntN(2)]
	}
	return fmt.Sprintf("%s%c%s%s%d", s, "eE"[rng.IntN(2)], sign, strings.Repeat("0", rng.IntN(2)*rng.IntN(30)), max(exponent, -exponent))
}

// TestBorderNumbersAgainstCPython compares what is written at the borders between
// doubles, and beside them, with CPython.
func TestBorderNumbersAgainstCPython(t *testing.T) {
	o := startOracle(t)
	rng, inputs := seeded(t, 10_000)
	var data []string
	for _, literal := range borderNumbers(rng, max(inputs/10, 2*len(borders))) {
		data = append(data, `{"number":`+literal+`}`)
	}
	reasons := map[string]int{}
	answers := make([]answer, len(data))
	o.ask('v', 1, data, func(i int) any { return &answers[i] })
	for i, a := range answers {
		checkVerdict(t, data[i], a)
		reasons[a.Reason]++
	}
	if t.Log(reasons); reasons["ok"] < len(data)*9/10 || reasons["bad_number"] == 0 || len(reasons) != 2 {
		t.Errorf("%d numbers: %v", len(data), reasons)
	}
}
