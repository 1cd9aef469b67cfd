package agent

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/config"
	"fountain/agent/machine"
	"fountain/cloud/awsiot"
	"fountain/cloud/store"
	"fountain/internal/problem"
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
	short, err := c.cfg.Authority.IssueUntil(pair.Leaf.PublicKey, pair.Leaf.Subject, end)
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
	const before, left = 60 * 24 * time.Hour, 20 * time.Minute // until it is due
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
		v.await("a new one is registered", renewLook+time.Minute, func() bool {
			var err error
			next, err = provision.Next(v.a.cloud.dir())
			return err == nil
		})
		c.down(true) // it cannot prove itself
		time.Sleep(10 * time.Minute)
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
		if v.a.cloud.endsSoon() {
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
	if os.Getenv("FOUNTAIN_LONG") == "" {
		t.Skip("FOUNTAIN_LONG=1: a quarter of an hour of a unit's time; sync/provision has the short form")
	}
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

// TestDecommission: refused while a pour is on the unit only; then the cloud takes the certificate away, the key is gone,
// nothing pours, over a restart too; back in service only after the serial is released.
func TestDecommission(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		desk := leaveDesk{v.a}
		water := v.some("water.still", "", "")
		c.down(true)
		v.await("offline", time.Minute, func() bool { return !v.a.cloud.online() })
		v.pour(water, 100_000)
		for _, tc := range []struct {
			in   api.Decommission
			code string
		}{
			{api.Decommission{Person: "ada"}, problem.CodeUnsafe},
			{api.Decommission{Person: "ada", KeepUnsent: true}, problem.CodeUnreachable},
		} {
			if _, err := desk.Leave(v.t.Context(), tc.in); problem.From(err).Code != tc.code {
				t.Errorf("%+v: %v", tc.in, err)
			}
		}
		c.down(false)
		c.acknowledges(v, 1)
		v.await("everything is sent", 5*time.Minute, func() bool { return v.a.cloud.online() && v.a.unsent() == 0 })
		thing := v.thing()
		if l, err := desk.Leave(v.t.Context(), api.Decommission{Person: "ada"}); err != nil || l.State != api.Leaves {
			t.Fatal(l, err)
		}
		v.await("it has left", time.Minute, func() bool { return desk.State().State == api.Left })
		if n, active := c.certificates(thing); n != 1 || active != "" {
			t.Errorf("%d certificates, active %q", n, active)
		}
		if keys, _ := filepath.Glob(filepath.Join(v.a.cloud.dir(), "device*")); len(keys) > 0 {
			t.Errorf("left: %v", keys)
		}
		c.forgive()
		refused := func(v *virtual) {
			t.Helper()
			if _, err := v.start(water, 100_000); err == nil {
				t.Error("a decommissioned unit pours")
			}
			if !v.a.board.Has(alarm.Decommissioned, "") || v.a.cloud.status().State != cloudLeft {
				t.Errorf("%+v", v.a.cloud.status())
			}
		}
		refused(v)
		v.stop()
		v = c.start()
		desk = leaveDesk{v.a}
		time.Sleep(10 * time.Minute)
		refused(v)
		if l := desk.State(); l.State != api.Left || l.Thing != thing || l.By != "ada" || v.a.cloud.status().Certificate != "" {
			t.Errorf("after a restart: %+v %+v", l, v.a.cloud.status())
		}
		if l, err := desk.Return(v.t.Context(), api.Recommission{Person: "ada"}); err != nil || l.State != api.InService {
			t.Fatal(l, err)
		}
		v.await("the claim is refused", 5*time.Minute, func() bool { return v.a.board.Has(alarm.NotProvisioned, "") })
		if err := c.db.Release(v.t.Context(), v.a.serial); err != nil {
			t.Fatal(err)
		}
		v.await("it is claimed again", 15*time.Minute, v.a.cloud.online)
		v.pour(water, 100_000)
		c.forgive()
	})
}

// TestLeavingOutlivesTheProcess: a process that ends right after a person's word pours nothing when it comes back, tells
// the cloud and wipes itself.
func TestLeavingOutlivesTheProcess(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		thing := v.thing()
		if l, err := (leaveDesk{v.a}).Leave(v.t.Context(), api.Decommission{Person: "ada"}); err != nil || l.State != api.Leaves {
			t.Fatal(l, err)
		}
		v.stop()
		if _, active := c.certificates(thing); active == "" {
			t.Fatal("the cloud was told already: this shows nothing")
		}
		v = c.start()
		if _, err := v.start(v.some("water.still", "", ""), 100_000); err == nil {
			t.Error("a unit that leaves pours")
		}
		v.await("it has left", time.Minute, func() bool { return (leaveDesk{v.a}).State().State == api.Left })
		if n, active := c.certificates(thing); n != 1 || active != "" {
			t.Errorf("%d certificates, active %q", n, active)
		}
		if keys, err := filepath.Glob(filepath.Join(v.a.cloud.dir(), "device*")); err != nil || len(keys) > 0 {
			t.Errorf("left: %v %v", keys, err)
		}
		c.forgive()
	})
}

// TestJobDecommission: the job is reported before the identity is wiped.
func TestJobDecommission(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		v.pour(v.some("water.still", "", ""), 100_000)
		c.job(v.thing(), "bye", `{"v":1,"operation":"decommission"}`)
		time.Sleep(time.Minute)
		if (leaveDesk{v.a}).State().State != api.InService {
			t.Error("it left before the pour was sent")
		}
		c.acknowledges(v, 1)
		if status, details := v.jobEnds(c, "bye", 30*time.Minute); status != wire.JobSucceeded || details["unsent"] != "0" {
			t.Errorf("%s %v", status, details)
		}
		v.await("it has left", time.Minute, func() bool { return (leaveDesk{v.a}).State().State == api.Left })
		if c.seqs(v.a.store.Log()) != 1 {
			t.Error("the pour was not sent first")
		}
		c.forgive()
	})
}

// begins is a pour that has passed every look when it is called, and begins a minute later.
func (v *virtual) begins(done *atomic.Bool) {
	v.a.begins.Add(1)
	time.AfterFunc(time.Minute, func() {
		defer v.a.begins.Add(-1)
		id, err := v.a.machine.Start(v.t.Context(), machine.StartRequest{Beverage: v.some("water.still", "", ""), TargetUL: 100_000, Source: wire.SourceService})
		if err != nil {
			v.t.Error(err)
		}
		v.leases.Go(func() {
			for v.a.machine.Beat(id) == nil {
				time.Sleep(api.BeatEvery)
			}
		})
		done.Store(true)
	})
}

// TestLeavingWaitsForWhatBegins: a pour that is about to begin when the unit is taken out of service comes to the cloud
// first; nothing begins any more while that is made sure of.
func TestLeavingWaitsForWhatBegins(t *testing.T) {
	t.Run("job", func(t *testing.T) {
		onlineUnit(t, nil, func(v *virtual, c *localCloud) {
			var began atomic.Bool
			v.begins(&began)
			c.job(v.thing(), "bye", `{"v":1,"operation":"decommission"}`)
			v.await("it is held back", time.Minute, v.a.leaving.Load)
			if _, err := v.start(v.some("water.still", "", ""), 100_000); !refusedAs(err, problem.CodeUnavailable) {
				t.Errorf("another pour: %v", err)
			}
			v.await("the pour is recorded", 2*time.Minute, func() bool { return began.Load() && !v.a.machine.Busy() })
			time.Sleep(10 * time.Second)
			if l := (leaveDesk{v.a}).State(); l.State != api.InService || l.Unsent != 1 {
				t.Errorf("%+v with a pour that is not sent", l)
			}
			v.pour(v.some("water.still", "", ""), 100_000) // while it waits, guests are served
			c.acknowledges(v, 2)
			if status, details := v.jobEnds(c, "bye", 30*time.Minute); status != wire.JobSucceeded || details["unsent"] != "0" {
				t.Errorf("%s %v", status, details)
			}
			v.await("it has left", time.Minute, func() bool { return (leaveDesk{v.a}).State().State == api.Left })
			c.forgive()
		})
	})
	t.Run("person", func(t *testing.T) {
		onlineUnit(t, nil, func(v *virtual, c *localCloud) {
			var began atomic.Bool
			v.begins(&began)
			desk := leaveDesk{v.a}
			if l, err := desk.Leave(v.t.Context(), api.Decommission{Person: "ada"}); !refusedAs(err, problem.CodeBusy) || l.State != api.InService || !began.Load() {
				t.Errorf("%+v %v, begun %v", l, err, began.Load())
			}
			v.await("the pour is recorded", time.Minute, func() bool { return !v.a.machine.Busy() })
			v.pour(v.some("water.still", "", ""), 100_000) // nothing is held back any more
		})
	})
}

// TestOfTwoClouds: the second takes over when the first dies, and the unit goes back to the first when it answers again.
func TestOfTwoClouds(t *testing.T) {
	const first, second = "localhost:8883", "localhost:8884"
	onlineUnit(t, func(cfg *config.Config) { cfg.Cloud.MQTT = first + ", " + second }, func(v *virtual, c *localCloud) {
		other, err := awsiot.New(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.more[second] = other
		c.mu.Unlock()
		if st := v.a.cloud.status(); st.Endpoint != first || !slices.Equal(st.Endpoints, []string{first, second}) {
			t.Errorf("%+v", st)
		}
		c.dies(first, true)
		v.await("the second takes over", 15*time.Minute, func() bool { st := v.a.cloud.status(); return st.State == cloudOnline && st.Endpoint == second })
		v.pour(v.some("water.still", "", ""), 100_000)
		v.await("the pour is in the cloud", 5*time.Minute, func() bool { return c.seqs(v.a.store.Log()) == 1 })
		c.dies(first, false)
		v.await("back", 2*time.Hour, func() bool { st := v.a.cloud.status(); return st.State == cloudOnline && st.Endpoint == first })
		c.forgive() // the looks at the first cloud, which send nothing
	})
}

// dies lets an address answer no more, or again.
func (c *localCloud) dies(addr string, dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead[addr] = dead
	if dead {
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.conns = nil
	}
}

// TestEndpointsFromTheShadow: a list that does not work is refused and reported, and the unit stays where it was; one that
// works counts, also at the next start, and the first in it may be another cloud.
func TestEndpointsFromTheShadow(t *testing.T) {
	const first, second, nowhere = "localhost:8883", "localhost:8884", "localhost:9999"
	onlineUnit(t, func(cfg *config.Config) { // with a base that the shadow's values can be merged with
		set := cfg.Cloud
		loaded, err := config.Load("", []string{
			"FOUNTAIN_UNIT_SERIAL=" + cfg.Unit.Serial + "E1", "FOUNTAIN_CLOUD_MQTT=" + set.MQTT, "FOUNTAIN_CLOUD_CA=" + set.CA, "FOUNTAIN_CLOUD_CLAIM_CERT=" + set.ClaimCert,
			"FOUNTAIN_CLOUD_CLAIM_KEY=" + set.ClaimKey, "FOUNTAIN_CLOUD_TEMPLATE=" + set.Template,
		})
		if err != nil {
			t.Fatal(err)
		}
		loaded.Sync = cfg.Sync
		*cfg = *loaded
	}, func(v *virtual, c *localCloud) {
		other, err := awsiot.New(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.more[second], c.dead[nowhere] = other, true
		c.mu.Unlock()
		thing := v.thing()
		report := func() (out struct {
			Cloud  map[string]string
			Status wire.ConfigReport
		},
		) {
			c.reported(thing, wire.ConfigShadow, &out)
			return out
		}
		c.desire(thing, wire.ConfigShadow, `{"cloud":{"mqtt":"`+nowhere+`"}}`)
		v.await("it is refused", 15*time.Minute, func() bool {
			r := report().Status.Refused
			return v.a.cloud.online() && len(r) == 1 && r[0].Key == "cloud.mqtt"
		})
		if st := v.a.cloud.status(); st.Endpoint != first || report().Cloud["mqtt"] != "" {
			t.Errorf("%+v %+v", st, report())
		}
		if _, err := os.Stat(filepath.Join(v.a.cfg.State, config.CloudName)); err == nil {
			t.Error("a list that does not work is kept")
		}
		list := second + "," + first
		c.desire(thing, wire.ConfigShadow, `{"cloud":{"mqtt":"`+list+`"}}`)
		v.await("it counts", 15*time.Minute, func() bool {
			st := v.a.cloud.status()
			return st.State == cloudOnline && st.Endpoint == second && report().Cloud["mqtt"] == list
		})
		if r := report().Status; len(r.Refused) > 0 || len(r.Restart) > 0 {
			t.Errorf("%+v", r)
		}
		kept, err := config.ReadShadow(filepath.Join(v.a.cfg.State, config.CloudName))
		var d struct{ Cloud struct{ MQTT string } }
		if err != nil || json.Unmarshal(kept.Desired, &d) != nil || d.Cloud.MQTT != list {
			t.Errorf("%s %v", kept.Desired, err)
		}
		before := v.a.cloud.status()
		time.Sleep(10 * time.Minute)
		if st := v.a.cloud.status(); st.Endpoint != second || st.State != cloudOnline {
			t.Errorf("%+v, was %+v", st, before)
		}
	})
}
