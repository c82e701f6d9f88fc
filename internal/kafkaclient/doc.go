// Package kafkaclient says in franz-go's words what --brokers and --kafka-property say in
// librdkafka's, and finds out why Kafka cannot be reached with them.
//
//	seeds.go     --brokers               diagnose.go  from --brokers to what is advertised
//	security.go  TLS and SASL            talk.go      one address: what is spoken there
//	ask.go       librdkafka asks         cause.go     what happened, at which address, what to do
//
// Whoever reads or writes, it is asked here: librdkafka says of most causes that a transport failed,
// and two libraries would have two sets of words.
package kafkaclient
