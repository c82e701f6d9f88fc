package ceiling

/*
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct {
	int err;
	rd_kafka_topic_t *rkt;
	int32_t partition;
	void *payload;
	size_t len;
	void *key;
	size_t key_len;
	int64_t offset;
	void *_private;
} message;

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
void rd_kafka_conf_set_opaque(rd_kafka_conf_t *, void *);
void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, const message *, void *));
rd_kafka_t *rd_kafka_new(int, rd_kafka_conf_t *, char *, size_t);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, void *);
void rd_kafka_topic_destroy(rd_kafka_topic_t *);
int rd_kafka_poll(rd_kafka_t *, int);
int rd_kafka_produce_batch(rd_kafka_topic_t *, int32_t, int, message *, int);
void rd_kafka_destroy(rd_kafka_t *);

enum { BATCH = 512, PARTITIONS_MAX = 1024, COPY = 0x2, PARTITION = 0x8 };

typedef struct {
	uint64_t ok, failed;
	double *took; // seconds from produce to report, by record in order; NULL: not wanted
} reports;

static double clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void report(rd_kafka_t *rk, const message *m, void *opaque)
{
	reports *r = opaque;
	uint64_t i = r->ok + r->failed;
	if (m->err)
		r->failed++;
	else
		r->ok++;
	if (r->took) {
		double sent;
		memcpy(&sent, &m->_private, sizeof sent);
		r->took[i] = clock_now() - sent;
	}
}

static void listen(rd_kafka_conf_t *conf, reports *r)
{
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_dr_msg_cb(conf, report);
}

// warm_up sends one record and waits for its report: a producer's first record waits half a
// second and more for its id, and that is not what is measured.
static void warm_up(rd_kafka_t *rk, rd_kafka_topic_t *t, reports *r)
{
	static char record[] = "{}";
	double *took = r->took;
	message m = {.payload = record, .len = 2};
	r->took = NULL;
	while (rd_kafka_produce_batch(t, 0, COPY, &m, 1) < 1)
		rd_kafka_poll(rk, 10);
	while (r->ok + r->failed < 1)
		rd_kafka_poll(rk, 100);
	r->ok = 0;
	r->took = took;
}

// records of partition p: at[p] .. at[p+1]-1 of ptr and len.
static int produce(rd_kafka_t *rk, rd_kafka_topic_t *t, reports *r, int partitions, const int64_t *at,
	void **ptr, const size_t *len, uint64_t total, double rate)
{
	static message m[BATCH];
	uint64_t next[PARTITIONS_MAX] = {0};
	uint64_t sent = 0;
	double start = clock_now();
	for (int p = 0; sent < total; p = (p + 1) % partitions) {
		int n = BATCH;
		if (rate > 0) {
			// Open loop: what is due by now, an even share of it for each partition.
			uint64_t due = (uint64_t)((clock_now() - start) * rate);
			while (due <= sent) {
				rd_kafka_poll(rk, 1);
				due = (uint64_t)((clock_now() - start) * rate);
			}
			uint64_t share = (due - sent + partitions - 1) / partitions;
			n = share < BATCH ? (int)share : BATCH;
		}
		if ((uint64_t)n > total - sent)
			n = (int)(total - sent);
		double now = r->took ? clock_now() : 0;
		for (int i = 0; i < n; i++) {
			int64_t k = at[p] + (int64_t)(next[p]++ % (uint64_t)(at[p + 1] - at[p]));
			memset(&m[i], 0, sizeof m[i]);
			m[i].payload = ptr[k];
			m[i].len = len[k];
			m[i].partition = p;
			memcpy(&m[i]._private, &now, sizeof now);
		}
		for (int done = 0; done < n;) {
			done += rd_kafka_produce_batch(t, p, COPY | PARTITION, m + done, n - done);
			rd_kafka_poll(rk, done < n ? 10 : 0);
		}
		sent += n;
	}
	while (r->ok + r->failed < total)
		rd_kafka_poll(rk, 100);
	return 0;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka" // links librdkafka
)

// Options of a run.
type Options struct {
	Brokers, Topic string
	Partitions     int
	Records        int        // how many to produce; the given ones again and again
	Rate           float64    // records a second, 0: as fast as possible
	Linger         string     // linger.ms
	ByPartition    [][][]byte // the records of each partition
	Latency        bool       // measure from produce to report
	Begin          func()     // called when everything is set up, before the first record
}

// Latency are quantiles in seconds; zero where they were not asked for.
type Latency struct{ P50, P99 float64 }

// Run produces and returns when every record has been reported.
func Run(o Options) (Latency, error) {
	r := (*C.reports)(C.calloc(1, C.sizeof_reports))
	defer C.free(unsafe.Pointer(r))
	if o.Latency {
		r.took = (*C.double)(C.calloc(C.size_t(o.Records), C.sizeof_double))
		defer C.free(unsafe.Pointer(r.took))
	}
	rk, topic, err := open(o, r)
	if err != nil {
		return Latency{}, err
	}
	at, ptr, size, free := layOut(o.ByPartition)
	defer free()
	C.warm_up(rk, topic, r)
	if o.Begin != nil {
		o.Begin()
	}
	C.produce(rk, topic, r, C.int(o.Partitions), at, ptr, size, C.uint64_t(o.Records), C.double(o.Rate))
	C.rd_kafka_topic_destroy(topic)
	C.rd_kafka_destroy(rk)
	if r.failed > 0 {
		return Latency{}, fmt.Errorf("ceiling: %d of %d records failed", r.failed, o.Records)
	}
	if !o.Latency {
		return Latency{}, nil
	}
	took := slices.Clone(unsafe.Slice((*float64)(unsafe.Pointer(r.took)), o.Records))
	slices.Sort(took)
	return Latency{P50: took[len(took)/2], P99: took[len(took)*99/100]}, nil
}

func open(o Options, r *C.reports) (*C.rd_kafka_t, *C.rd_kafka_topic_t, error) {
	text := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(text))
	conf := C.rd_kafka_conf_new()
	for k, v := range map[string]string{
		"bootstrap.servers": o.Brokers, "acks": "all", "enable.idempotence": "true", "linger.ms": o.Linger,
		"queue.buffering.max.messages": "100000", "batch.size": "1000000", "enable.metrics.push": "false",
	} {
		ck, cv := C.CString(k), C.CString(v)
		bad := C.rd_kafka_conf_set(conf, ck, cv, text, 512)
		C.free(unsafe.Pointer(ck))
		C.free(unsafe.Pointer(cv))
		if bad != 0 {
			return nil, nil, errors.New("ceiling: " + C.GoString(text))
		}
	}
	C.listen(conf, r)
	rk := C.rd_kafka_new(0, conf, text, 512)
	if rk == nil {
		return nil, nil, errors.New("ceiling: " + C.GoString(text))
	}
	name := C.CString(o.Topic)
	defer C.free(unsafe.Pointer(name))
	return rk, C.rd_kafka_topic_new(rk, name, nil), nil
}

// layOut copies the records into C memory, one behind the other by partition.
func layOut(byPartition [][][]byte) (at *C.int64_t, ptr *unsafe.Pointer, size *C.size_t, free func()) {
	total, bytes := 0, 0
	for _, records := range byPartition {
		total += len(records)
		for _, r := range records {
			bytes += len(r)
		}
	}
	data := C.malloc(C.size_t(bytes))
	at = (*C.int64_t)(C.calloc(C.size_t(len(byPartition)+1), 8))
	ptr = (*unsafe.Pointer)(C.calloc(C.size_t(total), 8))
	size = (*C.size_t)(C.calloc(C.size_t(total), 8))
	ats := unsafe.Slice(at, len(byPartition)+1)
	ptrs, sizes := unsafe.Slice(ptr, total), unsafe.Slice(size, total)
	k, off := 0, 0
	for p, records := range byPartition {
		ats[p] = C.int64_t(k)
		for _, r := range records {
			ptrs[k], sizes[k] = unsafe.Add(data, off), C.size_t(len(r))
			copy(unsafe.Slice((*byte)(ptrs[k]), len(r)), r)
			off += len(r)
			k++
		}
	}
	ats[len(byPartition)] = C.int64_t(k)
	return at, ptr, size, func() {
		C.free(unsafe.Pointer(at))
		C.free(unsafe.Pointer(ptr))
		C.free(unsafe.Pointer(size))
		C.free(data)
	}
}
