// Package certs has the certificates of TLS listeners: it reads their files, and reads them again
// when they change.
//
//	--tls-cert, --tls-key, --tls-client-ca ──► Files ──► load ──► Store.Config ──► handshakes
//	                                             ▲                    ▲
//	                                             └── Run: has anything changed? ──┘
//
// A handshake takes the newest configuration, so a rotation touches no connection. What cannot be
// loaded leaves the old one in use.
package certs
