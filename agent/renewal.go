package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fountain/internal/logkey"
	"fountain/sync/jobs"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/wire"
)

// When a certificate is renewed, and a new one tried.
const (
	renewLook  = time.Hour        // how often its end is looked at at least, and a refused renewal tried again
	nextAgain  = 5 * time.Minute  // a new certificate that did not connect is tried again, while the old one works
	nextStuck  = 30 * time.Second // neither connects: they take turns
	renewShare = 3                // one of a short life is renewed when a third is left
)

// errRenewed ends a session so that the next one connects with a new certificate.
var errRenewed = errors.New("a new certificate is tried")

// renewal is what is known of a renewal under way, guarded by the cloud's mutex.
//
//	end near, job ──due──► Renew on the unit's own connection ──► session ends ──► proveNext ──works──► Switch
//	                                                                                   └── else the old one, and again
type renewal struct {
	due chan struct{} // one signal: somebody asked
	err error         // why the last attempt came to nothing
	n   int           // attempts that did
	got time.Time     // when this process got the certificate in use; zero: it did not
}

// inUse notes by which certificate the unit connects.
func (c *cloud) inUse(id provision.Identity, cert tls.Certificate) {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cert, c.until = id.CertificateID, time.Time{}
	if err == nil {
		c.until = leaf.NotAfter
	}
}

// proveNext connects once with a certificate that is to replace the one in use. Only when that worked it is switched to;
// until then the old one counts, here and in the cloud. waits tells that there is one and it did not connect.
func (c *cloud) proveNext(ctx context.Context, ep endpoints, roots *x509.CertPool, id provision.Identity) (_ provision.Identity, waits bool) {
	next, err := provision.Next(c.dir())
	if errors.Is(err, provision.ErrNone) {
		if err := provision.Tidy(c.dir()); err != nil {
			c.a.log.Warn("tidy up the identity", slog.Any(logkey.Err, err))
		}
		return id, false
	}
	if err == nil {
		var cert tls.Certificate
		if cert, err = next.Certificate(); err == nil {
			var conn *mqttlink.Conn
			if conn, err = c.dial(ctx, ep, roots, next.Thing, cert); err == nil {
				conn.Close()
				if serr := provision.Switch(c.dir(), next); serr != nil { // it counts all the same: the cloud takes the old one away
					c.a.log.Warn("keep that the certificate is renewed", slog.Any(logkey.Err, serr))
				}
				c.mu.Lock()
				c.renewal.got = time.Now()
				c.mu.Unlock()
				_ = sleep(ctx, mqttlink.ConnectGap) // ends with the session
			}
		}
	}
	if err != nil {
		c.a.log.Warn("the new certificate does not connect, the old one stays", slog.Any(logkey.Err, err))
		return id, true
	}
	c.a.log.Info("the certificate is renewed", logkey.Thing, next.Thing)
	return next, false
}

// watchNext ends a session by the old certificate when it does not come up either: the cloud may have taken the new one
// for proven although its answer got lost.
func (c *cloud) watchNext(ctx context.Context, link *mqttlink.Link, end context.CancelCauseFunc) {
	for {
		if err := sleep(ctx, nextStuck); err != nil {
			return
		}
		if link.State().Phase != mqttlink.Online {
			end(errRenewed)
			return
		}
	}
}

// renew keeps the certificate young, on one connection.
func (c *cloud) renew(ctx context.Context, conn *mqttlink.Conn) error {
	for {
		next, err := provision.Next(c.dir())
		if err != nil {
			break
		}
		if err := sleep(ctx, nextAgain); err != nil {
			return err
		}
		if next.CertificateID == c.status().Certificate { // the disk had no room to say so
			err = provision.Switch(c.dir(), next)
		} else { // it was tried, and the old one is what connects
			err = provision.Missed(c.dir())
			c.endSession(errRenewed)
		}
		if err != nil {
			c.a.log.Warn("keep how the new certificate fared", slog.Any(logkey.Err, err))
		}
	}
	wait := c.renewIn()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.renewal.due:
		case <-time.After(min(wait, renewLook)):
			if wait = c.renewIn(); wait > 0 {
				continue
			}
		}
		err := provision.Renew(ctx, provision.Config{Dir: c.dir(), Template: wire.RotationTemplate, Serial: c.a.serial, Log: c.a.log}, conn)
		switch {
		case err == nil:
			c.endSession(errRenewed)
			<-ctx.Done()
			return ctx.Err()
		case ctx.Err() != nil:
			return ctx.Err()
		}
		c.a.log.Warn("renew the certificate", slog.Any(logkey.Err, err))
		c.mu.Lock()
		c.renewal.err = err
		c.renewal.n++
		c.mu.Unlock()
		wait = renewLook
	}
}

// renewIn is how long the certificate in use needs no other yet; not above 0: it is due.
func (c *cloud) renewIn() time.Duration {
	id, err := provision.LoadIdentity(c.dir())
	if err != nil {
		return renewLook
	}
	pair, err := id.Certificate()
	if err != nil {
		return renewLook
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return renewLook
	}
	c.mu.Lock()
	got := c.renewal.got
	c.mu.Unlock()
	return dueIn(leaf, c.a.cfg.Config.Cloud.RenewBefore, c.clock(), got)
}

// dueIn is how long a certificate needs no other yet. One that this process got is good for a part of its life, whatever
// the clock says: with a wrong one it would be renewed for ever.
func dueIn(leaf *x509.Certificate, before time.Duration, now, got time.Time) time.Duration {
	part := leaf.NotAfter.Sub(leaf.NotBefore) / renewShare
	if before = min(before, part); before <= 0 {
		return renewLook
	}
	wait := leaf.NotAfter.Sub(now) - before
	if !got.IsZero() {
		wait = max(wait, time.Until(got.Add(part)))
	}
	return wait
}

// endSession ends the session under way, if there is one.
func (c *cloud) endSession(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.end(why)
	}
}

// rotate is the job that renews the certificate.
type rotate struct{ a *Agent }

var _ jobs.Runner = rotate{}

// Check implements jobs.Runner.
func (rotate) Check(document json.RawMessage) error {
	_, err := wire.DecodeJob[wire.JobDocument](document)
	return err
}

// Limit implements jobs.Runner.
func (rotate) Limit() time.Duration { return time.Hour }

// Run implements jobs.Runner. The step is the certificate that was in use when the job began.
func (r rotate) Run(ctx context.Context, t *jobs.Task) (map[string]string, error) {
	c := r.a.cloud
	state := func() (cert string, until time.Time, n int, err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.cert, c.until, c.renewal.n, c.renewal.err
	}
	old := t.Step
	cert, _, before, _ := state()
	if old == "" {
		old = cert
		if err := t.Note(old); err != nil {
			return nil, err
		}
	}
	if cert == old {
		wake(c.renewal.due)
	}
	for {
		now, until, n, err := state()
		switch {
		case now != "" && now != old:
			r.a.audit.note(byCloud(t), "certificate renewed", "", "done")
			return map[string]string{"certificate": now, "replaces": old, "valid_until": until.UTC().Format(time.RFC3339)}, nil
		case n != before:
			return nil, fmt.Errorf("the cloud gives no new certificate: %w", err)
		}
		if err := sleep(ctx, calmEvery); err != nil {
			return nil, err
		}
	}
}
