// Package bareunit is a unit's side of the wire without its machine, for tests: an identity that is claimed, a log in
// memory, a link that runs.
//
//	Claim ─► identity        Pours ─► uplink.Uplink ─► Upload (a session) ─► mqttlink.Link ◄─ Run
//
// It imports the packages of sync, and only tests import it. A Pours owns its records.
package bareunit

import (
	"context"
	"crypto/tls"
	"sync"
	"testing"

	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// Claim gets an identity. config says how to connect with a certificate.
func Claim(t testing.TB, cfg provision.Config, config func(clientID string, cert tls.Certificate) mqttlink.Config) (provision.Identity, tls.Certificate) {
	t.Helper()
	id, err := provision.Ensure(t.Context(), cfg, func(ctx context.Context, clientID string, cert tls.Certificate) (provision.Conn, error) {
		c, err := mqttlink.Dial(ctx, config(clientID, cert))
		if err != nil {
			return nil, err // and no Conn with nothing in it
		}
		return c, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := id.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return id, cert
}

// Upload is what a unit's log does on each connection.
func Upload(thing string, up *uplink.Uplink) mqttlink.Session {
	return func(ctx context.Context, c *mqttlink.Conn) error {
		shadows, err := shadow.Open(ctx, c, thing)
		if err != nil {
			return err
		}
		ledger, err := shadows.Client(wire.LedgerShadow)
		if err != nil {
			return err
		}
		return up.Serve(ctx, c, ledger)
	}
}

// Run lets a link run until stop is called or the test ends.
func Run(t testing.TB, link *mqttlink.Link) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
