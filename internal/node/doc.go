// Package node puts a Ringtail together: the rings, what writes them to Kafka, the server that
// fills them, and the admin port. It takes it apart again without losing a record.
//
//	start   rings, or files and what they hold ─ admin (/readyz 503) ─ sink: is Kafka there, does the topic fit?
//	        ─ sink starts ─ server listens ─ "ringtail: ready"
//	stop    server drains (nobody pushes any more) ─ sink drains (all is in Kafka)
//	        ─ server says the last acks ─ ring files note what is kept ─ admin ends ─ "drained …"
//
// server and producer do not know each other. This package connects them by callbacks:
//
//	sink ──room was freed──► server.AcksMoved
//	sink ──set aside───────► server.Refused
//	sink ──topic's limit───► server.SetMaxRecordBytes
//	server ◄──where from──── sink (RemoteOf, for dead letters)
//
// The server is made after Kafka has been reached, so that no client is accepted before its records
// can be written. A callback that comes earlier finds no server yet.
//
// Files:
//
//	options.go     the flags of serve, and what is wrong with them; listen.go  --listen
//	node.go        the way to "ready"; start.go  the line that says so; check.go  the same without serving
//	inuse.go       who has an address that cannot be had
//	rings.go       the rings, and what their files hold; sink.go  what empties them
//	memory.go      the control group's limit; processors.go  GOMAXPROCS
//	who.go         who may connect; files.go  certificates and tokens; header.go  --header
//	admin.go       the admin port; access.go  who may ask it; scrapes.go  when Prometheus comes by
//	page.go        the page; events.go  what it reads once a second; connections.go  /connections
//	sampler.go     a look at everything once a second; facts.go  what it finds; timeline.go  ten minutes of it
//	verdict.go     what is wrong, as a metric and in the log; status.go  /status; warnings.go  the last ones
//	usage.go       what the process takes
//	signals.go     what ends a node, and what it obeys; reload.go  SIGHUP; notify.go  systemd
//	takeover.go    SIGUSR2: another process takes over; inherit.go  that process's side
//	stop.go        the way to "drained"; ledger.go  the counts of that line; stderr.go  its output
package node
