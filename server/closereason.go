package server

import "github.com/ringtail/ringtail/server/ack"

// closeReason says why a connection ended: the label of connections_closed_total.
type closeReason uint8

const (
	closedNot          closeReason = iota
	closedByClient                 // its FIN, everything before it taken
	closedReset                    // the client's reset, or an error of the socket
	closedForeign                  // speaks something else
	closedStream                   // the stream cannot be followed any more
	closedTLS                      // what came is no TLS, or ended inside of a TLS record
	closedFrame                    // an unfinished record older than --frame-timeout, or lines unread for so long that others wait for
	closedIdle                     // nothing for --idle-timeout
	closedAge                      // --max-connection-age
	closedSilent                   // no record for --first-record-timeout
	closedDrain                    // stopping, and the client was silent
	closedCutOff                   // stopping, and the client went on sending
	closedUnauthorized             // it did not begin with a token of --token-file
	closedError                    // our own fault: no descriptor, no memory
	closeReasons
)

var closeReasonNames = [closeReasons]string{
	"", "client", "reset", "foreign", "bad_stream", "tls", "frame_timeout", "idle_timeout",
	"max_age", "first_record_timeout", "drain", "cut_off", "unauthorized", "error",
}

func (r closeReason) String() string { return closeReasonNames[r] }

// closedBy is why a connection ended whose client took nothing of its lines for too long.
var closedBy = [...]closeReason{ack.NoLimit: closedNot, ack.IdleTimeout: closedIdle, ack.FrameTimeout: closedFrame}

// refusal says why a connection was closed before it could send a record: the label of
// connections_refused_total.
type refusal uint8

const (
	refusedMax         refusal = iota // --max-connections
	refusedPerIP                      // --max-connections-per-ip
	refusedDescriptors                // no descriptor left, or too few
	refusedError                      // the socket died before it could be read
	refusedDenied                     // --deny, or not in --allow
	refusedProxy                      // its PROXY header is missing, wrong or too late, or it is not of --proxy-from
	refusedTLS                        // its handshake failed, was too late, or was given up for a newer one
	refusals
)

var refusalNames = [refusals]string{
	"max_connections", "max_connections_per_ip", "descriptors", "error", "denied", "proxy_header", "tls_handshake",
}

func (r refusal) String() string { return refusalNames[r] }
