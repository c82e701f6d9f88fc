package kafkatools

import (
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/producer/librdkafka"
)

// noOffset is the position where nothing has been committed.
const noOffset = int64(kafka.OffsetInvalid)

// join takes the partitions: those that the group will give us; without a group, all
// or one.
func (r *consumption) join(partitions []librdkafka.Partition) error {
	if r.o.Group != "" {
		return r.reader.Subscribe()
	}
	return r.begin(nowhere(partitions), r.reader.Assign)
}

// nowhere are partitions of which nothing has been committed.
func nowhere(partitions []librdkafka.Partition) []librdkafka.Position {
	at := make([]librdkafka.Position, len(partitions))
	for i, p := range partitions {
		at[i] = librdkafka.Position{Partition: p, Offset: noOffset}
	}
	return at
}

// begin begins to read partitions at these positions; where there is none, --from says
// where.
func (r *consumption) begin(at []librdkafka.Position, assign func([]librdkafka.Position) error) error {
	r.assigned = true
	var wanted []librdkafka.Partition
	for _, a := range at {
		if a.Offset < 0 {
			wanted = append(wanted, a.Partition)
		}
	}
	// As numbers they can be committed before anything is read: then the group goes on
	// from there, whatever happens. Where brokers do not tell, librdkafka will find out.
	begin := map[librdkafka.Partition]int64{}
	if first, next, err := r.reader.Range(wanted, rangeMS); err == nil {
		young, err := r.young(wanted)
		if err != nil {
			return err
		}
		for i, p := range wanted {
			begin[p] = r.startIn(p, first[i].Offset, next[i].Offset, young[p])
		}
	}
	for i := range at {
		if n, ok := begin[at[i].Partition]; ok {
			at[i].Offset = n
		}
	}
	r.standing.take(at)
	for i := range at {
		if at[i].Offset < 0 {
			at[i].Offset = r.from(at[i].Partition).logical()
		}
	}
	return assign(at)
}

// young asks for the offsets that --from has in partitions, if it is a time.
func (r *consumption) young(partitions []librdkafka.Partition) (map[librdkafka.Partition]int64, error) {
	young := map[librdkafka.Partition]int64{}
	if r.start.since.IsZero() {
		return young, nil
	}
	at, err := r.reader.Since(partitions, r.start.since, rangeMS)
	if err != nil {
		return nil, fmt.Errorf("topic %s: the offsets at --from %s are not known: %w", r.names(), r.o.From, err)
	}
	for _, a := range at {
		young[a.Partition] = a.Offset
	}
	return young, nil
}

// from is --from for a partition. All of what is in one that was added since the run
// began came since then, and is read.
func (r *consumption) from(partition librdkafka.Partition) moment {
	if partition.ID >= r.known[partition.Topic] {
		return moment{offset: int64(kafka.OffsetBeginning)}
	}
	return r.start
}

// startIn is where --from begins in a partition that has these offsets. An offset that
// the partition does not have is said.
func (r *consumption) startIn(partition librdkafka.Partition, first, next, young int64) int64 {
	from := r.from(partition)
	start := from.in(first, next, young)
	switch {
	case !from.isOffset():
	case from.offset > start:
		r.progress.aloud("%s:%d: --from %d is behind the partition's end; reading begins there, at %d", r.o.Topics[partition.Topic], partition.ID, from.offset, start)
	case from.offset < start:
		r.progress.aloud("%s", r.crossed(partition, from.offset, start, first))
	}
	return start
}

// added begins to read partitions that were added, now and then. In a group it is the
// group that deals them out; --until-end reads what was there when the run began.
func (r *consumption) added() error {
	if r.o.Group != "" || r.o.Partition >= 0 || r.o.UntilEnd || time.Since(r.looked) < partitionsEvery {
		return nil
	}
	r.looked = time.Now()
	for topic := range r.o.Topics {
		if err := r.addedTo(int32(topic)); err != nil {
			return err
		}
	}
	return nil
}

func (r *consumption) addedTo(topic int32) error {
	// While no broker answers there is nothing to read either, so waiting a second holds up nothing.
	name := r.o.Topics[topic]
	md, err := r.admin.GetMetadata(&name, false, int(time.Second/time.Millisecond))
	if err != nil {
		return nil //nolint:nilerr // that brokers do not answer is said by the reader
	}
	var fresh []librdkafka.Partition
	var numbers []int32
	for _, p := range md.Topics[name].Partitions {
		if p.ID >= r.known[topic] {
			fresh, numbers = append(fresh, librdkafka.Partition{Topic: topic, ID: p.ID}), append(numbers, p.ID)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	r.progress.aloud("topic %s has partitions that are new, %v; they are read from their beginning", name, numbers)
	if err := r.begin(nowhere(fresh), r.reader.Add); err != nil {
		return err
	}
	r.known[topic] += int32(len(fresh))
	return nil
}
