#include "reader.h"
#include <string.h>

// Called while messages are taken, on the thread that takes them.
static void rt_reader_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	rt_reader *r = opaque;
	(void)rk;
	r->trouble = err;
	strncpy(r->reason, reason ? reason : "", RT_TEXT_MAX - 1);
}

// Called while messages are taken, or while the reader is closed. Behind it comes no message of
// partitions that change: librdkafka has paused them until the answer.
static void rt_reader_rebalance(rd_kafka_t *rk, int err, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	rt_reader *r = opaque;
	if (r->closing || (err != RT_ERR_ASSIGN_PARTITIONS && err != RT_ERR_REVOKE_PARTITIONS)) {
		rd_kafka_assign(rk, NULL);
		return;
	}
	rt_change **at = &r->changes;
	while (*at)
		at = &(*at)->next;
	*at = calloc(1, sizeof **at);
	(*at)->err = err;
	(*at)->partitions = rd_kafka_topic_partition_list_copy(partitions);
	r->unanswered = 1;
}

rt_reader *rt_reader_new(rd_kafka_conf_t *conf, char *err, size_t err_len)
{
	rt_reader *r = calloc(1, sizeof *r);
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_error_cb(conf, rt_reader_error);
	rd_kafka_conf_set_rebalance_cb(conf, rt_reader_rebalance);
	r->rk = rd_kafka_new(RT_CONSUMER, conf, err, err_len); // takes conf, but only if it succeeds
	if (!r->rk) {
		rd_kafka_conf_destroy(conf);
		free(r);
		return NULL;
	}
	rd_kafka_poll_set_consumer(r->rk);
	r->queue = rd_kafka_queue_get_consumer(r->rk);
	return r;
}

static void rt_reader_release(rt_reader *r)
{
	for (int i = 0; i < r->count; i++)
		rd_kafka_message_destroy(r->taken[i]);
	r->count = 0;
}

// rt_reader_take gives back the messages of the last time and takes those that are there. Where
// nothing is, it waits for one message, or a change of the group.
void rt_reader_take(rt_reader *r, int timeout_ms)
{
	rt_reader_release(r);
	// librdkafka waits until as many are there as it is asked for, or the time is over: so ask for
	// all without waiting, and wait for one.
	ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, r->taken, RT_TAKE_MAX);
	if (n <= 0 && timeout_ms > 0 && !r->changes && !r->trouble)
		n = rd_kafka_consume_batch_queue(r->queue, timeout_ms, r->taken, 1);
	r->count = n > 0 ? (int)n : 0;
}

void rt_reader_drop_change(rt_reader *r)
{
	rt_change *c = r->changes;
	r->changes = c->next;
	rd_kafka_topic_partition_list_destroy(c->partitions);
	free(c);
}

void rt_reader_close(rt_reader *r)
{
	rt_reader_release(r);
	while (r->changes)
		rt_reader_drop_change(r);
	r->closing = 1;
	if (r->unanswered)
		rd_kafka_assign(r->rk, NULL); // or the group would wait for ever
	rd_kafka_queue_destroy(r->queue);
	rd_kafka_consumer_close(r->rk);
	rd_kafka_destroy(r->rk);
	free(r);
}
