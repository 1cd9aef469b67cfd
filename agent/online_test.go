package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/config"
	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
	"fountain/deploy"
	"fountain/hal/rigfile"
)

// localCloud is the real cloud/awsiot in the unit's bubble, with the policies of the template it is deployed with.
type localCloud struct {
	t    *testing.T
	dir  string
	core *awsiot.Core
	db   *store.SQLite

	start func() *virtual // the unit, again

	mu      sync.Mutex
	denied  []string
	offline bool
	conns   []net.Conn
	sunk    int // messages of Basic Ingest
}

func newLocalCloud(t *testing.T, dir string) *localCloud {
	t.Helper()
	c := &localCloud{t: t, dir: dir}
	st, err := stack.Load(deploy.DeviceTemplate, deploy.DeviceTemplateName, stack.Location{
		Parameters: map[string]string{"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.db, err = store.OpenSQLite(t.Context(), filepath.Join(dir, "cloud.db")); err != nil {
		t.Fatal(err)
	}
	auth, err := authority.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.EnsureClaim(t.Context(), dir, st.ClaimPolicy, c.db); err != nil {
		t.Fatal(err)
	}
	c.core, err = awsiot.New(awsiot.Config{
		Stack: st, Authority: auth, Store: c.db, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Deliver: func(context.Context, awsiot.QueueMessage) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sunk++
			return nil
		},
		OnDenied: func(id, reason string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.denied = append(c.denied, id+" "+reason)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.core.Close(), c.db.Close()); err != nil {
			t.Error(err)
		}
		if len(c.denied) > 0 {
			t.Errorf("the policy refused: %v", c.denied)
		}
	})
	return c
}

// dial connects a unit, in memory.
func (c *localCloud) dial(context.Context, string, string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offline {
		return nil, errors.New("the network is down")
	}
	near, far := net.Pipe()
	c.conns = append(c.conns, near)
	go c.core.ServeConn(far)
	return near, nil
}

// down cuts the network or mends it.
func (c *localCloud) down(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offline = off
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func (c *localCloud) config(cfg *config.Config) {
	cfg.Cloud = config.Cloud{
		Enabled: true, MQTT: "localhost:8883", CA: filepath.Join(c.dir, authority.FileCA), Template: "fountain-unit",
		ClaimCert: filepath.Join(c.dir, authority.FileClaimCert), ClaimKey: filepath.Join(c.dir, authority.FileClaimKey),
	}
	cfg.Sync = config.Sync{DrainRate: 80, Linger: 10 * time.Millisecond, Rule: "fountain_consumption", Window: 20, LedgerInterval: time.Minute}
}

// desire writes the desired state of a unit's shadow, as the cloud does.
func (c *localCloud) desire(thing, name, desired string) {
	c.t.Helper()
	if _, err := c.core.UpdateShadow(c.t.Context(), thing, name, []byte(`{"desired":`+desired+`}`)); err != nil {
		c.t.Fatal(err)
	}
}

// reported reads what a unit has reported.
func (c *localCloud) reported(thing, name string, into any) {
	c.t.Helper()
	raw, err := c.core.ReportedShadow(c.t.Context(), thing, name)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// deleteShadow deletes a shadow, as somebody with the console can.
func (c *localCloud) deleteShadow(thing, name string) {
	c.t.Helper()
	if err := c.db.PutShadow(c.t.Context(), thing, name, store.Shadow{}); err != nil {
		c.t.Fatal(err)
	}
}

// onlineUnit runs f with a unit that has reached the cloud.
func onlineUnit(t *testing.T, edit func(*config.Config), f func(v *virtual, c *localCloud)) {
	t.Helper()
	dir := t.TempDir()
	rig, err := rigfile.Load(filepath.Join("..", "testdata", "rig", "reference.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := catalogues(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := newLocalCloud(t, t.TempDir())
		c.start = func() *virtual { return c.unit(t, dir, rig, edit) }
		f(c.start(), c)
	})
}

// unit starts a unit on this cloud and waits until it is online.
func (c *localCloud) unit(t *testing.T, dir string, rig *rigfile.Rig, edit func(*config.Config)) *virtual {
	t.Helper()
	v := newVirtual(t, dir, rig, func(cfg *config.Config) {
		c.config(cfg)
		if edit != nil {
			edit(cfg)
		}
	}, c.dial)
	v.await("the unit is online", time.Minute, func() bool { return c.offline || v.a.cloud.online() })
	return v
}

// thing is the unit's name.
func (v *virtual) thing() string { return *v.a.thing.Load() }

// taken counts the messages of consumption that the cloud has taken.
func (c *localCloud) taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sunk
}

// version is how often a shadow was written.
func (c *localCloud) version(thing, name string) int64 {
	c.t.Helper()
	sh, err := c.db.Shadow(c.t.Context(), thing, name)
	if err != nil {
		c.t.Fatal(err)
	}
	return sh.Version
}
