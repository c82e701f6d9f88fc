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

_Static_assert(RD_KAFKA_RESP_ERR__TIMED_OUT == -185, "timed out");
_Static_assert(RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS == -175 && RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS == -174, "changes of the group");

struct partition {
	char *topic;
	int32_t partition;
	int64_t offset;
	void *metadata;
	size_t metadata_size;
	void *opaque;
	int err;
	void *_private;
};
#define SAME_PARTITION(field) _Static_assert(offsetof(struct partition, field) == offsetof(rd_kafka_topic_partition_t, field), #field)
SAME_PARTITION(topic);
SAME_PARTITION(partition);
SAME_PARTITION(offset);
SAME_PARTITION(err);
_Static_assert(sizeof(struct partition) == sizeof(rd_kafka_topic_partition_t), "size");

struct list {
	int cnt, size;
	struct partition *elems;
};
_Static_assert(offsetof(struct list, cnt) == offsetof(rd_kafka_topic_partition_list_t, cnt), "cnt");
_Static_assert(offsetof(struct list, elems) == offsetof(rd_kafka_topic_partition_list_t, elems), "elems");

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
rd_kafka_topic_partition_list_t *(*f13)(const rd_kafka_topic_partition_list_t *) = rd_kafka_topic_partition_list_copy;
rd_kafka_resp_err_t (*f14)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) = rd_kafka_assign;
ssize_t (*f15)(rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t) = rd_kafka_consume_batch_queue;
void (*f16)(rd_kafka_message_t *) = rd_kafka_message_destroy;
const char *(*f17)(const rd_kafka_message_t *) = rd_kafka_message_errstr;
int64_t (*f18)(const rd_kafka_message_t *, rd_kafka_timestamp_type_t *) = rd_kafka_message_timestamp;
rd_kafka_resp_err_t (*f19)(const rd_kafka_message_t *, rd_kafka_headers_t **) = rd_kafka_message_headers;
rd_kafka_resp_err_t (*f20)(const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *) = rd_kafka_header_get_all;
void (*f21)(rd_kafka_conf_t *, void (*)(rd_kafka_t *, int, const char *, void *)) = rd_kafka_conf_set_error_cb;
void (*f22)(rd_kafka_conf_t *, void *) = rd_kafka_conf_set_opaque;
void (*f23)(rd_kafka_conf_t *, void (*)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *)) = rd_kafka_conf_set_rebalance_cb;
rd_kafka_resp_err_t (*f24)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) = rd_kafka_subscribe;
rd_kafka_error_t *(*f25)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) = rd_kafka_incremental_assign;
rd_kafka_error_t *(*f26)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *) = rd_kafka_incremental_unassign;
const char *(*f27)(rd_kafka_t *) = rd_kafka_rebalance_protocol;
int (*f28)(rd_kafka_t *) = rd_kafka_assignment_lost;
rd_kafka_resp_err_t (*f29)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int) = rd_kafka_committed;
rd_kafka_resp_err_t (*f30)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *, int) = rd_kafka_commit;
rd_kafka_resp_err_t (*f31)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *, rd_kafka_queue_t *,
	void (*)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *), void *) = rd_kafka_commit_queue;
rd_kafka_resp_err_t (*f32)(rd_kafka_t *, const char *, int32_t, int64_t *, int64_t *) = rd_kafka_get_watermark_offsets;
rd_kafka_queue_t *(*f33)(rd_kafka_t *) = rd_kafka_queue_new;
rd_kafka_event_t *(*f34)(rd_kafka_queue_t *, int) = rd_kafka_queue_poll;
rd_kafka_resp_err_t (*f35)(rd_kafka_event_t *) = rd_kafka_event_error;
void (*f36)(rd_kafka_event_t *) = rd_kafka_event_destroy;
rd_kafka_resp_err_t (*f37)(const rd_kafka_error_t *) = rd_kafka_error_code;
rd_kafka_resp_err_t (*f39)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int) = rd_kafka_offsets_for_times;
void (*f38)(rd_kafka_error_t *) = rd_kafka_error_destroy;
