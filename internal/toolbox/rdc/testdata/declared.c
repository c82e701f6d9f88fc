// Compiled against librdkafka's own header: every function of rdc.h has the type
// declared there, and the message is laid out as there.
#include <rdkafka.h>
#include <stddef.h>

_Static_assert(sizeof(rd_kafka_resp_err_t) == sizeof(int), "err is an int");
_Static_assert(sizeof(rd_kafka_conf_res_t) == sizeof(int), "result is an int");
_Static_assert(RD_KAFKA_CONSUMER == 1, "type of a consumer");
_Static_assert(RD_KAFKA_CONF_OK == 0 && RD_KAFKA_RESP_ERR_NO_ERROR == 0, "0 is well");

struct message {
	int err;
	void *rkt;
	int32_t partition;
	void *payload;
	size_t len;
	void *key;
	size_t key_len;
	int64_t offset;
	void *_private;
};
#define SAME(field) _Static_assert(offsetof(struct message, field) == offsetof(rd_kafka_message_t, field), #field)
SAME(err);
SAME(rkt);
SAME(partition);
SAME(payload);
SAME(len);
SAME(key);
SAME(key_len);
SAME(offset);
SAME(_private);
_Static_assert(sizeof(struct message) == sizeof(rd_kafka_message_t), "size");

rd_kafka_conf_t *(*f1)(void) = rd_kafka_conf_new;
void (*f2)(rd_kafka_conf_t *) = rd_kafka_conf_destroy;
rd_kafka_conf_res_t (*f3)(rd_kafka_conf_t *, const char *, const char *, char *, size_t) = rd_kafka_conf_set;
rd_kafka_t *(*f4)(rd_kafka_type_t, rd_kafka_conf_t *, char *, size_t) = rd_kafka_new;
void (*f5)(rd_kafka_t *) = rd_kafka_destroy;
rd_kafka_resp_err_t (*f6)(rd_kafka_t *) = rd_kafka_poll_set_consumer;
rd_kafka_resp_err_t (*f7)(rd_kafka_t *) = rd_kafka_consumer_close;
rd_kafka_queue_t *(*f8)(rd_kafka_t *) = rd_kafka_queue_get_consumer;
void (*f9)(rd_kafka_queue_t *) = rd_kafka_queue_destroy;
rd_kafka_topic_partition_list_t *(*f10)(int) = rd_kafka_topic_partition_list_new;
void (*f11)(rd_kafka_topic_partition_list_t *) = rd_kafka_topic_partition_list_destroy;
rd_kafka_topic_partition_t *(*f12)(rd_kafka_topic_partition_list_t *, const char *, int32_t) = rd_kafka_topic_partition_list_add;
rd_kafka_resp_err_t (*f13)(rd_kafka_topic_partition_list_t *, const char *, int32_t, int64_t) = rd_kafka_topic_partition_list_set_offset;
rd_kafka_resp_err_t (*f14)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) = rd_kafka_assign;
ssize_t (*f15)(rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t) = rd_kafka_consume_batch_queue;
void (*f16)(rd_kafka_message_t *) = rd_kafka_message_destroy;
const char *(*f17)(const rd_kafka_message_t *) = rd_kafka_message_errstr;
int64_t (*f18)(const rd_kafka_message_t *, rd_kafka_timestamp_type_t *) = rd_kafka_message_timestamp;
rd_kafka_resp_err_t (*f19)(const rd_kafka_message_t *, rd_kafka_headers_t **) = rd_kafka_message_headers;
rd_kafka_resp_err_t (*f20)(const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *) = rd_kafka_header_get_all;
void (*f21)(rd_kafka_conf_t *, void (*)(rd_kafka_t *, int, const char *, void *)) = rd_kafka_conf_set_error_cb;
void (*f22)(rd_kafka_conf_t *, void *) = rd_kafka_conf_set_opaque;
