// Package ack tells clients what has become of their records, for listeners with --ack kafka.
//
//	 event loop, pauser              Domain, one an event loop                    the client
//
//	 records into rings ──► Conn.Framed ──► checkpoints, items by ring
//	                                              ▲
//	 rings ── Acked() ────────────────────► Pass, by the acker ──► lines ──► {"acked":N}
//	 a record refused later ──► Conn.Refused ──►  │                          {"rejected":K,"reason":…}
//	 the connection ends ─────► Conn.Linger ──►   └─ all is said ──► our FIN, its FIN, close
//
//	domain.go       Domain and Conn: what the server calls, and the invariants
//	unsent.go       lines that the client has not taken
//	checkpoints.go  which records are done
//	acker.go        the goroutine that writes lines, and ends connections
//	wire.go         the lines
//
// The package knows the server by the funcs of Options only, rings by Position, and sockets by
// their descriptors.
package ack
