// Package kafkaclient says in franz-go's words what --brokers and --kafka-property say in
// librdkafka's, and finds out why Kafka cannot be reached with them.
//
//	seeds.go     --brokers               diagnose.go  from --brokers to what is advertised
//	security.go  TLS and SASL
//	key.go       a key with a password   talk.go      one address: what is spoken there
//	oidc.go      tokens for SASL         cause.go     what happened, at which address, what to do
//	ask.go       librdkafka asks
//
// Whoever reads or writes, it is asked here: librdkafka says of most causes that a transport failed,
// and two libraries would have two sets of words.
package kafkaclient
