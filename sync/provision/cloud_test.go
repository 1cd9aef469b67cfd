package provision

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/store"
	"fountain/sync/mqttlink"
	"fountain/sync/wire"
)

// realCloud is cloud/awsiot in the bubble, with the template, hook and policies it is deployed with.
type realCloud struct {
	*awsiottest.Cloud
	t    *testing.T
	dir  string
	core *awsiot.Core

	loseAt int64 // this answer of the service does not arrive
	heard  atomic.Int64
}

func newRealCloud(t *testing.T) *realCloud {
	t.Helper()
	dir := t.TempDir()
	c := &realCloud{Cloud: awsiottest.Open(t, dir), t: t, dir: dir}
	c.Config.OnDenied = func(id, reason string) { t.Errorf("the policy refuses %s: %s", id, reason) }
	c.core = c.Start()
	return c
}

// deaf loses answers on their way.
type deaf struct {
	Conn
	c *realCloud
}

// Subscribe implements Conn.
func (d deaf) Subscribe(ctx context.Context, handler func(string, []byte), filters ...string) error {
	return d.Conn.Subscribe(ctx, func(topic string, payload []byte) {
		if d.c.heard.Add(1) != d.c.loseAt {
			handler(topic, payload)
		}
	}, filters...)
}

func (c *realCloud) dial(ctx context.Context, clientID string, cert tls.Certificate) (Conn, error) {
	trust, err := mqttlink.TLSConfig("localhost:8883", cert, c.Authority.Pool(), nil)
	if err != nil {
		return nil, err
	}
	conn, err := mqttlink.Dial(ctx, mqttlink.Config{
		Addrs: []string{"localhost:8883"}, ClientID: clientID, TLS: trust,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go c.core.ServeConn(far)
			return near, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return deaf{conn, c}, nil
}

// unit is one that has nothing yet, with its own serial.
func (c *realCloud) unit(serial string) Config {
	return Config{
		Dir: filepath.Join(c.dir, serial), Template: awsiottest.Template, Serial: serial, Thing: "fountain-" + serial,
		ClaimCert: c.ClaimCert, ClaimKey: c.ClaimKey, step: func(string) error { return nil },
	}
}

// good asserts that unit and cloud agree: one thing, and its only active certificate is the unit's.
func (c *realCloud) good(how string, cfg Config, id Identity) {
	c.t.Helper()
	has, err := c.Store.CertificatesOf(c.t.Context(), cfg.Thing)
	if err != nil {
		c.t.Fatal(err)
	}
	active := 0
	for _, x := range has {
		if x.Status == store.CertActive {
			active++
		}
		if x.ID == id.CertificateID && x.Status != store.CertActive {
			c.t.Errorf("%s: the unit's certificate is %s", how, x.Status)
		}
	}
	th, err := c.Store.Thing(c.t.Context(), cfg.Thing)
	if err != nil || active != 1 || !id.Confirmed || id.Thing != cfg.Thing || th.Serial != cfg.Serial {
		c.t.Errorf("%s: %d active certificates, %+v, %+v %v", how, active, id, th, err)
	}
}

// lives runs f as often as the unit's process dies, at the steps given, and then to its end.
func (c *realCloud) lives(how string, cfg *Config, crashes []int, f func() error) {
	c.t.Helper()
	for life, at := range append(crashes, 0, 0) {
		var steps []string
		cfg.step = crashAt(at, &steps)
		err := f()
		if err == nil {
			if life == 0 && (len(crashes) > 0 || c.loseAt > 0) {
				c.t.Errorf("%s: nothing went wrong", how)
			}
			return
		}
		if life > len(crashes) || at == 0 && !c.lost() || at != 0 && !errors.Is(err, errCrash) {
			c.t.Fatalf("%s, life %d: %v", how, life+1, err)
		}
	}
}

// lost tells whether an answer was lost.
func (c *realCloud) lost() bool { return c.loseAt > 0 && c.heard.Load() >= c.loseAt }

// TestCrashesAgainstTheCloud: the table of crash points, of claiming and of rotation, against the real broker, hook and
// templates; also with each answer lost.
func TestCrashesAgainstTheCloud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newRealCloud(t)
		claim := func(how, serial string, crashes ...int) (Config, []string) {
			cfg := c.unit(serial)
			var id Identity
			var all []string
			c.lives(how, &cfg, crashes, func() (err error) {
				counted := cfg.step
				cfg.step = func(name string) error { all = append(all, name); return counted(name) }
				id, err = Ensure(t.Context(), cfg, c.dial)
				return err
			})
			c.good(how, cfg, id)
			return cfg, all
		}
		rotate := func(how string, cfg Config, crashes ...int) []string {
			cfg.Template = wire.RotationTemplate
			var all []string
			c.lives(how, &cfg, crashes, func() error {
				counted := cfg.step
				cfg.step = func(name string) error { all = append(all, name); return counted(name) }
				return c.life(cfg)
			})
			synctest.Wait() // the cloud takes the old one away
			id, err := LoadIdentity(cfg.Dir)
			if err != nil || id.generation < 1 {
				t.Fatalf("%s: %+v %v", how, id, err)
			}
			c.good(how, cfg, id)
			return all
		}
		cfg, steps := claim("claim", "C0")
		turns := rotate("rotation", cfg)
		t.Logf("claim %v, rotation %v", steps, turns)
		if len(steps) < 10 || len(turns) < 8 {
			t.Errorf("%d steps of a claim, %d of a rotation", len(steps), len(turns))
		}
		for i := range steps {
			claim("claim, dead before "+steps[i], fmt.Sprint("C", i+1), i+1, 1+(i*5)%len(steps))
		}
		for i := range turns {
			how := "rotation, dead before " + turns[i]
			cfg, _ := claim(how, fmt.Sprint("R", i+1))
			rotate(how, cfg, i+1, 1+(i*3)%len(turns))
		}
		for n := int64(1); n <= 2; n++ { // the certificate's answer, the registration's
			c.heard.Store(0)
			c.loseAt = n
			how := fmt.Sprintf("claim, answer %d lost", n)
			cfg, _ := claim(how, fmt.Sprint("L", n))
			c.heard.Store(0)
			rotate(fmt.Sprintf("rotation, answer %d lost", n), cfg)
			c.loseAt = 0
		}
	})
}

// life is what a unit does between two ends of its process, as service.life is for the service in memory; once it has
// renewed, it only connects.
func (c *realCloud) life(cfg Config) error {
	ctx := c.t.Context()
	ends := func(conn Conn, err error) error {
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := ends(tryNext(ctx, cfg, c.dial)); err == nil || errors.Is(err, errCrash) {
		return err
	}
	id, err := LoadIdentity(cfg.Dir)
	if err != nil {
		return err
	}
	if id.generation > 0 {
		return Tidy(cfg.Dir)
	}
	conn, err := connect(ctx, cfg, c.dial, id)
	if err != nil {
		return err
	}
	cfg.Thing = "" // as a unit does that renews: nobody may connect beside the connection it has
	err = Renew(ctx, cfg, conn)
	conn.Close()
	if err != nil {
		return err
	}
	return ends(tryNext(ctx, cfg, c.dial))
}
