#include "ceiling.h"
#include <string.h>
#include <time.h>

static double rt_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void rt_ceiling_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	rt_ceiling *c = opaque;
	uint64_t i = c->ok + c->failed;
	(void)rk;
	if (m->err)
		c->failed++;
	else
		c->ok++;
	if (c->took) {
		double sent;
		memcpy(&sent, &m->_private, sizeof sent);
		c->took[i] = rt_now() - sent;
	}
}

rt_ceiling *rt_ceiling_new(rd_kafka_conf_t *conf, const char *topic, char *err, size_t err_len)
{
	rt_ceiling *c = calloc(1, sizeof *c);
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_dr_msg_cb(conf, rt_ceiling_report);
	c->rk = rd_kafka_new(RT_PRODUCER, conf, err, err_len); // takes conf, but only if it succeeds
	if (!c->rk) {
		rd_kafka_conf_destroy(conf);
		free(c);
		return NULL;
	}
	c->rkt = rd_kafka_topic_new(c->rk, topic, NULL);
	return c;
}

// rt_ceiling_warm_up sends one record and waits for its report: a producer's first record waits
// half a second and more for its id, and that is not what is measured.
void rt_ceiling_warm_up(rt_ceiling *c)
{
	static char record[] = "{}";
	rd_kafka_message_t m = {.payload = record, .len = 2};
	while (rd_kafka_produce_batch(c->rkt, 0, RT_F_COPY, &m, 1) < 1)
		rd_kafka_poll(c->rk, 10);
	while (c->ok + c->failed < 1)
		rd_kafka_poll(c->rk, 100);
}

// rt_ceiling_run produces and returns when every record has been reported. Record k is the bytes
// of data from begin[k] to begin[k+1]; partition p has the records first[p] to first[p+1]-1, which
// are sent again and again.
void rt_ceiling_run(rt_ceiling *c, int partitions, const int64_t *first, const char *data, const int64_t *begin,
	uint64_t total, double rate, double *took)
{
	static rd_kafka_message_t m[RT_CEILING_BATCH];
	uint64_t next[RT_CEILING_PARTITIONS_MAX] = {0};
	uint64_t sent = 0;
	double start = rt_now();
	c->ok = c->failed = 0;
	c->took = took;
	for (int p = 0; sent < total; p = (p + 1) % partitions) {
		int n = RT_CEILING_BATCH;
		if (rate > 0) {
			// Open loop: what is due by now, an even share of it for each partition.
			uint64_t due = (uint64_t)((rt_now() - start) * rate);
			while (due <= sent) {
				rd_kafka_poll(c->rk, 1);
				due = (uint64_t)((rt_now() - start) * rate);
			}
			uint64_t share = (due - sent + partitions - 1) / partitions;
			n = share < RT_CEILING_BATCH ? (int)share : RT_CEILING_BATCH;
		}
		if ((uint64_t)n > total - sent)
			n = (int)(total - sent);
		double now = took ? rt_now() : 0;
		for (int i = 0; i < n; i++) {
			int64_t k = first[p] + (int64_t)(next[p]++ % (uint64_t)(first[p + 1] - first[p]));
			memset(&m[i], 0, sizeof m[i]);
			m[i].payload = (void *)(data + begin[k]);
			m[i].len = (size_t)(begin[k + 1] - begin[k]);
			m[i].partition = p;
			memcpy(&m[i]._private, &now, sizeof now);
		}
		for (int done = 0; done < n;) {
			done += rd_kafka_produce_batch(c->rkt, p, RT_F_COPY | RT_F_PARTITION, m + done, n - done);
			rd_kafka_poll(c->rk, done < n ? 10 : 0);
		}
		sent += n;
	}
	while (c->ok + c->failed < total)
		rd_kafka_poll(c->rk, 100);
	c->took = NULL;
}

void rt_ceiling_destroy(rt_ceiling *c)
{
	rd_kafka_topic_destroy(c->rkt);
	rd_kafka_destroy(c->rk);
	free(c);
}
