#include "client.h"
#include <malloc.h>
#include <string.h>

// rt_retain_memory makes glibc retain free memory. By default it returns the top of its heap to the
// kernel whenever 128 KiB of it are free, and maps larger pieces anew each time. librdkafka's
// messages and requests come and go by the ten thousand, so the same pages were cleared again and
// again: a tenth of all CPU at full load. The windows bound what is retained, and rt_destroy gives
// it back.
static void rt_retain_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, 128 << 20);
	mallopt(M_TOP_PAD, 4 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20); // the most there is
#endif
}

void rt_give_back_memory(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

// rt_ok_beyond counts an ok report that is not the next one. When a partition's leader changes, the
// new leader's responses may be reported before the last of the old one. The report waits in a run
// until acked reaches it. Where there is no room for another run, the engine will find that
// everything is reported and acked is behind, and make another client.
static void rt_ok_beyond(rt_progress *p, uint64_t number)
{
	p->beyond++;
	for (uint32_t i = 0; i < p->runs; i++)
		if (p->run[i].to == number) {
			p->run[i].to++;
			return;
		}
	if (p->runs < RT_RUNS_MAX) {
		p->run[p->runs].from = number;
		p->run[p->runs].to = number + 1;
		p->runs++;
	}
}

// rt_catch_up moves acked over the runs that it has reached.
static void rt_catch_up(rt_progress *p)
{
	for (uint32_t i = 0; i < p->runs; i++)
		if (p->run[i].from == p->acked) {
			p->beyond -= p->run[i].to - p->run[i].from;
			p->acked = p->run[i].to;
			p->run[i] = p->run[--p->runs];
			i = (uint32_t)-1; // from the first again
		}
}

// rt_ok counts an ok report. acked moves only along an unbroken run. After a fatal error the
// reports of one partition come out of order, so an ok report may continue the run below a failure
// that was reported before it.
void rt_ok(rt_progress *p, uint64_t number)
{
	if (number != p->acked) {
		rt_ok_beyond(p, number);
		return;
	}
	p->acked++;
	if (p->runs)
		rt_catch_up(p);
}

// rt_report counts a report. rd_kafka_poll calls it for every record, on the thread that polls.
// What follows from the counts is up to the engine.
static void rt_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	rt_client *c = opaque;
	uint64_t tag = (uint64_t)(uintptr_t)m->_private;
	uint64_t number = tag & ((1ULL << RT_NUMBER_BITS) - 1);
	rt_progress *p = &c->progress[tag >> RT_NUMBER_BITS];
	p->reports++;
	if (m->err == 0) {
		rt_ok(p, number);
		return;
	}
	if (number < p->failed) {
		p->failed = number;
		p->err = m->err;
	}
	if (rd_kafka_message_status(m) != RT_STATUS_NOT_PERSISTED)
		p->maybe++;
	if (m->err == RT_ERR_INVALID_RECORD) {
		if (p->invalids < RT_INVALID_MAX)
			p->invalid[p->invalids] = number;
		p->invalids++;
	} else if (m->err == RT_ERR_INVALID_DIFFERENT_RECORD) {
		p->different++;
	}
}

static void rt_note(rt_client *c, int code, int level, const char *text)
{
	if (c->closing)
		return;
	if (c->events >= RT_EVENTS_MAX) {
		c->events_lost++;
		return;
	}
	rt_event *e = &c->event[c->events++];
	e->code = code;
	e->level = level;
	strncpy(e->text, text, RT_TEXT_MAX - 1);
	e->text[RT_TEXT_MAX - 1] = 0;
}

static void rt_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	rt_client *c = opaque;
	if (err == RT_ERR_FATAL) {
		char text[RT_TEXT_MAX];
		c->fatal = rd_kafka_fatal_error(rk, text, sizeof text);
		rt_note(c, err, 0, text);
		return;
	}
	rt_note(c, err, 0, reason);
}

// rt_log notes a log line. With log.queue, rd_kafka_poll calls it, and not librdkafka's threads.
static void rt_log(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
	rt_note(rd_kafka_opaque(rk), 0, level, buf);
}

static int rt_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
	rt_client *c = opaque;
	if (c->closing)
		return 0; // librdkafka frees it
	if (c->stats)
		rd_kafka_mem_free(rk, c->stats);
	c->stats = json;
	return 1; // ours now
}

rt_client *rt_new(rd_kafka_conf_t *conf, const char *topic, int streams, char *err, size_t err_len)
{
	rt_retain_memory();
	rt_client *c = calloc(1, sizeof *c + (size_t)streams * sizeof(rt_progress));
	c->streams = streams;
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_dr_msg_cb(conf, rt_report);
	rd_kafka_conf_set_error_cb(conf, rt_error);
	rd_kafka_conf_set_log_cb(conf, rt_log);
	rd_kafka_conf_set_stats_cb(conf, rt_stats);
	c->rk = rd_kafka_new(RT_PRODUCER, conf, err, err_len); // takes conf, but only if it succeeds
	if (!c->rk) {
		rd_kafka_conf_destroy(conf);
		free(c);
		return NULL;
	}
	rd_kafka_set_log_queue(c->rk, NULL);
	c->q = rd_kafka_queue_get_main(c->rk);
	c->rkt = rd_kafka_topic_new(c->rk, topic, NULL);
	if (!c->rkt) {
		strncpy(err, "topic name is refused", err_len);
		rt_destroy(c);
		return NULL;
	}
	return c;
}

void rt_destroy(rt_client *c)
{
	c->closing = 1;
	if (c->stats)
		rd_kafka_mem_free(c->rk, c->stats);
	c->stats = NULL;
	if (c->rkt)
		rd_kafka_topic_destroy(c->rkt);
	rd_kafka_queue_destroy(c->q);
	rd_kafka_destroy(c->rk);
	free(c);
	rt_give_back_memory();
}

int rt_produce(rt_client *c, rd_kafka_message_t *m, int n)
{
	return rd_kafka_produce_batch(c->rkt, 0, RT_F_PARTITION, m, n);
}

// rt_varint reads a varint of Kafka's record format that is not negative.
static size_t rt_varint(const unsigned char **p)
{
	size_t zigzag = 0;
	int shift = 0;
	do {
		zigzag |= (size_t)(**p & 0x7f) << shift;
		shift += 7;
	} while (*(*p)++ & 0x80);
	return zigzag >> 1;
}

// rt_headers makes librdkafka's headers of a record's, which are as in Kafka's record format
// (shard/headers.go) and have been checked.
static rd_kafka_headers_t *rt_headers(const unsigned char *p)
{
	size_t n = rt_varint(&p);
	rd_kafka_headers_t *h = rd_kafka_headers_new(n);
	for (; n; n--) {
		size_t name_len = rt_varint(&p);
		const unsigned char *name = p;
		p += name_len;
		size_t value_len = rt_varint(&p);
		rd_kafka_header_add(h, (const char *)name, (ssize_t)name_len, p, (ssize_t)value_len);
		p += value_len;
	}
	return h;
}

// rt_produce_with_headers hands over records with headers, which rd_kafka_produce_batch cannot do.
// It returns how many were taken; the one after them has its err set.
int rt_produce_with_headers(rt_client *c, rd_kafka_message_t *m, int n, const unsigned char *headers)
{
	for (int i = 0; i < n; i++) {
		rd_kafka_headers_t *h = rt_headers(headers);
		m[i].err = rd_kafka_producev(c->rk, RT_V_RKT, c->rkt, RT_V_PARTITION, m[i].partition, RT_V_MSGFLAGS, 0,
			RT_V_VALUE, m[i].payload, m[i].len, RT_V_KEY, m[i].key, m[i].key_len,
			RT_V_OPAQUE, m[i]._private, RT_V_HEADERS, h, RT_V_END);
		if (m[i].err) {
			rd_kafka_headers_destroy(h); // they are librdkafka's only where it took the record
			return i;
		}
	}
	return n;
}

// rt_produce_dead_letter hands over one record with headers, which rd_kafka_produce_batch cannot
// do. librdkafka copies the headers, but not the value.
int rt_produce_dead_letter(rt_client *c, rd_kafka_message_t *m, const char *reason, size_t reason_len,
	const char *remote, size_t remote_len, const char *truncated, size_t truncated_len)
{
	if (truncated_len)
		return rd_kafka_producev(c->rk, RT_V_RKT, c->rkt, RT_V_PARTITION, m->partition, RT_V_MSGFLAGS, 0,
			RT_V_VALUE, m->payload, m->len, RT_V_OPAQUE, m->_private,
			RT_V_HEADER, "reason", reason, (ssize_t)reason_len,
			RT_V_HEADER, "remote", remote, (ssize_t)remote_len,
			RT_V_HEADER, "truncated", truncated, (ssize_t)truncated_len, RT_V_END);
	return rd_kafka_producev(c->rk, RT_V_RKT, c->rkt, RT_V_PARTITION, m->partition, RT_V_MSGFLAGS, 0,
		RT_V_VALUE, m->payload, m->len, RT_V_OPAQUE, m->_private,
		RT_V_HEADER, "reason", reason, (ssize_t)reason_len,
		RT_V_HEADER, "remote", remote, (ssize_t)remote_len, RT_V_END);
}
