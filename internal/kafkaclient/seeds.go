package kafkaclient

import "strings"

// Seeds are --brokers one by one, host:port each: librdkafka takes spaces between them,
// and a protocol before each; franz-go does not.
func Seeds(brokers string) []string {
	var list []string
	for b := range strings.SplitSeq(brokers, ",") {
		b = strings.TrimSpace(b)
		if _, address, ok := strings.Cut(b, "://"); ok {
			b = address
		}
		if b != "" {
			list = append(list, b)
		}
	}
	return list
}
