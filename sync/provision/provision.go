// Package provision gives a new unit its identity by fleet provisioning: with a claim certificate that is good for
// nothing else it asks for a certificate for a key that never leaves the unit, and registers its thing.
//
//	key (0600, fsync) ─► claim connection ─► CSR ─► pending (fsync) ─► register ─► identity (fsync)
//	                                                    ─► connection with the new identity ─► confirmed
//
// Renew replaces the certificate by the same messages, on the unit's own connection. The new pair lies beside the old one
// (device-N.key, device-N.crt) until its first connection worked; one write of identity.json switches.
//
//	found beside a confirmed identity     | interrupted in             | continues with
//	device-N.key                          | before or during CSR       | Renew: CSR with the same key
//	device-N.*, next.json                 | before or during register  | Renew: register with the same token
//	the same, next.json registered        | before the first connection| Next: the unit tries it, then the old one, in turns
//	device-N.* of identity.json           | -                          | nothing to do; other pairs are removed
//
// Leave, Told and Wipe take a unit out of service: LeavingFile first, so that a start finishes what was begun.
//
// It may import wire and internal packages. The identity directory is its state; one process calls Ensure at a time.
// After a crash Ensure continues by what it finds:
//
//	found in the directory                | interrupted in             | continues with
//	nothing                               | before the key             | making a key
//	device.key                            | before or during CSR       | CSR with the same key; an unused certificate dies after 1 h
//	device.key, pending.json              | before or during register  | register with the same token; token refused: CSR again
//	device.key, device.crt, identity.json | before the first connection| connecting with the new identity
//	the same, confirmed                   | -                          | nothing to do
package provision

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"
)

// Files of an identity directory.
const (
	KeyFile      = "device.key"    // PEM, ECDSA P-256, mode 0600
	CertFile     = "device.crt"    // PEM
	PendingFile  = "pending.json"  // certificate and token between CSR and register
	IdentityFile = "identity.json" // thing and state; its presence makes the directory an identity
	NextFile     = "next.json"     // a certificate that is to replace the one in use
	LeavingFile  = "leaving.json"  // the unit is decommissioned, or on its way to it
)

// Identity is who a unit is.
type Identity struct {
	Thing         string
	CertificateID string
	CertFile      string // absolute when the directory is
	KeyFile       string
	Confirmed     bool              // a connection with it worked
	Device        map[string]string // deviceConfiguration of the template

	generation int // how often the certificate was renewed
}

// Conn is a connection made with the claim or the new identity.
type Conn interface {
	Publish(ctx context.Context, topic string, qos byte, payload []byte) error
	Subscribe(ctx context.Context, handler func(topic string, payload []byte), filters ...string) error
	Lost() <-chan struct{}
	Close()
}

// Dialer makes one connection with a certificate and a client id (mqttlink.Dial behind a closure).
type Dialer func(ctx context.Context, clientID string, cert tls.Certificate) (Conn, error)

// Config of Ensure.
type Config struct {
	Dir        string // identity directory; made with mode 0700 when absent
	Template   string // name of the provisioning template
	Serial     string // parameter SerialNumber
	Parameters map[string]string
	ClaimCert  string // files of the claim
	ClaimKey   string
	// Thing is the name the template will give, if the configuration knows it. It lets a unit whose registration was
	// answered into the void recognise that it is already registered.
	Thing string
	// ForgetClaim removes the claim's files once the new identity is confirmed. Leave it off for a claim that
	// several units share.
	ForgetClaim bool
	Timeout     time.Duration // for each answer; default 15 s
	Log         *slog.Logger

	step func(name string) error // test seam: called before each durable or remote step
}
