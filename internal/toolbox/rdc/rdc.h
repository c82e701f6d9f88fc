#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// librdkafka's, as in its rdkafka.h; the test compares them.
typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;
typedef struct rd_kafka_event_s rd_kafka_event_t;
typedef struct rd_kafka_error_s rd_kafka_error_t;
typedef struct rd_kafka_topic_partition_s {
	char *topic;
	int32_t partition;
	int64_t offset;
	void *metadata;
	size_t metadata_size;
	void *opaque;
	int err;
	void *_private;
} rd_kafka_topic_partition_t;
typedef struct rd_kafka_topic_partition_list_s {
	int cnt, size;
	rd_kafka_topic_partition_t *elems;
} rd_kafka_topic_partition_list_t;
typedef struct rd_kafka_message_s {
	int err;
	rd_kafka_topic_t *rkt;
	int32_t partition;
	void *payload;
	size_t len;
	void *key;
	size_t key_len;
	int64_t offset;
	void *_private;
} rd_kafka_message_t;

rd_kafka_conf_t *rd_kafka_conf_new(void);
void rd_kafka_conf_destroy(rd_kafka_conf_t *conf);
int rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *errstr, size_t errstr_size);
void rd_kafka_conf_set_error_cb(rd_kafka_conf_t *conf, void (*error_cb)(rd_kafka_t *rk, int err, const char *reason, void *opaque));
void rd_kafka_conf_set_rebalance_cb(rd_kafka_conf_t *conf, void (*rebalance_cb)(rd_kafka_t *rk, int err, rd_kafka_topic_partition_list_t *partitions, void *opaque));
void rd_kafka_conf_set_opaque(rd_kafka_conf_t *conf, void *opaque);
rd_kafka_t *rd_kafka_new(int type, rd_kafka_conf_t *conf, char *errstr, size_t errstr_size);
void rd_kafka_destroy(rd_kafka_t *rk);
int rd_kafka_poll_set_consumer(rd_kafka_t *rk);
int rd_kafka_consumer_close(rd_kafka_t *rk);
rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *rk);
rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *rkqu, int timeout_ms);
int rd_kafka_event_error(rd_kafka_event_t *rkev);
void rd_kafka_event_destroy(rd_kafka_event_t *rkev);
int rd_kafka_error_code(const rd_kafka_error_t *error);
void rd_kafka_error_destroy(rd_kafka_error_t *error);
rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *rk);
void rd_kafka_queue_destroy(rd_kafka_queue_t *rkqu);
rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size);
void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list);
rd_kafka_topic_partition_t *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition);
rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_copy(const rd_kafka_topic_partition_list_t *src);
int rd_kafka_subscribe(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *topics);
int rd_kafka_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions);
rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions);
rd_kafka_error_t *rd_kafka_incremental_unassign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions);
const char *rd_kafka_rebalance_protocol(rd_kafka_t *rk);
int rd_kafka_assignment_lost(rd_kafka_t *rk);
int rd_kafka_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions, int timeout_ms);
int rd_kafka_offsets_for_times(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *offsets, int timeout_ms);
int rd_kafka_commit(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets, int async);
int rd_kafka_commit_queue(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets, rd_kafka_queue_t *rkqu,
	void (*cb)(rd_kafka_t *rk, int err, rd_kafka_topic_partition_list_t *offsets, void *commit_opaque), void *commit_opaque);
int rd_kafka_get_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t *low, int64_t *high);
ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *rkqu, int timeout_ms, rd_kafka_message_t **rkmessages, size_t rkmessages_size);
void rd_kafka_message_destroy(rd_kafka_message_t *rkmessage);
const char *rd_kafka_message_errstr(const rd_kafka_message_t *rkmessage);
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *rkmessage, int *tstype);
int rd_kafka_message_headers(const rd_kafka_message_t *rkmessage, rd_kafka_headers_t **hdrsp);
int rd_kafka_header_get_all(const rd_kafka_headers_t *hdrs, size_t idx, const char **namep, const void **valuep, size_t *sizep);

// Ours.
enum { RDC_BATCH = 1000, RDC_TEXT = 512, RDC_TIMED_OUT = -185, RDC_ASSIGNED = -175, RDC_REVOKED = -174 };

typedef struct {
	int32_t err; // 0; RDC_ASSIGNED, RDC_REVOKED: value is int32 partitions; else an error of which value is the text
	int32_t partition;
	int64_t offset;
	int64_t timestamp; // ms
	int32_t key_len;   // -1: no key
	int32_t value_len; // -1: no value
	int32_t headers;   // of each: int32 name_len, int32 value_len (-1: none), name, value
	int32_t bytes;     // of the whole entry, a multiple of 8
} rdc_entry;

// What the group gives or takes.
typedef struct rdc_change {
	int err; // RDC_ASSIGNED or RDC_REVOKED
	rd_kafka_topic_partition_list_t *partitions;
	struct rdc_change *next;
} rdc_change;

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_message_t *taken[RDC_BATCH]; // those from `next` on are not in a buffer yet
	int next, count;
	int trouble; // what librdkafka said last beside messages; 0: nothing new
	char trouble_text[RDC_TEXT];
	rdc_change *changes; // not laid into a buffer yet; the group waits for an answer
	int unanswered;      // changes that rdc_assign or rdc_unassign has not answered
	int closing;
} rdc_reader;

rdc_reader *rdc_open(rd_kafka_conf_t *conf, char *errstr, size_t errstr_size);
int rdc_subscribe(rdc_reader *r, const char *topic);
int rdc_assign(rdc_reader *r, const char *topic, const int32_t *partitions, const int64_t *offsets, int n);
int rdc_unassign(rdc_reader *r, const char *topic, const int32_t *partitions, int n);
int rdc_committed(rdc_reader *r, const char *topic, const int32_t *partitions, int64_t *offsets, int n, int timeout_ms);
int rdc_offsets(rdc_reader *r, const char *topic, const int32_t *partitions, int64_t *offsets, int n, int timeout_ms);
int rdc_commit(rdc_reader *r, const char *topic, const int32_t *partitions, const int64_t *offsets, int n, int timeout_ms);
int64_t rdc_fetch(rdc_reader *r, int timeout_ms, uint8_t *buffer, size_t size, int headers);
void rdc_close(rdc_reader *r);
