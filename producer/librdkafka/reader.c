#include "reader.h"
#include <string.h>

// Called while messages are taken, on the thread that takes them.
static void rdk_reader_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	rdk_reader *r = opaque;
	(void)rk;
	r->trouble = err;
	strncpy(r->reason, reason ? reason : "", RDK_TEXT_MAX - 1);
}

// Called while messages are taken, or while the reader is closed. Behind it comes no message of
// partitions that change: librdkafka has paused them until the answer.
static void rdk_reader_rebalance(rd_kafka_t *rk, int err, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	rdk_reader *r = opaque;
	if (r->closing || (err != RDK_ERR_ASSIGN_PARTITIONS && err != RDK_ERR_REVOKE_PARTITIONS)) {
		rd_kafka_assign(rk, NULL);
		return;
	}
	rdk_change **at = &r->changes;
	while (*at)
		at = &(*at)->next;
	*at = calloc(1, sizeof **at);
	(*at)->err = err;
	(*at)->partitions = rd_kafka_topic_partition_list_copy(partitions);
	r->unanswered = 1;
}

rdk_reader *rdk_reader_new(rd_kafka_conf_t *conf, const char *topic, char *err, size_t err_len)
{
	rdk_reader *r = calloc(1, sizeof *r);
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_error_cb(conf, rdk_reader_error);
	rd_kafka_conf_set_rebalance_cb(conf, rdk_reader_rebalance);
	r->rk = rd_kafka_new(RDK_CONSUMER, conf, err, err_len); // takes conf, but only if it succeeds
	if (!r->rk) {
		rd_kafka_conf_destroy(conf);
		free(r);
		return NULL;
	}
	rd_kafka_poll_set_consumer(r->rk);
	r->queue = rd_kafka_queue_get_consumer(r->rk);
	r->topic = strdup(topic);
	return r;
}

static void rdk_reader_release(rdk_reader *r)
{
	for (int i = 0; i < r->count; i++)
		rd_kafka_message_destroy(r->taken[i]);
	r->count = 0;
}

// rdk_reader_take gives back the messages of the last time and takes those that are there. Where
// nothing is, it waits for one message, or a change of the group.
void rdk_reader_take(rdk_reader *r, int timeout_ms)
{
	rdk_reader_release(r);
	// librdkafka waits until as many are there as it is asked for, or the time is over: so ask for
	// all without waiting, and wait for one.
	ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, r->taken, RDK_TAKE_MAX);
	if (n <= 0 && timeout_ms > 0 && !r->changes && !r->trouble)
		n = rd_kafka_consume_batch_queue(r->queue, timeout_ms, r->taken, 1);
	r->count = n > 0 ? (int)n : 0;
}

void rdk_reader_drop_change(rdk_reader *r)
{
	rdk_change *c = r->changes;
	r->changes = c->next;
	rd_kafka_topic_partition_list_destroy(c->partitions);
	free(c);
}

void rdk_reader_close(rdk_reader *r)
{
	rdk_reader_release(r);
	while (r->changes)
		rdk_reader_drop_change(r);
	r->closing = 1;
	if (r->unanswered)
		rd_kafka_assign(r->rk, NULL); // or the group would wait for ever
	rd_kafka_queue_destroy(r->queue);
	rd_kafka_consumer_close(r->rk);
	rd_kafka_destroy(r->rk);
	free(r->topic);
	free(r);
}
