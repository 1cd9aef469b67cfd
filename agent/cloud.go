package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/record"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
)

// Dialer opens the transport to the cloud.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// cloud brings the unit's records up. Pours never wait for it.
//
//	endpoints ──► identity (claim once) ──► link ──► per connection: ledger shadow ──► one uplink per log
//
// State it owns: what it is doing, the present link, sources and uplinks by log.
type cloud struct {
	a *Agent

	mu      sync.Mutex
	now     api.Cloud
	name    string    // thing of the identity; empty before
	synced  time.Time // when the cloud last confirmed records; zero: not since the start
	link    *mqttlink.Link
	sources map[string]*logSource
	uplinks map[[2]string]*uplink.Uplink // by thing and log
	again   []string                     // logs of which records were released
	release chan struct{}                // one signal: there are such logs
	pace    *uplink.Pace                 // all of them send at
	conn    *mqttlink.Conn               // the present one; nil: offline
	moved   chan struct{}                // closed when conn changes
	cert    string                       // id of the certificate in use
	until   time.Time                    // it is valid
	end     context.CancelCauseFunc      // of the session; nil: none
	renewal renewal
	lists   chan newList  // of endpoints to try
	left    chan struct{} // one signal: the unit leaves, or comes back
	change  chan struct{}
}

func newCloud(a *Agent) *cloud {
	c := &cloud{
		a: a, now: api.Cloud{State: cloudOff}, sources: map[string]*logSource{}, uplinks: map[[2]string]*uplink.Uplink{},
		release: make(chan struct{}, 1), change: make(chan struct{}), moved: make(chan struct{}),
		renewal: renewal{due: make(chan struct{}, 1)}, lists: make(chan newList), left: make(chan struct{}, 1),
	}
	if id, err := provision.LoadIdentity(c.dir()); err == nil {
		c.identity(id.Thing)
	}
	return c
}

func (c *cloud) dir() string { return filepath.Join(c.a.cfg.State, "identity") }

// run keeps the unit connected until ctx ends. Nothing that goes wrong here stops the unit.
func (c *cloud) run(ctx context.Context) error {
	if !c.a.cfg.Config.Cloud.Enabled {
		return c.without(ctx)
	}
	pause := mqttlink.BackoffMin
	for ctx.Err() == nil {
		if err := c.awayFromService(ctx); err != nil {
			return nil
		}
		began := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		again := errors.Is(err, errMoved) || errors.Is(err, errRenewed) || errors.Is(err, errLeft)
		if time.Since(began) > mqttlink.StableAfter || again {
			pause = mqttlink.BackoffMin
		}
		wait := max(rand.N(pause), mqttlink.ConnectGap)
		var missing *problem.Problem
		if errors.As(err, &missing) && missing.Code == problem.CodeNotFound {
			wait = endpointsEvery // a file that is not there yet costs nobody anything
		} else {
			pause = min(2*pause, mqttlink.BackoffMax)
		}
		if !again {
			c.set(cloudOffline, err)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
	return nil
}

// without is run for a unit that has no cloud to tell; it is taken out of service all the same.
func (c *cloud) without(ctx context.Context) error {
	for c.awayFromService(ctx) == nil {
		c.set(cloudOff, nil)
		select {
		case <-ctx.Done():
		case <-c.left:
		}
	}
	return nil
}

// session finds the cloud, gets the identity if there is none, and keeps a link until the address changes.
func (c *cloud) session(ctx context.Context) error {
	ep, err := c.endpoints()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.now.Endpoint = ep.MQTT
	c.mu.Unlock()
	roots, err := readRoots(ep.CA)
	if err != nil {
		return err
	}
	addrs, err := ep.addrs()
	if err != nil {
		return err
	}
	id, err := c.provision(ctx, ep, roots)
	if err != nil {
		return err
	}
	id, waits := c.proveNext(ctx, ep, roots, id)
	cert, err := id.Certificate()
	if err != nil {
		return err
	}
	c.inUse(id, cert)
	tlsCfg, err := mqttlink.TLSConfig(addrs[0], cert, roots, c.clock)
	if err != nil {
		return err
	}
	link, err := mqttlink.New(mqttlink.Config{Addrs: addrs, ClientID: id.Thing, TLS: tlsCfg, Dial: c.dialer(), Log: c.a.log})
	if err != nil {
		return err
	}
	link.Handle("uplink", c.uplink)
	c.setLink(link)
	defer c.setLink(nil)
	lctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.begin(cancel)
	defer c.begin(nil)
	var watchers errgroup.Group
	watchers.Go(func() error { c.watchEndpoints(lctx, link, ep, cancel); return nil })
	watchers.Go(func() error { c.watchLeave(lctx, link, cancel); return nil })
	if waits {
		watchers.Go(func() error { c.watchNext(lctx, link, cancel); return nil })
	}
	err = link.Run(lctx)
	cancel(nil)
	_ = watchers.Wait() // they end with lctx
	if cause := context.Cause(lctx); errors.Is(cause, errMoved) || errors.Is(cause, errRenewed) || errors.Is(cause, errLeft) {
		return cause
	}
	return err
}

// begin notes the session there is.
func (c *cloud) begin(end context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = end
}

// provision returns the unit's identity, claiming it first if there is none.
func (c *cloud) provision(ctx context.Context, ep endpoints, roots *x509.CertPool) (provision.Identity, error) {
	id, err := provision.LoadIdentity(c.dir())
	if err != nil || !id.Confirmed {
		c.set(cloudProvisioning, nil)
		id, err = provision.Ensure(ctx, provision.Config{
			Dir: c.dir(), Template: ep.Template, Serial: c.a.serial, ClaimCert: ep.ClaimCert, ClaimKey: ep.ClaimKey,
			Thing: ThingPrefix + c.a.serial, Log: c.a.log,
		}, func(ctx context.Context, clientID string, cert tls.Certificate) (provision.Conn, error) {
			conn, err := c.dial(ctx, ep, roots, clientID, cert)
			if err != nil {
				return nil, err // not conn: a nil *Conn in the interface is not nil
			}
			return conn, nil
		})
	}
	if err != nil {
		if ctx.Err() == nil {
			var p *problem.Problem
			if errors.As(err, &p) && !p.Retry { // a person has to do something
				c.a.board.Set(alarm.Alarm{Name: alarm.NotProvisioned, What: p.What, Evidence: p.Where, Remedy: p.Remedy})
			}
		}
		return id, err
	}
	c.a.board.Clear(alarm.NotProvisioned, "")
	c.identity(id.Thing)
	return id, nil
}

// dial makes one connection to the first of the endpoints that takes it.
func (c *cloud) dial(ctx context.Context, ep endpoints, roots *x509.CertPool, clientID string, cert tls.Certificate) (conn *mqttlink.Conn, err error) {
	addrs, err := ep.addrs()
	if err != nil {
		return nil, err
	}
	for i, addr := range addrs {
		if i > 0 {
			if serr := sleep(ctx, mqttlink.ConnectGap); serr != nil {
				return nil, err
			}
		}
		cfg, cerr := mqttlink.TLSConfig(addr, cert, roots, c.clock)
		if cerr != nil {
			return nil, cerr
		}
		if conn, err = mqttlink.Dial(ctx, mqttlink.Config{Addrs: []string{addr}, ClientID: clientID, TLS: cfg, Dial: c.dialer(), Log: c.a.log}); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// identity takes the thing's name as the cloud knows it. Records are written with it from now on.
func (c *cloud) identity(thing string) {
	if derived := ThingPrefix + c.a.serial; thing != derived {
		c.a.board.Set(alarm.Alarm{Name: alarm.ThingDiffers, Evidence: thing + " instead of " + derived})
	}
	c.a.thing.Store(&thing)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.name = thing
}

// uplink is the work on one connection.
func (c *cloud) uplink(ctx context.Context, conn *mqttlink.Conn) error {
	if clockQuality() == record.ClockTrusted {
		b := []byte(strconv.FormatInt(time.Now().Unix(), 10))
		if err := c.a.store.PutSetting(settingClock, b); err != nil {
			c.a.log.Warn("note trusted time", slog.Any(logkey.Err, err))
		}
	}
	shadows, err := shadow.Open(ctx, conn, *c.a.thing.Load())
	if err != nil {
		return err
	}
	c.switchTo(conn)
	defer c.switchTo(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.drain(ctx, conn, shadows) })
	g.Go(func() error { return c.a.recalls.serve(ctx, shadows) })
	g.Go(func() error { return c.a.remote.serve(ctx, shadows) })
	g.Go(func() error { return c.a.health(ctx, shadows) })
	g.Go(func() error { return c.a.jobs.Serve(ctx, conn) })
	g.Go(func() error { return c.renew(ctx, conn) })
	g.Go(func() error { return c.takeLeave(ctx, shadows) })
	return g.Wait()
}

// switchTo notes the present connection.
func (c *cloud) switchTo(conn *mqttlink.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	close(c.moved)
	c.moved = make(chan struct{})
}

// connection returns the present connection, or waits for one.
func (c *cloud) connection(ctx context.Context) (*mqttlink.Conn, error) {
	for {
		c.mu.Lock()
		conn, change := c.conn, c.moved
		c.mu.Unlock()
		if conn != nil {
			return conn, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *cloud) uplinkConfig() uplink.Config {
	s := c.a.cfg.Config.Sync
	return uplink.Config{
		Thing: *c.a.thing.Load(), Rule: s.Rule, Linger: s.Linger, Window: s.Window,
		LedgerInterval: s.LedgerInterval, Gate: c.a.yield, Keeps: c.keeps, Log: c.a.log,
	}
}

// clock is what certificates are judged by: a unit without a battery-backed clock starts in the past, so the last time
// that was known to be right is the least it can be, until the clock is known to be right again.
func (c *cloud) clock() time.Time {
	b, ok, err := c.a.store.Setting(settingClock)
	if err != nil || !ok {
		return time.Now()
	}
	s, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return time.Now()
	}
	return atLeast(time.Now(), time.Unix(s, 0), clockQuality())
}

// atLeast takes the later of the clock and what was known of it, but a clock that is known to be right for what it says:
// that of before may have been wrong.
func atLeast(now, known time.Time, quality string) time.Time {
	if quality != record.ClockTrusted && now.Before(known) {
		return known
	}
	return now
}
