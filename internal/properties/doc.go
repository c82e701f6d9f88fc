// Package properties knows librdkafka's properties without librdkafka: which there are, by which
// names, for whom, and what values they take. --kafka-property takes them whoever talks to Kafka,
// also in a build without C.
//
// librdkafka.tsv is librdkafka's own table, without its descriptions and without what only C can
// set. A test of producer/librdkafka compares it with the linked library, and writes it anew:
//
//	go generate ./producer/librdkafka
//
// A column each: name, that of which it is an alias, C or P (for consumers or producers alone) or
// *, kind, default, range, and whether it is one of topics, which may be said with the prefix
// "topic.".
package properties
