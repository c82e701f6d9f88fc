package server

import (
	"strconv"
	"time"

	"github.com/ringtail/ringtail/shard"
)

// Header is one --header: a Kafka header that tells of each record where it came from.
type Header struct {
	Name string
	Tell Tell
}

// Tell is what a Header tells.
type Tell uint8

// The values of --header, behind the header's name.
const (
	TellAddress Tell = iota // address: the client's, IP:port, or unix
	TellTime                // time: when the record was taken, in milliseconds since 1970
	TellName                // name: the client's; without one there is no such header
)

// setHeaders encodes the headers of the records that c sends from here on. Whoever changes c.name
// in the middle of a chunk calls it again, with nothing in the lanes.
//
// They are the same for all records of a read, so they are encoded once, and stand once in each
// batch. The time is that at which the intake looks at the records. Those that had to wait for room
// are taken when they find it.
func (in *intake) setHeaders(c *conn) {
	n := 0
	for _, h := range in.env.headers {
		if h.Tell != TellName || c.name != "" {
			n++
		}
	}
	in.headers = in.headers[:0]
	if n == 0 {
		return
	}
	b := shard.AppendHeaderCount(in.headers, n)
	for _, h := range in.env.headers {
		switch in.value = in.value[:0]; {
		case h.Tell == TellTime:
			in.value = strconv.AppendInt(in.value, time.Now().UnixMilli(), 10)
		case h.Tell == TellName && c.name == "":
			continue
		case h.Tell == TellName:
			in.value = append(in.value, c.name...)
		default:
			in.value = c.appendRemote(in.value)
		}
		b = shard.AppendHeader(b, h.Name, in.value)
	}
	in.headers = b
}
