//go:build !cgo

package producer

import (
	"errors"

	"github.com/ringtail/ringtail/producer/backend"
)

// HasLibrdkafka tells whether this build can write by librdkafka.
const HasLibrdkafka = false

// LibrdkafkaVersion says that there is none.
func LibrdkafkaVersion() string { return "none (built without C)" }

var librdkafkaTraits backend.Traits

// errNone is returned where only librdkafka could do it; chooseWriter has refused that before.
var errNone = errors.New("this build has no librdkafka")

func openLibrdkafka(map[string]string, string, []uint64, *backend.Insight) (backend.Client, error) {
	return nil, errNone
}

func newLibrdkafkaAsker(*Options) (asker, error) { return nil, errNone }
