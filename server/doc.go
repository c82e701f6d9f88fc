// Package server takes records from very many connections into the rings of package shard, and
// tells clients what has become of their records, if they ask for acks.
//
//	clients          event loops (gnet)                            rings (shard)
//
//	 TCP  ──► accept ──► loop 0 ─ intake: frames, checks, lanes ───► 0 ─┐
//	 unix ──► accept ──► loop 1 ─ intake …         one claim a lane ─► 1 ─┤
//	             │          │ ▲                                      …    ├─► writer
//	          refused       │ │ EnrollContext                        9 ─┤
//	                        ▼ │                                   dead ─┘
//	                       pauser                                    │ acked
//	          (room · memory · lines unread)                         ▼
//	                                        AcksMoved ──► ackers, one a loop
//	 {"acked":N} ◄──────────────────────────────────────────┘
//
// The way of a chunk: loop.go:OnTraffic → intake.go:take → lanes.go:put, for each record, and
// publish → ack/domain.go:Framed.
//
// Who runs what:
//
//	a loop        OnOpen, OnTraffic, OnClose, check: everything of the connections that it has
//	accept        one goroutine a listener; one for each socket on its way to a loop
//	greeting      one for each connection that owes a PROXY header or a TLS handshake
//	pauser        one goroutine: every connection that no loop may read for now
//	acker         one a loop, with --ack kafka: learns what is done, writes to sockets
//	ticker        served time, deadlines
//
// The files, from the top. A file uses those below it, and none above:
//
//	drain.go         Drain and Finish: how a server stops, step by step
//	server.go        Server: New, Start, and what its user calls; options.go; alive.go  does it progress
//	reload.go        the options that change while it runs; takeover.go  its listeners for another process
//	metrics.go       Prometheus
//	connections.go   which connections are the busiest; insight.go  what is told of them, and of listeners
//	ticker.go        moves served time on, asks for checks of deadlines
//
//	accept.go        new connections: admitted and handed over, or refused
//	greeting.go      those that owe something before their records; proxyheader.go a PROXY header
//	listener.go      one --listen; unixsocket.go whose a socket's file is; systemd.go inherited ones
//	check.go         whether one could be had now
//	handover.go      a socket's way to its event loop, and back to it
//
//	loop.go          gnet's callbacks: connections that are read as they send
//	coalesce.go      when a loop rests, so that one read brings more
//	reserve.go       a descriptor for when no other can be had
//
//	pauser.go        the goroutine that has the connections which are not read
//	system_linux.go  what that asks the kernel; system_darwin.go: another one
//	turns.go         whose turn it is to have room
//	advance.go       the next thing to do for one connection
//	peek.go          reading without memory; tlsread.go reading what is encrypted
//	pause.go         the states in which a connection waits, and how it enters and leaves them
//
//	connenv.go       what a goroutine needs that has connections; how a connection ends
//	registry.go      all connections, and which loop each has
//	intake.go        bytes in, records out: accepted, rejected, or waiting; intakeenv.go what it needs
//	samples.go       what the last rejected records were; clients' bytes in the log
//	lanes.go         the records of a chunk on their way into rings
//	overflow.go      what was read and has to wait
//	deadlines.go     whose time is up
//	backpressure.go  who waits for what; backpressure_seconds_total
//	budget.go        --client-memory
//	token.go         the token that comes before the records; clients.go counts by name
//	rates.go         --max-rate-per-ip, --max-rate-per-connection
//	headers.go       --header: what a record's headers tell of its client
//	admission.go     limits on connections
//
//	conn.go          one connection; connlist.go orders them by age; connfacts.go is for others to read
//	tlsconn.go       its TLS; tls.go where it meets the rest; tlsbuffers.go crypto/tls's memory
//	clock.go         served time; stages.go the stages of a drain
//	counters.go      Stats; listenercounts.go the same by listener; closereason.go why connections end
//	log.go           how much is logged
//	ack/             what clients are told of their records
//
// The server never imports the writer, nor the writer the server: they meet in the rings, and cmd
// ties AcksMoved and Refused to the writer's callbacks.
package server
