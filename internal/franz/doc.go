// Package franz says in franz-go's words what --brokers and --kafka-property say in
// librdkafka's.
package franz
