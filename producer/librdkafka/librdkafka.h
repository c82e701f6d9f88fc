// What Ringtail uses of librdkafka, declared by hand (rdkafka.h, version 2.15): its own header
// comes with confluent-kafka-go, in a directory that cgo cannot name. It is declared nowhere else;
// testdata/declared.c compares the two.
#ifndef RINGTAIL_LIBRDKAFKA_H
#define RINGTAIL_LIBRDKAFKA_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_topic_conf_s rd_kafka_topic_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;

#ifndef RD_KAFKA_VERSION // the library's own header has not been read before this one
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
#endif

// Its enums are int where they have a negative value, else unsigned.
rd_kafka_conf_t *rd_kafka_conf_new(void);
void rd_kafka_conf_destroy(rd_kafka_conf_t *);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
void rd_kafka_conf_properties_show(FILE *);
void rd_kafka_conf_set_opaque(rd_kafka_conf_t *, void *);
void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, const rd_kafka_message_t *, void *));
void rd_kafka_conf_set_error_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, int, const char *, void *));
void rd_kafka_conf_set_log_cb(rd_kafka_conf_t *, void (*)(const rd_kafka_t *, int, const char *, const char *));
void rd_kafka_conf_set_stats_cb(rd_kafka_conf_t *, int (*)(rd_kafka_t *, char *, size_t, void *));
rd_kafka_t *rd_kafka_new(unsigned, rd_kafka_conf_t *, char *, size_t);
void rd_kafka_destroy(rd_kafka_t *);
void *rd_kafka_opaque(const rd_kafka_t *);
void rd_kafka_mem_free(rd_kafka_t *, void *);
int rd_kafka_set_log_queue(rd_kafka_t *, rd_kafka_queue_t *);
int rd_kafka_fatal_error(rd_kafka_t *, char *, size_t);
int rd_kafka_test_fatal_error(rd_kafka_t *, int, const char *);
const char *rd_kafka_err2name(int);
const char *rd_kafka_err2str(int);

rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *);
void rd_kafka_queue_destroy(rd_kafka_queue_t *);
void rd_kafka_queue_yield(rd_kafka_queue_t *);

// The producer's.
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, rd_kafka_topic_conf_t *);
void rd_kafka_topic_destroy(rd_kafka_topic_t *);
int rd_kafka_poll(rd_kafka_t *, int);
int rd_kafka_produce_batch(rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int);
int rd_kafka_producev(rd_kafka_t *, ...);
rd_kafka_headers_t *rd_kafka_headers_new(size_t);
void rd_kafka_headers_destroy(rd_kafka_headers_t *);
int rd_kafka_header_add(rd_kafka_headers_t *, const char *, ssize_t, const void *, ssize_t);
unsigned rd_kafka_message_status(const rd_kafka_message_t *);
int rd_kafka_purge(rd_kafka_t *, int);

enum {
	RT_PRODUCER = 0,
	RT_CONSUMER = 1,

	RT_ERR_INVALID_DIFFERENT_RECORD = -138,
	RT_ERR_FATAL = -150,
	RT_ERR_QUEUE_FULL = -184,
	RT_ERR_INVALID_RECORD = 87,

	RT_F_COPY = 0x2,
	RT_F_PARTITION = 0x8,
	RT_STATUS_NOT_PERSISTED = 0,
	RT_PURGE_QUEUE = 1,
	RT_PURGE_INFLIGHT = 2,
	RT_PURGE_NON_BLOCKING = 4,

	RT_V_END = 0,
	RT_V_RKT = 2,
	RT_V_PARTITION = 3,
	RT_V_VALUE = 4,
	RT_V_KEY = 5,
	RT_V_OPAQUE = 6,
	RT_V_MSGFLAGS = 7,
	RT_V_HEADER = 9,
	RT_V_HEADERS = 10,

	RT_TEXT_MAX = 512, // ours: room for what it says
};

#endif
