// Package config is how a flag of ringtail gets its value.
//
//	command line ──►┐
//	RINGTAIL_… ────►├─ the first that says something ──► the flag
//	--config FILE ─►│
//	default ───────►┘
//
// A flag, a variable and a key of the file are the same thing by three names:
// --ring-bytes, RINGTAIL_RING_BYTES, ring-bytes. Errors say which of the three it
// was, because that is where the reader has to go. Repeatable flags are lists in
// the file and comma-separated in the environment; a list replaces the one of the
// next source. Only Kafka's properties are merged, each by its name: a secret then
// need not be where the others are.
//
//	file:         kafka-property: {security.protocol: sasl_ssl, sasl.username: me}
//	environment:  RINGTAIL_KAFKA_PROPERTY_SASL_PASSWORD=…
//	command line: -X linger.ms=20
//
// A verb without --config (a tool) takes only from the environment what says which
// Kafka, and how it is let in: brokers, topic and properties.
//
// The types Size, Count, PerSecond, Rate, Duration, List and Properties are the flags' types.
package config
