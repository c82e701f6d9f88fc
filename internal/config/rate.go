package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Rate is so many records or bytes a second: 1000/s, 10k/s, 5MB/s. 0 is no limit.
type Rate struct {
	PerSecond int64
	Bytes     bool
}

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	wrong := fmt.Errorf("%q is not a rate; write it like 1000/s (records) or 5MB/s (bytes), 0 for no limit", text)
	if string(text) == "0" {
		*r = Rate{}
		return nil
	}
	typed, ok := strings.CutSuffix(string(text), "/s")
	if !ok || typed == "" {
		return wrong
	}
	if _, bytes := cutUnit(typed, "B"); bytes {
		var size Size
		if size.UnmarshalText([]byte(typed)) != nil || size == 0 || int64(size) > rateMax {
			return wrong
		}
		*r = Rate{int64(size), true}
		return nil
	}
	var n Count
	if n.UnmarshalText([]byte(typed)) != nil || n < 1 || int64(n) > rateMax {
		return wrong
	}
	*r = Rate{PerSecond: int64(n)}
	return nil
}

const rateMax = int64(1e12)

// String is the form that UnmarshalText reads back.
func (r Rate) String() string {
	switch {
	case r == (Rate{}):
		return "0"
	case !r.Bytes:
		return strconv.FormatInt(r.PerSecond, 10) + "/s"
	}
	size := Size(r.PerSecond).String()
	if !strings.HasSuffix(size, "B") {
		size += "B"
	}
	return size + "/s"
}
