// Package server takes records from very many connections into the rings of package
// shard, and tells clients that want to know what has become of them.
//
//	clients          event loops (gnet)                            rings (shard)
//
//	 TCP  ──► accept ──► loop 0 ─ intake: frames, verdicts, lanes ──► 0 ─┐
//	 unix ──► accept ──► loop 1 ─ intake …          one claim a lane ─► 1 ─┤
//	             │          │ ▲                                      …    ├─► writer
//	          refused       │ │ EnrollContext                        9 ─┤
//	                        ▼ │                                   dead ─┘
//	                       pauser                                    │ acked
//	          (room · memory · lines unread)                         ▼
//	                                        AcksMoved ──► ackers, one a loop
//	 {"acked":N} ◄──────────────────────────────────────────┘
//
// Who runs what:
//
//	a loop        OnOpen, OnTraffic, OnClose, check: everything of the connections it has
//	accept        one goroutine a listener; one for each socket on its way to a loop
//	pauser        one goroutine: every connection that no loop may read for now
//	acker         one a loop, with --ack kafka: settles checkpoints, writes to sockets
//	ticker        served time, deadlines
//
// The way of a chunk: loop.go:OnTraffic → intake.go:take (admit, push) → ack/domain.go:Framed.
//
//	accept.go       listeners, welcome
//	admission.go    limits on connections
//	handover.go     a socket's way to a loop, and its end; a descriptor for when there is no other
//	loop.go         gnet's callbacks
//	pace.go         when a loop rests, so that reads bring more
//	intake.go       the state machine: bytes in, records out, positions to wait for;
//	                admit.go whether a record has room
//	overflow.go     what was read and has to wait
//	pauser.go       connections that are not read, and the states they wait in
//	advance.go      what is done for one of them; look.go reading with and without memory
//	rooms.go        who waits for a ring or for memory, and whose turn it is;
//	                backpressure_seconds_total
//	budget.go       --client-memory
//	ack/            what clients are told of their records
//	deadlines.go    served time; frame, idle, first-record and age limits
//	drain.go        stopping
//	counters.go     Stats; metrics.go Prometheus; warnings.go the log
//
// The server never imports the writer, nor the writer the server: they meet in the
// rings, and cmd ties AcksMoved and Refused to the writer's callbacks.
package server
