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

rdc_reader *rdc_open(rd_kafka_conf_t *conf, char *errstr, size_t errstr_size)
{
	rdc_reader *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_error_cb(conf, rdc_error);
	r->rk = rd_kafka_new(1 /* consumer */, conf, errstr, errstr_size);
	if (!r->rk) {
		free(r);
		return NULL;
	}
	rd_kafka_poll_set_consumer(r->rk);
	r->queue = rd_kafka_queue_get_consumer(r->rk);
	return r;
}

int rdc_assign(rdc_reader *r, const char *topic, const int32_t *partitions, int n, int64_t offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++) {
		rd_kafka_topic_partition_list_add(list, topic, partitions[i]);
		rd_kafka_topic_partition_list_set_offset(list, topic, partitions[i], offset);
	}
	int err = rd_kafka_assign(r->rk, list);
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

// rdc_fetch takes what is there, a batch at most, and lays it into the buffer. When
// nothing is there it waits, for one message. It returns the bytes laid; 0 if none
// came; the bytes needed, negative, if not even one message fits. With `headers`
// entries have timestamp and headers.
int64_t rdc_fetch(rdc_reader *r, int timeout_ms, uint8_t *buffer, size_t size, int headers)
{
	if (r->next == r->count) {
		r->next = 0;
		// librdkafka waits until the batch is full or the time is over: so ask for one
		// to wait, for all without waiting.
		ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, r->taken, RDC_BATCH);
		if (n <= 0 && timeout_ms > 0)
			n = rd_kafka_consume_batch_queue(r->queue, timeout_ms, r->taken, 1);
		r->count = n > 0 ? (int)n : 0;
	}
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
	return (int64_t)used;
}

void rdc_close(rdc_reader *r)
{
	while (r->next < r->count)
		rd_kafka_message_destroy(r->taken[r->next++]);
	rd_kafka_queue_destroy(r->queue);
	rd_kafka_consumer_close(r->rk);
	rd_kafka_destroy(r->rk);
	free(r);
}
