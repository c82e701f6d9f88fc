#ifndef RINGTAIL_RDK_H
#define RINGTAIL_RDK_H

#include "librdkafka.h"

enum {
	RDK_INVALID_MAX = 64,
	RDK_AHEAD_MAX = 16,
	RDK_EVENTS_MAX = 64,
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
