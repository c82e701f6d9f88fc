#ifndef RINGTAIL_RDK_READER_H
#define RINGTAIL_RDK_READER_H

#include "librdkafka.h"

enum { RDK_TAKE_MAX = 1000 };

// What the group gives or takes.
typedef struct rdk_change {
	int err; // RDK_ERR_ASSIGN_PARTITIONS or RDK_ERR_REVOKE_PARTITIONS
	rd_kafka_topic_partition_list_t *partitions;
	struct rdk_change *next;
} rdk_change;

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	char *topic;
	rd_kafka_message_t *taken[RDK_TAKE_MAX];
	int count;
	int trouble; // what librdkafka said last beside messages; 0: nothing new
	char reason[RDK_TEXT_MAX];
	rdk_change *changes; // not told yet; the group waits for an answer
	int unanswered;      // whether there is a change that has not been answered
	int closing;
} rdk_reader;

rdk_reader *rdk_reader_new(rd_kafka_conf_t *conf, const char *topic, char *err, size_t err_len);
void rdk_reader_take(rdk_reader *r, int timeout_ms);
void rdk_reader_drop_change(rdk_reader *r);
void rdk_reader_close(rdk_reader *r);

#endif
