package main

/*
#include <stdint.h>
#include <stdlib.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct list list;
typedef struct {
	int err;
	void *rkt;
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
rd_kafka_t *rd_kafka_new(int, rd_kafka_conf_t *, char *, size_t);
int rd_kafka_poll_set_consumer(rd_kafka_t *);
list *rd_kafka_topic_partition_list_new(int);
void *rd_kafka_topic_partition_list_add(list *, const char *, int32_t);
int rd_kafka_topic_partition_list_set_offset(list *, const char *, int32_t, int64_t);
void rd_kafka_topic_partition_list_destroy(list *);
int rd_kafka_assign(rd_kafka_t *, const list *);
message *rd_kafka_consumer_poll(rd_kafka_t *, int);
void rd_kafka_message_destroy(message *);
int rd_kafka_consumer_close(rd_kafka_t *);
void rd_kafka_destroy(rd_kafka_t *);

// read_all polls until it has seen so many records; their bytes are added up, so that
// each is looked at. It returns the records.
static int64_t read_all(const char *brokers, const char *topic, int partitions, int64_t records, int64_t *bytes)
{
	char errstr[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, errstr, sizeof errstr);
	rd_kafka_conf_set(conf, "group.id", "loop", errstr, sizeof errstr);
	rd_kafka_conf_set(conf, "enable.auto.commit", "false", errstr, sizeof errstr);
	rd_kafka_t *rk = rd_kafka_new(1, conf, errstr, sizeof errstr);
	if (!rk)
		return -1;
	rd_kafka_poll_set_consumer(rk);
	list *all = rd_kafka_topic_partition_list_new(partitions);
	for (int i = 0; i < partitions; i++) {
		rd_kafka_topic_partition_list_add(all, topic, i);
		rd_kafka_topic_partition_list_set_offset(all, topic, i, -2);
	}
	rd_kafka_assign(rk, all);
	rd_kafka_topic_partition_list_destroy(all);
	int64_t seen = 0;
	while (seen < records) {
		message *m = rd_kafka_consumer_poll(rk, 1000);
		if (!m)
			continue;
		if (!m->err) {
			seen++;
			*bytes += (int64_t)m->len;
		}
		rd_kafka_message_destroy(m);
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return seen;
}
*/
import "C"

import (
	"errors"
	"unsafe"

	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka" // links librdkafka
)

// loop is librdkafka's own consumer loop, in C: poll, look, destroy.
func loop(o options) error {
	brokers, topic := C.CString(o.Brokers), C.CString(o.Topic)
	defer C.free(unsafe.Pointer(brokers))
	defer C.free(unsafe.Pointer(topic))
	var bytes C.int64_t
	if n := C.read_all(brokers, topic, 10, C.int64_t(o.Records), &bytes); n != C.int64_t(o.Records) || bytes == 0 {
		return errors.New("librdkafka makes no consumer")
	}
	return nil
}
