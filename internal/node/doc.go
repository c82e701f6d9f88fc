// Package node puts a Ringtail together: rings, what writes them, the server that
// fills them, the admin port; and takes it apart again without losing a record.
//
//	start   rings, or files and what they hold ─ admin (/readyz 503) ─ sink: is Kafka there, does the topic fit?
//	        ─ sink starts ─ server listens ─ "ringtail: ready"
//	stop    server drains (nobody pushes any more) ─ sink drains (all is in Kafka)
//	        ─ server says the last acks ─ ring files note what is kept ─ admin ends ─ "drained …"
//
// server and producer do not know each other; the arrows between them are callbacks
// that this package plugs in:
//
//	sink ──room was freed──► server.AcksMoved
//	sink ──set aside───────► server.Refused
//	sink ──topic's limit───► server.SetMaxRecordBytes
//	server ◄──where from──── sink (RemoteOf, for dead letters)
//
// The server is made after Kafka has been reached, so that clients are not taken
// before their records can be. Callbacks that come earlier find no server yet.
package node
