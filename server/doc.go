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
//	              parked connections                                 │ acked
//	    (room · lines unread) frugal reader                          ▼
//	                                        AcksMoved ──► ackers, one a loop
//	 {"acked":N} ◄──────────────────────────────────────────┘
//
// Who runs what:
//
//	a loop        OnOpen, OnTraffic, OnClose, check: everything of the connections it has
//	accept        one goroutine a listener; one for each socket on its way to a loop
//	parked        a goroutine while a connection waits for room
//	frugal        one a loop: reads on for those connections while client memory is short
//	acker         one a loop, with --ack kafka: settles checkpoints, writes to sockets
//	keeper        lets parked connections back when half a ring is free
//	ticker        served time, deadlines
//
// The way of a chunk: loop.go:OnTraffic → intake.go:take (decode, push) → acks.go:framed.
//
//	accept.go     listeners, welcome, hand-over to a loop
//	admission.go  limits on connections
//	loop.go       gnet's callbacks
//	pace.go       when a loop rests, so that reads bring more
//	intake.go     the state machine: bytes in, records out, positions to wait for
//	held.go       batches that found their ring full
//	park.go       connections that are not read, and how connections end
//	pressure.go   who comes back when; backpressure_seconds_total
//	budget.go     --client-memory; frugal.go reading without any
//	acks.go       checkpoints; ackline.go the wire; acker.go the writing
//	deadlines.go  served time; frame, idle and age limits
//	drain.go      stopping
//	counters.go   Stats; metrics.go Prometheus; warnings.go the log
//
// The server never imports the writer, nor the writer the server: they meet in the
// rings, and cmd ties AcksMoved and Refused to the writer's callbacks.
package server
