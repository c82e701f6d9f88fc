// Compiled by TestDeclarations, with librdkafka's own header and, with OURS defined, without. Where
// both are there, a function or type that they declare differently is an error.
#ifndef OURS
#include <rdkafka.h>
#endif
#include "../librdkafka.h"

#define SAME(a, b) _Static_assert((long)(a) == (long)(b), #a " is not " #b)

#ifndef OURS
SAME(RD_KAFKA_PRODUCER, RT_PRODUCER);
SAME(RD_KAFKA_CONSUMER, RT_CONSUMER);
SAME(RD_KAFKA_RESP_ERR_NO_ERROR, 0);
SAME(RD_KAFKA_CONF_OK, 0);
SAME(RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD, RT_ERR_INVALID_DIFFERENT_RECORD);
SAME(RD_KAFKA_RESP_ERR__FATAL, RT_ERR_FATAL);
SAME(RD_KAFKA_RESP_ERR__QUEUE_FULL, RT_ERR_QUEUE_FULL);
SAME(RD_KAFKA_RESP_ERR_INVALID_RECORD, RT_ERR_INVALID_RECORD);
SAME(RD_KAFKA_MSG_F_COPY, RT_F_COPY);
SAME(RD_KAFKA_MSG_F_PARTITION, RT_F_PARTITION);
SAME(RD_KAFKA_MSG_STATUS_NOT_PERSISTED, RT_STATUS_NOT_PERSISTED);
SAME(RD_KAFKA_PURGE_F_QUEUE, RT_PURGE_QUEUE);
SAME(RD_KAFKA_PURGE_F_INFLIGHT, RT_PURGE_INFLIGHT);
SAME(RD_KAFKA_PURGE_F_NON_BLOCKING, RT_PURGE_NON_BLOCKING);
SAME(RD_KAFKA_VTYPE_END, RT_V_END);
SAME(RD_KAFKA_VTYPE_RKT, RT_V_RKT);
SAME(RD_KAFKA_VTYPE_PARTITION, RT_V_PARTITION);
SAME(RD_KAFKA_VTYPE_VALUE, RT_V_VALUE);
SAME(RD_KAFKA_VTYPE_KEY, RT_V_KEY);
SAME(RD_KAFKA_VTYPE_OPAQUE, RT_V_OPAQUE);
SAME(RD_KAFKA_VTYPE_MSGFLAGS, RT_V_MSGFLAGS);
SAME(RD_KAFKA_VTYPE_HEADER, RT_V_HEADER);
SAME(RD_KAFKA_VTYPE_HEADERS, RT_V_HEADERS);
#endif

#define FIELD(type, name, at, size) SAME(offsetof(type, name), at); SAME(sizeof(((type *)0)->name), size)

FIELD(rd_kafka_message_t, err, 0, 4);
FIELD(rd_kafka_message_t, rkt, 8, 8);
FIELD(rd_kafka_message_t, partition, 16, 4);
FIELD(rd_kafka_message_t, payload, 24, 8);
FIELD(rd_kafka_message_t, len, 32, 8);
FIELD(rd_kafka_message_t, key, 40, 8);
FIELD(rd_kafka_message_t, key_len, 48, 8);
FIELD(rd_kafka_message_t, offset, 56, 8);
FIELD(rd_kafka_message_t, _private, 64, 8);
SAME(sizeof(rd_kafka_message_t), 72);
