package server

import "time"

// ListenerStats are the counts of one listener.
type ListenerStats struct {
	Listener    string            `json:"listener"` // its URL
	Connections int               `json:"connections"`
	Opened      uint64            `json:"opened"`
	Refused     map[string]uint64 `json:"refused"`
	Closed      map[string]uint64 `json:"closed"`
	Records     uint64            `json:"records"`
	Bytes       uint64            `json:"bytes"`
	Rejected    map[string]uint64 `json:"rejected"`
}

// RejectSample is the last record that was rejected for a reason, as far as it may be shown.
type RejectSample struct {
	Reason   string    `json:"reason"`
	Count    uint64    `json:"count"`
	At       time.Time `json:"at,omitzero"` // of the last; zero, as all below: it is not known, or not shown
	Remote   string    `json:"remote"`
	Listener string    `json:"listener"`
	Bytes    int       `json:"bytes"`  // its size
	Sample   string    `json:"sample"` // at most 64 bytes of it; what cannot be printed is \x and two digits
}

// StageTimes are sums over all records that were routed: how long the reads that brought them were
// not taken because there was no room, no memory, or too fast a client; and how long the event loops
// worked on them, from the beginning of a read until its records are in their rings. They are seconds:
// one of a million records that wait adds a million, and a time.Duration would be full within hours.
type StageTimes struct {
	Socket, Parse float64
}

// ConnectionQuery says which connections to return.
type ConnectionQuery struct {
	ID     uint64 // this one alone; 0: any
	Search string // its address, or its client's name, contains this
	Limit  int    // at most so many, those with the highest rates first
}

// Connection is what is known of one connection.
type Connection struct {
	ID       uint64    `json:"id,string"`
	Remote   string    `json:"remote"`
	Listener string    `json:"listener"`
	Name     string    `json:"name,omitempty"` // the client's, as its certificate or token has it
	Since    time.Time `json:"since"`
	State    string    `json:"state"`          // reading, or what it waits for: room, memory, rate, acks; or closing
	Ring     string    `json:"ring,omitempty"` // state room: which
	Records  uint64    `json:"records"`
	Bytes    uint64    `json:"bytes"`
	Rejected uint64    `json:"rejected"`
	Unacked  uint64    `json:"unacked"`            // records that its client was not told of yet; 0 without acks
	Rate     float64   `json:"records_per_second"` // of the last seconds
}
