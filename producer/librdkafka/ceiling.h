#ifndef RINGTAIL_RDK_CEILING_H
#define RINGTAIL_RDK_CEILING_H

#include "librdkafka.h"

enum { RDK_CEILING_BATCH = 512, RDK_CEILING_PARTITIONS_MAX = 1024 };

typedef struct {
	rd_kafka_t *rk;
	rd_kafka_topic_t *rkt;
	uint64_t ok, failed; // reports
	double *took;        // seconds from produce to report, by report in order; NULL: not wanted
} rdk_ceiling;

rdk_ceiling *rdk_ceiling_new(rd_kafka_conf_t *conf, const char *topic, char *err, size_t err_len);
void rdk_ceiling_warm_up(rdk_ceiling *c);
void rdk_ceiling_run(rdk_ceiling *c, int partitions, const int64_t *first, const char *data, const int64_t *begin,
	uint64_t total, double rate, double *took);
void rdk_ceiling_destroy(rdk_ceiling *c);

#endif
