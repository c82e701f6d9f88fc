// Package certs has the certificates of TLS listeners, of the admin port and of clients. Those of
// listeners and of the admin port are read again when they change.
//
//	--tls-cert, --tls-key, --tls-client-ca ──► Files ──► reload.Value ──► Store.Config ──► handshakes
//
// A handshake takes the newest configuration, so a rotation touches no connection. What cannot be
// used leaves the old one in use.
package certs
