#ifndef RINGTAIL_CEILING_H
#define RINGTAIL_CEILING_H

#include "librdkafka.h"

enum { RT_CEILING_BATCH = 512, RT_CEILING_PARTITIONS_MAX = 1024 };

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	uint64_t ok, failed; // reports
	double *took;        // seconds from produce to report, by report in order; NULL: not wanted
} rt_ceiling;

rt_ceiling *rt_ceiling_new(rd_kafka_conf_t *conf, const char *topic, char *err, size_t err_len);
void rt_ceiling_warm_up(rt_ceiling *c);
void rt_ceiling_run(rt_ceiling *c, int partitions, const int64_t *first, const char *data, const int64_t *begin,
	uint64_t total, double rate, double *took);
void rt_ceiling_destroy(rt_ceiling *c);

#endif
