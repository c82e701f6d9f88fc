#ifndef RINGTAIL_READER_H
#define RINGTAIL_READER_H

#include "librdkafka.h"

enum { RT_TAKE_MAX = 1000 };

// What the group gives or takes.
typedef struct rt_change {
	int err; // RT_ERR_ASSIGN_PARTITIONS or RT_ERR_REVOKE_PARTITIONS
	rd_kafka_topic_partition_list_t *partitions;
	struct rt_change *next;
} rt_change;

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_message_t *taken[RT_TAKE_MAX];
	int count;
	int trouble; // what librdkafka said last beside messages; 0: nothing new
	char reason[RT_TEXT_MAX];
	rt_change *changes; // not told yet; the group waits for an answer
	int unanswered;      // whether there is a change that has not been answered
	int closing;
} rt_reader;

rt_reader *rt_reader_new(rd_kafka_conf_t *conf, char *err, size_t err_len);
void rt_reader_take(rt_reader *r, int timeout_ms);
void rt_reader_drop_change(rt_reader *r);
void rt_reader_close(rt_reader *r);

#endif
