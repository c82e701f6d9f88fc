#include "client.h"
#include <malloc.h>
#include <string.h>

// glibc gives the top of its heap back whenever 128 KiB of it are free, and maps larger
// pieces anew each time. librdkafka's messages and requests come and go by the ten
// thousand, so the same pages were cleared again and again: a tenth of all CPU at full
// load. What is kept is bounded by the windows, and given back when an instance goes.
static void rdk_keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, 128 << 20);
	mallopt(M_TOP_PAD, 4 << 20);
	mallopt(M_MMAP_THRESHOLD, 32 << 20); // the most there is
#endif
}

void rdk_give_back_memory(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

// An ok report that is not the next one. When a partition's leader changes, the new
// leader's answer may be reported before the old one's last. It waits as a run for
// acked to reach it; where there is no room to remember it, the engine finds that
// everything is reported and acked is behind, and starts anew.
static void rdk_ok_ahead(rdk_track *t, uint64_t number)
{
	t->beyond++;
	for (uint32_t i = 0; i < t->aheads; i++)
		if (t->ahead[i].to == number) {
			t->ahead[i].to++;
			return;
		}
	if (t->aheads < RDK_AHEAD_MAX) {
		t->ahead[t->aheads].from = number;
		t->ahead[t->aheads].to = number + 1;
		t->aheads++;
	}
}

// acked has moved: take in the runs that it has reached.
static void rdk_catch_up(rdk_track *t)
{
	for (uint32_t i = 0; i < t->aheads; i++)
		if (t->ahead[i].from == t->acked) {
			t->beyond -= t->ahead[i].to - t->ahead[i].from;
			t->acked = t->ahead[i].to;
			t->ahead[i] = t->ahead[--t->aheads];
			i = (uint32_t)-1; // from the first again
		}
}

// One ok report. acked moves along an unbroken run only. After a fatal error the
// reports of one partition come out of order, so an ok may fill the run below a
// failure that was seen before it.
void rdk_ok(rdk_track *t, uint64_t number)
{
	if (number != t->acked) {
		rdk_ok_ahead(t, number);
		return;
	}
	t->acked++;
	if (t->aheads)
		rdk_catch_up(t);
}

// Called by rd_kafka_poll for every record, on the thread that polls. It counts
// and does nothing else: what follows from the counts is the engine's business.
static void rdk_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	rdk_client *c = opaque;
	uint64_t tag = (uint64_t)(uintptr_t)m->_private;
	uint64_t number = tag & ((1ULL << RDK_NUMBER_BITS) - 1);
	rdk_track *t = &c->track[tag >> RDK_NUMBER_BITS];
	t->reports++;
	if (m->err == 0) {
		rdk_ok(t, number);
		return;
	}
	if (number < t->failed) {
		t->failed = number;
		t->err = m->err;
	}
	if (rd_kafka_message_status(m) != RDK_STATUS_NOT_PERSISTED)
		t->maybe++;
	if (m->err == RDK_ERR_INVALID_RECORD) {
		if (t->invalids < RDK_INVALID_MAX)
			t->invalid[t->invalids] = number;
		t->invalids++;
	} else if (m->err == RDK_ERR_INVALID_DIFFERENT_RECORD) {
		t->different++;
	}
}

static void rdk_note(rdk_client *c, int code, int level, const char *text)
{
	if (c->closing)
		return;
	if (c->events >= RDK_EVENTS_MAX) {
		c->events_lost++;
		return;
	}
	rdk_event *e = &c->event[c->events++];
	e->code = code;
	e->level = level;
	strncpy(e->text, text, RDK_TEXT_MAX - 1);
	e->text[RDK_TEXT_MAX - 1] = 0;
}

static void rdk_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	rdk_client *c = opaque;
	if (err == RDK_ERR_FATAL) {
		char text[RDK_TEXT_MAX];
		c->fatal = rd_kafka_fatal_error(rk, text, sizeof text);
		rdk_note(c, err, 0, text);
		return;
	}
	rdk_note(c, err, 0, reason);
}

// With log.queue this is called by rd_kafka_poll, not by librdkafka's threads.
static void rdk_log(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
	rdk_note(rd_kafka_opaque(rk), 0, level, buf);
}

static int rdk_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
	rdk_client *c = opaque;
	if (c->closing)
		return 0; // librdkafka frees it
	if (c->stats)
		rd_kafka_mem_free(rk, c->stats);
	c->stats = json;
	return 1; // ours now
}

rdk_client *rdk_new(rd_kafka_conf_t *conf, const char *topic, int lines, char *err, size_t err_len)
{
	rdk_keep_memory();
	rdk_client *c = calloc(1, sizeof *c + (size_t)lines * sizeof(rdk_track));
	c->lines = lines;
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_dr_msg_cb(conf, rdk_report);
	rd_kafka_conf_set_error_cb(conf, rdk_error);
	rd_kafka_conf_set_log_cb(conf, rdk_log);
	rd_kafka_conf_set_stats_cb(conf, rdk_stats);
	c->rk = rd_kafka_new(RDK_PRODUCER, conf, err, err_len); // takes conf, but only if it succeeds
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
		rdk_destroy(c);
		return NULL;
	}
	return c;
}

void rdk_destroy(rdk_client *c)
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
	rdk_give_back_memory();
}

int rdk_produce(rdk_client *c, rd_kafka_message_t *m, int n)
{
	return rd_kafka_produce_batch(c->rkt, 0, RDK_F_PARTITION, m, n);
}

// One dead letter: rd_kafka_produce_batch knows no headers. Headers are copied by
// librdkafka, the value is not.
int rdk_produce_letter(rdk_client *c, rd_kafka_message_t *m, const char *reason, size_t reason_len,
	const char *remote, size_t remote_len, const char *truncated, size_t truncated_len)
{
	if (truncated_len)
		return rd_kafka_producev(c->rk, RDK_V_RKT, c->rkt, RDK_V_PARTITION, m->partition, RDK_V_MSGFLAGS, 0,
			RDK_V_VALUE, m->payload, m->len, RDK_V_OPAQUE, m->_private,
			RDK_V_HEADER, "reason", reason, (ssize_t)reason_len,
			RDK_V_HEADER, "remote", remote, (ssize_t)remote_len,
			RDK_V_HEADER, "truncated", truncated, (ssize_t)truncated_len, RDK_V_END);
	return rd_kafka_producev(c->rk, RDK_V_RKT, c->rkt, RDK_V_PARTITION, m->partition, RDK_V_MSGFLAGS, 0,
		RDK_V_VALUE, m->payload, m->len, RDK_V_OPAQUE, m->_private,
		RDK_V_HEADER, "reason", reason, (ssize_t)reason_len,
		RDK_V_HEADER, "remote", remote, (ssize_t)remote_len, RDK_V_END);
}
