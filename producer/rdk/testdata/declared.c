// Compiled by TestDeclarations against the real rdkafka.h: everything that rdk.h
// declares by hand must be what the header says.
#include "rdkafka.h"
#include <stddef.h>

#define SAME(a, b) _Static_assert((a) == (b), #a " is not " #b)

SAME(RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD, -138);
SAME(RD_KAFKA_RESP_ERR__FATAL, -150);
SAME(RD_KAFKA_RESP_ERR__QUEUE_FULL, -184);
SAME(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, -187);
SAME(RD_KAFKA_RESP_ERR_INVALID_RECORD, 87);
SAME(RD_KAFKA_MSG_F_PARTITION, 0x8);
SAME(RD_KAFKA_MSG_STATUS_NOT_PERSISTED, 0);
SAME(RD_KAFKA_PURGE_F_QUEUE, 1);
SAME(RD_KAFKA_PURGE_F_INFLIGHT, 2);
SAME(RD_KAFKA_PRODUCER, 0);
SAME(RD_KAFKA_VTYPE_END, 0);
SAME(RD_KAFKA_VTYPE_RKT, 2);
SAME(RD_KAFKA_VTYPE_PARTITION, 3);
SAME(RD_KAFKA_VTYPE_VALUE, 4);
SAME(RD_KAFKA_VTYPE_OPAQUE, 6);
SAME(RD_KAFKA_VTYPE_MSGFLAGS, 7);
SAME(RD_KAFKA_VTYPE_HEADER, 9);
SAME(sizeof(rd_kafka_resp_err_t), sizeof(int));
SAME(sizeof(rd_kafka_message_t), 72);
SAME(offsetof(rd_kafka_message_t, rkt), 8);
SAME(offsetof(rd_kafka_message_t, partition), 16);
SAME(offsetof(rd_kafka_message_t, payload), 24);
SAME(offsetof(rd_kafka_message_t, len), 32);
SAME(offsetof(rd_kafka_message_t, key), 40);
SAME(offsetof(rd_kafka_message_t, key_len), 48);
SAME(offsetof(rd_kafka_message_t, offset), 56);
SAME(offsetof(rd_kafka_message_t, _private), 64);

// A pointer of another type than the function's is an error (-Werror).
int (*f1)(void) = rd_kafka_version;
rd_kafka_conf_t *(*f2)(void) = rd_kafka_conf_new;
void (*f3)(rd_kafka_conf_t *) = rd_kafka_conf_destroy;
rd_kafka_conf_res_t (*f4)(rd_kafka_conf_t *, const char *, const char *, char *, size_t) = rd_kafka_conf_set;
void (*f5)(rd_kafka_conf_t *, void *) = rd_kafka_conf_set_opaque;
void (*f6)(rd_kafka_conf_t *, void (*)(rd_kafka_t *, const rd_kafka_message_t *, void *)) = rd_kafka_conf_set_dr_msg_cb;
void (*f7)(rd_kafka_conf_t *, void (*)(rd_kafka_t *, int, const char *, void *)) = rd_kafka_conf_set_error_cb;
void (*f8)(rd_kafka_conf_t *, void (*)(const rd_kafka_t *, int, const char *, const char *)) = rd_kafka_conf_set_log_cb;
void (*f9)(rd_kafka_conf_t *, int (*)(rd_kafka_t *, char *, size_t, void *)) = rd_kafka_conf_set_stats_cb;
rd_kafka_t *(*f10)(rd_kafka_type_t, rd_kafka_conf_t *, char *, size_t) = rd_kafka_new;
rd_kafka_resp_err_t (*f11)(rd_kafka_t *, rd_kafka_queue_t *) = rd_kafka_set_log_queue;
rd_kafka_topic_t *(*f12)(rd_kafka_t *, const char *, rd_kafka_topic_conf_t *) = rd_kafka_topic_new;
void (*f13)(rd_kafka_topic_t *) = rd_kafka_topic_destroy;
rd_kafka_queue_t *(*f14)(rd_kafka_t *) = rd_kafka_queue_get_main;
void (*f15)(rd_kafka_queue_t *) = rd_kafka_queue_destroy;
void (*f16)(rd_kafka_queue_t *) = rd_kafka_queue_yield;
int (*f17)(rd_kafka_t *, int) = rd_kafka_poll;
int (*f18)(rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int) = rd_kafka_produce_batch;
rd_kafka_resp_err_t (*f19)(rd_kafka_t *, ...) = rd_kafka_producev;
rd_kafka_msg_status_t (*f20)(const rd_kafka_message_t *) = rd_kafka_message_status;
rd_kafka_resp_err_t (*f21)(rd_kafka_t *, int) = rd_kafka_purge;
void (*f22)(rd_kafka_t *) = rd_kafka_destroy;
void *(*f23)(const rd_kafka_t *) = rd_kafka_opaque;
void (*f24)(rd_kafka_t *, void *) = rd_kafka_mem_free;
rd_kafka_resp_err_t (*f25)(rd_kafka_t *, char *, size_t) = rd_kafka_fatal_error;
rd_kafka_resp_err_t (*f26)(rd_kafka_t *, rd_kafka_resp_err_t, const char *) = rd_kafka_test_fatal_error;
const char *(*f27)(rd_kafka_resp_err_t) = rd_kafka_err2name;
const char *(*f28)(rd_kafka_resp_err_t) = rd_kafka_err2str;
const char *(*f29)(void) = rd_kafka_version_str;
