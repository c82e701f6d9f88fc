package native

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// readResponse decodes a produce response of r.Version from what follows the correlation id. kmsg
// could do it, but it believes the number of tags: forty bytes can keep it busy for ten seconds.
func readResponse(r *kmsg.ProduceResponse, body []byte) error {
	p := responseReader{kbin.Reader{Src: body}, r.Version}
	p.tags() // of the header
	r.Topics = make([]kmsg.ProduceResponseTopic, p.count())
	for i := range r.Topics {
		if !p.Ok() {
			break
		}
		p.topic(&r.Topics[i])
	}
	r.ThrottleMillis = p.Int32()
	p.tags()
	return p.Complete()
}

type responseReader struct {
	kbin.Reader
	version int16
}

// tags skips tags.
func (p *responseReader) tags() {
	if !flexible(p.version) {
		return
	}
	for n := p.Uvarint(); n > 0 && p.Ok(); n-- {
		p.Uvarint()
		p.Span(int(p.Uvarint()))
	}
}

func (p *responseReader) count() int32 {
	if flexible(p.version) {
		return max(p.CompactArrayLen(), 0)
	}
	return max(p.ArrayLen(), 0)
}

func (p *responseReader) text() *string {
	if flexible(p.version) {
		return p.CompactNullableString()
	}
	return p.NullableString()
}

func (p *responseReader) topic(t *kmsg.ProduceResponseTopic) {
	if p.version > produceByName {
		t.TopicID = p.Uuid()
	} else if name := p.text(); name != nil {
		t.Topic = *name
	}
	t.Partitions = make([]kmsg.ProduceResponseTopicPartition, p.count())
	for i := range t.Partitions {
		if !p.Ok() {
			break
		}
		p.partition(&t.Partitions[i])
	}
	p.tags()
}

func (p *responseReader) partition(r *kmsg.ProduceResponseTopicPartition) {
	r.Partition, r.ErrorCode = p.Int32(), p.Int16()
	r.BaseOffset, r.LogAppendTime = p.Int64(), p.Int64()
	if p.version >= 5 {
		r.LogStartOffset = p.Int64()
	}
	if p.version >= 8 {
		r.ErrorRecords = make([]kmsg.ProduceResponseTopicPartitionErrorRecord, p.count())
		for i := range r.ErrorRecords {
			e := &r.ErrorRecords[i]
			if e.RelativeOffset, e.ErrorMessage = p.Int32(), p.text(); !p.Ok() {
				break
			}
			p.tags()
		}
		r.ErrorMessage = p.text()
	}
	p.tags()
}
