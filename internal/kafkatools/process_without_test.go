package kafkatools

import (
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestWithout: of the partitions that stay, what has been read stays too: nobody will read it again.
func TestWithout(t *testing.T) {
	of := func(partition int32) kafka.TopicPartition { return kafka.TopicPartition{Partition: partition} }
	var batch []*kafka.Message
	for _, p := range []int32{0, 1, 2, 1, 0} {
		batch = append(batch, &kafka.Message{TopicPartition: of(p)})
	}
	batch = without(batch, []kafka.TopicPartition{of(1), of(3)})
	if len(batch) != 3 || batch[0].TopicPartition.Partition != 0 || batch[1].TopicPartition.Partition != 2 || batch[2].TopicPartition.Partition != 0 {
		t.Errorf("%v", batch)
	}
	if batch = without(batch, []kafka.TopicPartition{of(0), of(1), of(2)}); len(batch) != 0 {
		t.Errorf("%v", batch)
	}
}

// TestSuspectsAreBounded: those that are sent alone take a round trip each, and a transaction has ten seconds.
func TestSuspectsAreBounded(t *testing.T) {
	expr, err := newTransform("n")
	if err != nil {
		t.Fatal(err)
	}
	p := &processing{transform: expr, suspects: map[position]bool{}, o: ProcessOptions{From: "in", To: "out"}, watched: &watched{}}
	for i := range 2 * suspectsMax {
		m := &kafka.Message{TopicPartition: kafka.TopicPartition{Offset: kafka.Offset(i)}, Value: []byte(`{"n":1}`)}
		p.batch = append(p.batch, m)
		p.suspects[positionOf(m)] = i > 0
	}
	if w := p.compute(); w.n != suspectsMax+1 || w.stop != nil {
		t.Errorf("%d records in a transaction, %v; want %d that are sent alone, and the one before them", w.n, w.stop, suspectsMax)
	}
}
