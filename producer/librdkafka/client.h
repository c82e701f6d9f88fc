#ifndef RINGTAIL_CLIENT_H
#define RINGTAIL_CLIENT_H

#include "librdkafka.h"

enum {
	RT_INVALID_MAX = 64,
	RT_RUNS_MAX = 16,
	RT_EVENTS_MAX = 64,
	RT_NUMBER_BITS = 52,
};

// What the reports said of one stream so far, as backend.Progress.
typedef struct {
	uint64_t acked;      // every record below this number is in Kafka
	uint64_t failed;     // lowest number that was reported failed, UINT64_MAX: none
	uint64_t reports;    // reports in all
	uint64_t maybe;      // failed ones that may be in Kafka all the same
	uint64_t beyond;     // ok, but behind one that is not (yet)
	int32_t err;         // error code of `failed`
	uint32_t different;  // _INVALID_DIFFERENT_RECORD reports
	uint32_t invalids;   // INVALID_RECORD reports; the first RT_INVALID_MAX in invalid
	uint32_t runs;       // in run
	struct {
		uint64_t from, to;
	} run[RT_RUNS_MAX]; // runs of ok reports beyond acked, as they came
	uint64_t invalid[RT_INVALID_MAX];
} rt_progress;

// A log line or an error, for Go to fetch after the poll that served it.
typedef struct {
	int32_t code;  // error code; 0: a log line
	int32_t level; // syslog level of a log line
	char text[RT_TEXT_MAX];
} rt_event;

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	rd_kafka_queue_t *q;
	int32_t streams;
	int32_t fatal; // set by the error callback
	int32_t events;
	int32_t events_lost;
	int32_t closing; // destroy has begun: its threads may log, nobody listens
	char *stats;   // newest statistics, JSON, ours to free
	rt_event event[RT_EVENTS_MAX];
	rt_progress progress[];
} rt_client;

rt_client *rt_new(rd_kafka_conf_t *conf, const char *topic, int streams, char *err, size_t err_len);
void rt_destroy(rt_client *c);
void rt_give_back_memory(void);
void rt_ok(rt_progress *t, uint64_t number);
int rt_produce(rt_client *c, rd_kafka_message_t *m, int n);
int rt_produce_with_headers(rt_client *c, rd_kafka_message_t *m, int n, const unsigned char *headers);
int rt_produce_dead_letter(rt_client *c, rd_kafka_message_t *m, const char *reason, size_t reason_len,
	const char *remote, size_t remote_len, const char *truncated, size_t truncated_len);

#endif
