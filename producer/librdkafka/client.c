#include "client.h"
#include <malloc.h>
#include <string.h>

// glibc gives the top of its heap back whenever 128 KiB of it are free, and maps larger
// pieces anew each time. librdkafka's messages and requests come and go by the ten
// thousand, so the same pages were cleared again and again: a tenth of all CPU at full
// load. What is kept is bounded by the windows, and given back when an instance goes.
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

// An ok report that is not the next one. When a partition's leader changes, the new
// leader's answer may be reported before the old one's last. It waits as a run for
// acked to reach it; where there is no room to remember it, the engine finds that
// everything is reported and acked is behind, and starts anew.
static void rt_ok_beyond(rt_progress *t, uint64_t number)
{
	t->beyond++;
	for (uint32_t i = 0; i < t->runs; i++)
		if (t->run[i].to == number) {
			t->run[i].to++;
			return;
		}
	if (t->runs < RT_RUNS_MAX) {
		t->run[t->runs].from = number;
		t->run[t->runs].to = number + 1;
		t->runs++;
	}
}

// acked has moved: take in the runs that it has reached.
static void rt_catch_up(rt_progress *t)
{
	for (uint32_t i = 0; i < t->runs; i++)
		if (t->run[i].from == t->acked) {
			t->beyond -= t->run[i].to - t->run[i].from;
			t->acked = t->run[i].to;
			t->run[i] = t->run[--t->runs];
			i = (uint32_t)-1; // from the first again
		}
}

// One ok report. acked moves along an unbroken run only. After a fatal error the
// reports of one partition come out of order, so an ok may fill the run below a
// failure that was seen before it.
void rt_ok(rt_progress *t, uint64_t number)
{
	if (number != t->acked) {
		rt_ok_beyond(t, number);
		return;
	}
	t->acked++;
	if (t->runs)
		rt_catch_up(t);
}

// Called by rd_kafka_poll for every record, on the thread that polls. It counts
// and does nothing else: what follows from the counts is the engine's business.
static void rt_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	rt_client *c = opaque;
	uint64_t tag = (uint64_t)(uintptr_t)m->_private;
	uint64_t number = tag & ((1ULL << RT_NUMBER_BITS) - 1);
	rt_progress *t = &c->progress[tag >> RT_NUMBER_BITS];
	t->reports++;
	if (m->err == 0) {
		rt_ok(t, number);
		return;
	}
	if (number < t->failed) {
		t->failed = number;
		t->err = m->err;
	}
	if (rd_kafka_message_status(m) != RT_STATUS_NOT_PERSISTED)
		t->maybe++;
	if (m->err == RT_ERR_INVALID_RECORD) {
		if (t->invalids < RT_INVALID_MAX)
			t->invalid[t->invalids] = number;
		t->invalids++;
	} else if (m->err == RT_ERR_INVALID_DIFFERENT_RECORD) {
		t->different++;
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

// With log.queue this is called by rd_kafka_poll, not by librdkafka's threads.
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

// One dead letter: rd_kafka_produce_batch knows no headers. Headers are copied by
// librdkafka, the value is not.
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
