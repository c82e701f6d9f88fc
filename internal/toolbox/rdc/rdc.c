#include "rdc.h"
#include <stdlib.h>
#include <string.h>

// Called while messages are taken, on the thread that takes them.
static void rdc_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	rdc_reader *r = opaque;
	(void)rk;
	r->trouble = err;
	strncpy(r->trouble_text, reason ? reason : "", RDC_TEXT - 1);
}

static int rdc_code(rd_kafka_error_t *error)
{
	int code = error ? rd_kafka_error_code(error) : 0;
	if (error)
		rd_kafka_error_destroy(error);
	return code;
}

static int rdc_cooperative(rd_kafka_t *rk)
{
	const char *protocol = rd_kafka_rebalance_protocol(rk);
	return protocol && strcmp(protocol, "COOPERATIVE") == 0;
}

// Called while messages are taken, or while the reader is closed. Behind it comes no
// message of partitions that change: librdkafka has paused them until the answer.
static void rdc_rebalance(rd_kafka_t *rk, int err, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	rdc_reader *r = opaque;
	if (err != RDC_ASSIGNED && err != RDC_REVOKED) {
		rd_kafka_assign(rk, NULL);
	} else if (r->closing && rdc_cooperative(rk)) {
		rdc_code(err == RDC_ASSIGNED ? rd_kafka_incremental_assign(rk, partitions) : rd_kafka_incremental_unassign(rk, partitions));
	} else if (r->closing) {
		rd_kafka_assign(rk, err == RDC_ASSIGNED ? partitions : NULL);
	} else {
		rdc_change **at = &r->changes;
		while (*at)
			at = &(*at)->next;
		*at = calloc(1, sizeof **at);
		(*at)->err = err;
		(*at)->partitions = rd_kafka_topic_partition_list_copy(partitions);
		r->unanswered++;
	}
}

rdc_reader *rdc_open(rd_kafka_conf_t *conf, char *errstr, size_t errstr_size)
{
	rdc_reader *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_error_cb(conf, rdc_error);
	rd_kafka_conf_set_rebalance_cb(conf, rdc_rebalance);
	r->rk = rd_kafka_new(1 /* consumer */, conf, errstr, errstr_size);
	if (!r->rk) {
		free(r);
		return NULL;
	}
	rd_kafka_poll_set_consumer(r->rk);
	r->queue = rd_kafka_queue_get_consumer(r->rk);
	return r;
}

static rd_kafka_topic_partition_list_t *rdc_list(const char *topic, const int32_t *partitions, const int64_t *offsets, int n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++) {
		rd_kafka_topic_partition_t *p = rd_kafka_topic_partition_list_add(list, topic, partitions[i]);
		if (offsets)
			p->offset = offsets[i];
	}
	return list;
}

// rdc_unlist takes the answers out of a list, unless they are errors.
static int rdc_unlist(rd_kafka_topic_partition_list_t *list, int err, int64_t *offsets)
{
	for (int i = 0; i < list->cnt && !err; i++) {
		err = list->elems[i].err;
		offsets[i] = list->elems[i].offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return err;
}

int rdc_subscribe(rdc_reader *r, const char *topic)
{
	int32_t any = -1;
	rd_kafka_topic_partition_list_t *list = rdc_list(topic, &any, NULL, 1);
	int err = rd_kafka_subscribe(r->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return err;
}

// rdc_assign begins to read these partitions: instead of those before, or besides
// them where the group's protocol is cooperative.
int rdc_assign(rdc_reader *r, const char *topic, const int32_t *partitions, const int64_t *offsets, int n)
{
	rd_kafka_topic_partition_list_t *list = rdc_list(topic, partitions, offsets, n);
	int err = rdc_cooperative(r->rk) ? rdc_code(rd_kafka_incremental_assign(r->rk, list)) : rd_kafka_assign(r->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	r->unanswered = 0;
	return err;
}

// rdc_unassign ends the reading of these partitions, or of all where the group's
// protocol is not cooperative.
int rdc_unassign(rdc_reader *r, const char *topic, const int32_t *partitions, int n)
{
	rd_kafka_topic_partition_list_t *list = rdc_list(topic, partitions, NULL, n);
	int err = rdc_cooperative(r->rk) ? rdc_code(rd_kafka_incremental_unassign(r->rk, list)) : rd_kafka_assign(r->rk, NULL);
	rd_kafka_topic_partition_list_destroy(list);
	r->unanswered = 0;
	return err;
}

// rdc_committed fills in the group's offsets, negative where there is none.
int rdc_committed(rdc_reader *r, const char *topic, const int32_t *partitions, int64_t *offsets, int n, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rdc_list(topic, partitions, NULL, n);
	return rdc_unlist(list, rd_kafka_committed(r->rk, list, timeout_ms), offsets);
}

// rdc_offsets replaces logical offsets, -2 (the first) and -1 (behind the last), by
// those that they stand for now.
int rdc_offsets(rdc_reader *r, const char *topic, const int32_t *partitions, int64_t *offsets, int n, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rdc_list(topic, partitions, offsets, n);
	return rdc_unlist(list, rd_kafka_offsets_for_times(r->rk, list, timeout_ms), offsets);
}

// rdc_commit commits offsets for the group: with a timeout it waits for the answer,
// without it only sends them off.
int rdc_commit(rdc_reader *r, const char *topic, const int32_t *partitions, const int64_t *offsets, int n, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rdc_list(topic, partitions, offsets, n);
	int err;
	if (timeout_ms == 0) {
		err = rd_kafka_commit(r->rk, list, 1);
	} else {
		rd_kafka_queue_t *answers = rd_kafka_queue_new(r->rk);
		err = rd_kafka_commit_queue(r->rk, list, answers, NULL, NULL);
		if (!err) {
			rd_kafka_event_t *answer = rd_kafka_queue_poll(answers, timeout_ms);
			err = answer ? rd_kafka_event_error(answer) : RDC_TIMED_OUT;
			if (answer)
				rd_kafka_event_destroy(answer);
		}
		rd_kafka_queue_destroy(answers);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return err;
}

// rdc_headers lays a message's headers to `at`, or only counts their bytes where
// `at` is NULL.
static size_t rdc_headers(const rd_kafka_message_t *m, uint8_t *at, int32_t *count)
{
	rd_kafka_headers_t *all;
	size_t bytes = 0;
	*count = 0;
	if (rd_kafka_message_headers(m, &all) != 0)
		return 0;
	for (size_t i = 0;; i++) {
		const char *name;
		const void *value;
		size_t size;
		if (rd_kafka_header_get_all(all, i, &name, &value, &size) != 0)
			return bytes;
		int32_t lens[2] = {(int32_t)strlen(name), value ? (int32_t)size : -1};
		if (!value)
			size = 0;
		if (at) {
			memcpy(at + bytes, lens, sizeof lens);
			memcpy(at + bytes + sizeof lens, name, lens[0]);
			memcpy(at + bytes + sizeof lens + lens[0], value ? value : "", size);
		}
		bytes += sizeof lens + lens[0] + size;
		(*count)++;
	}
}

// rdc_lay lays one message into the buffer and returns its bytes. Where there is no
// room it lays nothing and returns the bytes that it needs, negative.
static int64_t rdc_lay(const rd_kafka_message_t *m, uint8_t *buffer, size_t room, int headers)
{
	rdc_entry e = {m->err, m->partition, m->offset, 0, -1, -1, 0, 0};
	const void *key = m->key, *value = m->payload;
	size_t key_len = key ? m->key_len : 0, value_len = value ? m->len : 0, header_len = 0;
	if (m->err) {
		key = NULL, key_len = 0;
		if (m->rkt) // else it is trouble, with its text
			value = rd_kafka_message_errstr(m), value_len = value ? strlen(value) : 0;
	} else if (headers) {
		int type;
		e.timestamp = rd_kafka_message_timestamp(m, &type);
		header_len = rdc_headers(m, NULL, &e.headers);
	}
	size_t bytes = (sizeof e + key_len + value_len + header_len + 7) & ~(size_t)7;
	if (bytes > room)
		return -(int64_t)bytes;
	if (key)
		e.key_len = (int32_t)key_len;
	if (value)
		e.value_len = (int32_t)value_len;
	e.bytes = (int32_t)bytes;
	memcpy(buffer, &e, sizeof e);
	memcpy(buffer + sizeof e, key ? key : "", key_len);
	memcpy(buffer + sizeof e + key_len, value ? value : "", value_len);
	if (header_len)
		rdc_headers(m, buffer + sizeof e + key_len + value_len, &e.headers);
	return (int64_t)bytes;
}

// rdc_lay_change lays what the group gives or takes; else as rdc_lay.
static int64_t rdc_lay_change(const rdc_change *c, uint8_t *buffer, size_t room)
{
	int n = c->partitions->cnt;
	rdc_entry e = {.err = c->err, .partition = -1, .offset = -1, .key_len = -1, .value_len = n * (int)sizeof(int32_t)};
	size_t bytes = (sizeof e + (size_t)e.value_len + 7) & ~(size_t)7;
	if (bytes > room)
		return -(int64_t)bytes;
	e.bytes = (int32_t)bytes;
	memcpy(buffer, &e, sizeof e);
	for (int i = 0; i < n; i++)
		memcpy(buffer + sizeof e + sizeof(int32_t) * i, &c->partitions->elems[i].partition, sizeof(int32_t));
	return (int64_t)bytes;
}

static void rdc_drop_change(rdc_reader *r)
{
	rdc_change *c = r->changes;
	r->changes = c->next;
	rd_kafka_topic_partition_list_destroy(c->partitions);
	free(c);
}

// rdc_take takes what is there, a batch at most. When nothing is, it waits for one
// message, or a change of the group.
static void rdc_take(rdc_reader *r, int timeout_ms)
{
	// librdkafka waits until the batch is full or the time is over: so ask for one to
	// wait, for all without waiting.
	ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, r->taken, RDC_BATCH);
	if (n <= 0 && timeout_ms > 0 && !r->changes)
		n = rd_kafka_consume_batch_queue(r->queue, timeout_ms, r->taken, 1);
	r->next = 0;
	r->count = n > 0 ? (int)n : 0;
}

// rdc_fetch takes what is there, a batch at most, and lays it into the buffer. When
// nothing is there it waits, for one message. It returns the bytes laid; 0 if none
// came; the bytes needed, negative, if not even one message fits. With `headers`
// entries have timestamp and headers.
int64_t rdc_fetch(rdc_reader *r, int timeout_ms, uint8_t *buffer, size_t size, int headers)
{
	if (r->next == r->count && !r->changes)
		rdc_take(r, timeout_ms);
	size_t used = 0;
	if (r->trouble) {
		// The buffer's least size is far above this.
		rd_kafka_message_t m = {.err = r->trouble, .partition = -1, .offset = -1, .payload = r->trouble_text, .len = strlen(r->trouble_text)};
		used = (size_t)rdc_lay(&m, buffer, size, 0);
		r->trouble = 0;
	}
	while (r->next < r->count) {
		int64_t bytes = rdc_lay(r->taken[r->next], buffer + used, size - used, headers);
		if (bytes < 0)
			return used ? (int64_t)used : bytes;
		used += (size_t)bytes;
		rd_kafka_message_destroy(r->taken[r->next++]);
	}
	while (r->changes) { // these came after the messages
		int64_t bytes = rdc_lay_change(r->changes, buffer + used, size - used);
		if (bytes < 0)
			return used ? (int64_t)used : bytes;
		used += (size_t)bytes;
		rdc_drop_change(r);
	}
	return (int64_t)used;
}

void rdc_close(rdc_reader *r)
{
	while (r->next < r->count)
		rd_kafka_message_destroy(r->taken[r->next++]);
	while (r->changes)
		rdc_drop_change(r);
	r->closing = 1;
	if (r->unanswered)
		rd_kafka_assign(r->rk, NULL); // or the group would wait for ever
	rd_kafka_queue_destroy(r->queue);
	rd_kafka_consumer_close(r->rk);
	rd_kafka_destroy(r->rk);
	free(r);
}
