package kafkatools

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/ringtail/ringtail/internal/config"
)

// The kinds of records that --generate makes.
//
//	numbers  {"number":17,"text":"record 17"}                counts up from 0
//	clicks   {"user_id":"user_42","timestamp":…,"page":…}    100 users, RFC 3339 time
//	stream   {"id":17,"value":512}                           id counts up from 0
const clickUsers = 100

var clickPages = []string{"/", "/search", "/product", "/cart", "/checkout", "/help", "/account", "/about"}

// generator appends record number i.
type generator func(dst []byte, i int64) []byte

func newGenerator(kind string) (generator, error) {
	switch kind {
	case "numbers":
		return func(dst []byte, i int64) []byte {
			dst = append(dst, `{"number":`...)
			dst = strconv.AppendInt(dst, i, 10)
			dst = append(dst, `,"text":"record `...)
			dst = strconv.AppendInt(dst, i, 10)
			return append(dst, `"}`...)
		}, nil
	case "clicks":
		return func(dst []byte, _ int64) []byte {
			return fmt.Appendf(dst, `{"user_id":"user_%d","timestamp":"%s","page":"%s"}`, rand.IntN(clickUsers)+1,
				time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), clickPages[rand.IntN(len(clickPages))])
		}, nil
	case "stream":
		return func(dst []byte, i int64) []byte {
			return fmt.Appendf(dst, `{"id":%d,"value":%d}`, i, rand.IntN(1000))
		}, nil
	}
	return nil, config.Usagef("--generate %q is unknown; one of numbers, clicks, stream", kind)
}
