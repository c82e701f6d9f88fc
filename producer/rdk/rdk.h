// What Ringtail uses of librdkafka, declared by hand (rdkafka.h, version 2.15).
#ifndef RINGTAIL_RDK_H
#define RINGTAIL_RDK_H

#include <stdint.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_topic_conf_s rd_kafka_topic_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;

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

int rd_kafka_version(void);
const char *rd_kafka_version_str(void);
rd_kafka_conf_t *rd_kafka_conf_new(void);
void rd_kafka_conf_destroy(rd_kafka_conf_t *);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
void rd_kafka_conf_set_opaque(rd_kafka_conf_t *, void *);
void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, const rd_kafka_message_t *, void *));
void rd_kafka_conf_set_error_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, int, const char *, void *));
void rd_kafka_conf_set_log_cb(rd_kafka_conf_t *, void (*)(const rd_kafka_t *, int, const char *, const char *));
void rd_kafka_conf_set_stats_cb(rd_kafka_conf_t *, int (*)(rd_kafka_t *, char *, size_t, void *));
rd_kafka_t *rd_kafka_new(int, rd_kafka_conf_t *, char *, size_t);
int rd_kafka_set_log_queue(rd_kafka_t *, rd_kafka_queue_t *);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, rd_kafka_topic_conf_t *);
void rd_kafka_topic_destroy(rd_kafka_topic_t *);
rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *);
void rd_kafka_queue_destroy(rd_kafka_queue_t *);
void rd_kafka_queue_yield(rd_kafka_queue_t *);
int rd_kafka_poll(rd_kafka_t *, int);
int rd_kafka_produce_batch(rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int);
int rd_kafka_producev(rd_kafka_t *, ...);
int rd_kafka_message_status(const rd_kafka_message_t *);
int rd_kafka_purge(rd_kafka_t *, int);
void rd_kafka_destroy(rd_kafka_t *);
void *rd_kafka_opaque(const rd_kafka_t *);
void rd_kafka_mem_free(rd_kafka_t *, void *);
int rd_kafka_fatal_error(rd_kafka_t *, char *, size_t);
int rd_kafka_test_fatal_error(rd_kafka_t *, int, const char *);
const char *rd_kafka_err2name(int);
const char *rd_kafka_err2str(int);

enum {
	RDK_ERR_INVALID_DIFFERENT_RECORD = -138,
	RDK_ERR_FATAL = -150,
	RDK_ERR_QUEUE_FULL = -184,
	RDK_ERR_INVALID_RECORD = 87,

	RDK_F_PARTITION = 0x8,
	RDK_STATUS_NOT_PERSISTED = 0,

	RDK_INVALID_MAX = 64,
	RDK_AHEAD_MAX = 16,
	RDK_EVENTS_MAX = 64,
	RDK_TEXT_MAX = 512,
	RDK_NUMBER_BITS = 52,
};

// What the reports said of one line so far.
typedef struct {
	uint64_t acked;      // every record below this number is in Kafka
	uint64_t failed;     // lowest number that was reported failed, UINT64_MAX: none
	uint64_t reports;    // reports in all
	uint64_t maybe;      // failed ones that may be in Kafka all the same
	uint64_t beyond;     // ok, but behind one that is not (yet)
	int32_t err;         // error code of `failed`
	uint32_t different;  // _INVALID_DIFFERENT_RECORD reports
	uint32_t invalids;   // INVALID_RECORD reports; the first RDK_INVALID_MAX in invalid
	uint32_t aheads;     // runs in ahead
	struct {
		uint64_t from, to;
	} ahead[RDK_AHEAD_MAX]; // runs of ok reports beyond acked, as they came
	uint64_t invalid[RDK_INVALID_MAX];
} rdk_track;

// A log line or an error, kept for Go to fetch after the poll that served it.
typedef struct {
	int32_t code;  // error code; 0: a log line
	int32_t level; // syslog level of a log line
	char text[RDK_TEXT_MAX];
} rdk_event;

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	rd_kafka_queue_t *q;
	int32_t lines;
	int32_t fatal; // set by the error callback
	int32_t events;
	int32_t events_lost;
	int32_t closing; // destroy has begun: its threads may log, nobody listens
	char *stats;   // newest statistics, JSON, ours to free
	rdk_event event[RDK_EVENTS_MAX];
	rdk_track track[];
} rdk_client;

rdk_client *rdk_new(rd_kafka_conf_t *conf, const char *topic, int lines, char *err, size_t err_len);
void rdk_destroy(rdk_client *c);
void rdk_give_back_memory(void);
void rdk_ok(rdk_track *t, uint64_t number);
int rdk_produce(rdk_client *c, rd_kafka_message_t *m, int n);
int rdk_produce_letter(rdk_client *c, rd_kafka_message_t *m, const char *reason, size_t reason_len,
	const char *remote, size_t remote_len, const char *truncated, size_t truncated_len);

#endif
