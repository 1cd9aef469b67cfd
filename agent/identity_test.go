package agent

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/api"
	"fountain/agent/config"
	"fountain/agent/record"
	"fountain/cloud/store"
	"fountain/sync/provision"
	"fountain/sync/wire"
)

// forgive takes refusals that a test provokes from what the cleanup looks at.
func (c *localCloud) forgive() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.denied
	c.denied = nil
	return was
}

// acknowledges writes the ledger, as ingest does, once a log has n records.
func (c *localCloud) acknowledges(v *virtual, n int) {
	v.t.Helper()
	log := v.a.store.Log()
	v.await("the cloud has the records", 5*time.Minute, func() bool { return c.seqs(log) == n })
	c.desire(v.thing(), wire.LedgerShadow, fmt.Sprintf(`{"ack":{%q:{"upto":%d,"missing":[],"seen":%d}}}`, log, n, n))
}

// certificates are a unit's, as the cloud has them: how many, and the id of the only active one.
func (c *localCloud) certificates(thing string) (n int, active string) {
	c.t.Helper()
	has, err := c.db.CertificatesOf(c.t.Context(), thing)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, x := range has {
		if x.Status == store.CertActive {
			if active != "" {
				active = "several"
				break
			}
			active = x.ID
		}
	}
	return len(has), active
}

// TestJobRotate: the job renews the certificate; the cloud takes the old one away; no pour waits for it and none is lost.
func TestJobRotate(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		old, err := provision.LoadIdentity(v.a.cloud.dir())
		if err != nil {
			t.Fatal(err)
		}
		p := v.starts(api.StartPour{Beverage: v.some("water.still", "", ""), TargetUL: 300_000, Mode: api.ModePortion, Source: "touch"})
		c.job(v.thing(), "rot-1", `{"v":1,"operation":"rotate"}`)
		status, details := v.jobEnds(c, "rot-1", 5*time.Minute)
		now, err := provision.LoadIdentity(v.a.cloud.dir())
		if err != nil || status != wire.JobSucceeded || details["certificate"] != now.CertificateID || details["replaces"] != old.CertificateID || now.CertificateID == old.CertificateID {
			t.Fatalf("%s %v: %+v %v", status, details, now, err)
		}
		v.await("the old certificate is gone", time.Minute, func() bool { n, active := c.certificates(v.thing()); return n == 2 && active == now.CertificateID })
		files, err := filepath.Glob(filepath.Join(v.a.cloud.dir(), "device*"))
		if err != nil || len(files) != 2 || !slices.Contains(files, now.KeyFile) {
			t.Errorf("files %v %v", files, err)
		}
		v.await("the pour is in the cloud", time.Minute, func() bool { return c.seqs(v.a.store.Log()) == 1 })
		if done, _ := v.a.view.Pour(p.ID); done.Phase != api.PhaseDone {
			t.Errorf("%+v", done)
		}
		if st := v.a.cloud.status(); st.Certificate != now.CertificateID || st.ValidUntil == nil || st.State != cloudOnline {
			t.Errorf("%+v", st)
		}
		c.job(v.thing(), "rot-2", `{"v":1,"operation":"rotate","now":true}`)
		if status, _ := v.jobEnds(c, "rot-2", time.Minute); status != wire.JobRejected {
			t.Error(status)
		}
	})
}

// endsAt gives a unit that stands still a certificate that ends then, for the key it has, in place of the one that AWS makes.
func (c *localCloud) endsAt(dir string, end time.Time) (id provision.Identity, pair tls.Certificate) {
	c.t.Helper()
	old, err := provision.LoadIdentity(dir)
	if err != nil {
		c.t.Fatal(err)
	}
	if pair, err = old.Certificate(); err != nil {
		c.t.Fatal(err)
	}
	was, err := c.db.Certificate(c.t.Context(), old.CertificateID)
	if err != nil {
		c.t.Fatal(err)
	}
	short, err := c.Authority.IssueUntil(pair.Leaf.PublicKey, pair.Leaf.Subject, end)
	if err != nil {
		c.t.Fatal(err)
	}
	short.Status, short.Things, short.Policies, short.Created, short.Changed = store.CertActive, was.Things, was.Policies, time.Now().UnixMilli(), time.Now().UnixMilli()
	file := filepath.Join(dir, provision.IdentityFile)
	raw, err := os.ReadFile(file)
	if err = errors.Join(err, c.db.PutCertificate(c.t.Context(), short), c.db.SetCertificateStatus(c.t.Context(), old.CertificateID, store.CertInactive, time.Now().UnixMilli()),
		os.WriteFile(old.CertFile, []byte(short.PEM), 0o600),
		os.WriteFile(file, bytes.ReplaceAll(raw, []byte(old.CertificateID), []byte(short.ID)), 0o600)); err != nil {
		c.t.Fatal(err)
	}
	if id, err = provision.LoadIdentity(dir); err != nil || id.CertificateID != short.ID {
		c.t.Fatal(id, err)
	}
	pair, err = id.Certificate()
	if err != nil {
		c.t.Fatal(err)
	}
	return id, pair
}

// standing is what the cloud says of a certificate.
func (c *localCloud) standing(id string) string {
	c.t.Helper()
	got, err := c.db.Certificate(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	return got.Status
}

// TestCertificateIsRenewedInTime: without a job, neither long before its end nor after; the old certificate counts until
// the new one has connected, and no longer.
func TestCertificateIsRenewedInTime(t *testing.T) {
	const before, left = 60 * 24 * time.Hour, 3 * time.Minute // until it is due
	onlineUnit(t, func(cfg *config.Config) { cfg.Cloud.RenewBefore = before }, func(v *virtual, c *localCloud) {
		v.stop()
		old, pair := c.endsAt(v.a.cloud.dir(), time.Now().Add(before+left))
		v = c.start()
		thing := v.thing()
		if st := v.a.cloud.status(); st.Certificate != old.CertificateID {
			t.Fatalf("%+v", st)
		}
		time.Sleep(left - time.Minute)
		if n, _ := c.certificates(thing); n != 2 { // the one AWS made, and this one
			t.Fatalf("%d certificates before it is due", n)
		}
		var next provision.Identity
		v.await("a new one is registered", 2*time.Minute, func() bool {
			var err error
			next, err = provision.Next(v.a.cloud.dir())
			return err == nil
		})
		c.down(true) // it cannot prove itself
		time.Sleep(2 * time.Minute)
		if is := c.standing(old.CertificateID); is != store.CertActive {
			t.Errorf("the old certificate is %s before the new one has connected", is)
		}
		if id, err := provision.LoadIdentity(v.a.cloud.dir()); err != nil || id.CertificateID != old.CertificateID {
			t.Errorf("%+v %v", id, err)
		}
		c.down(false)
		v.await("the unit uses it", 30*time.Minute, func() bool {
			st := v.a.cloud.status()
			return st.State == cloudOnline && st.Certificate == next.CertificateID
		})
		v.await("the old one is taken away", time.Minute, func() bool { return c.standing(old.CertificateID) == store.CertInactive })
		if is := c.standing(next.CertificateID); is != store.CertActive {
			t.Errorf("the new certificate is %s", is)
		}
		if v.a.cloud.renewIn() <= 0 {
			t.Error("the new one ends soon")
		}
		v.pour(v.some("water.still", "", ""), 100_000)
		v.await("a pour comes by it", time.Minute, func() bool { return c.seqs(v.a.store.Log()) == 1 })
		roots, err := readRoots(filepath.Join(c.dir, trustedFile))
		if err != nil {
			t.Fatal(err)
		}
		ep, err := v.a.cloud.endpoints()
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := v.a.cloud.dial(v.t.Context(), ep, roots, thing, pair); err == nil {
			conn.Close()
			t.Error("the old certificate connects")
		}
		c.forgive()
	})
}

// TestNextDoesNotConnect: a new certificate that the cloud does not take leaves the unit on line with the old one, and is
// given up in the end.
func TestNextDoesNotConnect(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		_, old := c.certificates(v.thing())
		c.job(v.thing(), "rot-1", `{"v":1,"operation":"rotate"}`)
		next := ""
		v.await("it is registered", 5*time.Minute, func() bool {
			id, err := provision.Next(v.a.cloud.dir())
			if err != nil {
				return false
			}
			next = id.CertificateID
			return c.db.SetCertificateStatus(v.t.Context(), next, store.CertInactive, time.Now().UnixMilli()) == nil && c.core.Refresh(v.t.Context(), next) == nil
		})
		v.await("the old one connects", 5*time.Minute, v.a.cloud.online)
		v.await("the new one is given up", time.Hour, func() bool { _, err := provision.Next(v.a.cloud.dir()); return err != nil })
		v.await("online", 5*time.Minute, v.a.cloud.online)
		if id, err := provision.LoadIdentity(v.a.cloud.dir()); err != nil || id.CertificateID != old {
			t.Errorf("%+v %v", id, err)
		}
		c.forgive()
	})
}

// TestRenewedOnAFullDisk: a certificate that has connected counts although nothing can be written: the cloud has taken the
// old one away by then. It is written down as soon as that is possible.
func TestRenewedOnAFullDisk(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		dir := v.a.cloud.dir()
		file, aside := filepath.Join(dir, provision.IdentityFile), filepath.Join(dir, "aside")
		old, err := provision.LoadIdentity(dir)
		if err != nil {
			t.Fatal(err)
		}
		var next provision.Identity
		c.mu.Lock()
		c.dials = func() {
			if id, err := provision.Next(dir); err == nil && next.CertificateID == "" {
				next = id
				if err := errors.Join(os.Rename(file, aside), os.Mkdir(file, 0o700)); err != nil { // no file takes a directory's place
					t.Error(err)
				}
			}
		}
		c.mu.Unlock()
		c.job(v.thing(), "rot-1", `{"v":1,"operation":"rotate"}`)
		status, details := v.jobEnds(c, "rot-1", 15*time.Minute)
		c.mu.Lock()
		c.dials = nil
		c.mu.Unlock()
		if status != wire.JobSucceeded || details["certificate"] != next.CertificateID {
			t.Errorf("%s %v", status, details)
		}
		time.Sleep(time.Hour)
		if st := v.a.cloud.status(); st.State != cloudOnline || st.Certificate != next.CertificateID {
			t.Errorf("%+v", st)
		}
		if err := errors.Join(os.Remove(file), os.Rename(aside, file)); err != nil {
			t.Fatal(err)
		}
		v.stop()
		c.start()
		if id, err := provision.LoadIdentity(dir); err != nil || id.CertificateID != next.CertificateID || id.CertificateID == old.CertificateID {
			t.Errorf("%+v %v", id, err)
		}
		c.forgive()
	})
}

// TestWhenACertificateIsDue: a clock that is wrong renews once, not over and over.
func TestWhenACertificateIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		now := time.Now()
		leaf := &x509.Certificate{NotBefore: now, NotAfter: now.Add(90 * day)}
		for name, tc := range map[string]struct {
			before   time.Duration
			now, got time.Time
			want     time.Duration
		}{
			"in time":                  {60 * day, now, time.Time{}, 60 * day}, // with a third left
			"later":                    {10 * day, now.Add(5 * day), time.Time{}, 75 * day},
			"due":                      {10 * day, now.Add(85 * day), time.Time{}, -5 * day},
			"a clock a year ahead":     {60 * day, now.Add(365 * day), now, 30 * day},
			"and of another process":   {60 * day, now.Add(365 * day), time.Time{}, -305 * day},
			"got, and the clock right": {60 * day, now, now, 60 * day},
			"switched off":             {0, now, time.Time{}, renewLook},
		} {
			if wait := dueIn(leaf, tc.before, tc.now, tc.got); wait != tc.want {
				t.Errorf("%s: %v, want %v", name, wait, tc.want)
			}
		}
	})
}

// TestTheClockOfCertificates: what was once believed holds against a clock that nobody has set, not against one that is right.
func TestTheClockOfCertificates(t *testing.T) {
	now := time.Now()
	year := 365 * 24 * time.Hour
	for _, quality := range []string{record.ClockTrusted, record.ClockRTC, record.ClockUnknown} {
		if got := atLeast(now, now.Add(-year), quality); got != now {
			t.Errorf("%s: %v", quality, got)
		}
		want := now.Add(year)
		if quality == record.ClockTrusted { // it was a year ahead once
			want = now
		}
		if got := atLeast(now, now.Add(year), quality); got != want {
			t.Errorf("%s: %v, want %v", quality, got, want)
		}
	}
}
