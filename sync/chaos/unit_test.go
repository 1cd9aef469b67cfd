package chaos

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"fountain/cloud/awsiot/awsiottest"
	"fountain/sync/bareunit"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// pours is a log of one unit, as its store would keep it.
type pours struct {
	*bareunit.Pours
	u    *unit
	name string

	mu     sync.Mutex
	sentTo uint64 // highest seq of which a whole message has gone out
}

// SetAcked is where a pour would be lost: from here on the unit need not keep it.
func (p *pours) SetAcked(upto uint64) error {
	was := p.Acked()
	if err := p.Pours.SetAcked(upto); err != nil {
		return err
	}
	for seq := was + 1; seq <= upto; seq++ {
		stored, heard := p.u.w.cloud.has(key{p.name, seq})
		if !stored {
			p.u.w.blame(&p.u.w.early, "%s: record %d is taken for stored and is not", p.name, seq)
		}
		if !heard {
			p.u.w.blame(&p.u.w.unheard, "%s: record %d is taken for delivered and never arrived", p.name, seq)
		}
	}
	return nil
}

func (p *pours) Quarantine(seq uint64, reason string, body []byte) error {
	p.u.w.blame(&p.u.w.lost, "%s: record %d is set aside: %s", p.name, seq, reason)
	return p.Pours.Quarantine(seq, reason, body)
}

// sent notes a message that has gone out whole. What goes out for the first time goes out in order.
func (p *pours) sent(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq > p.sentTo+1 {
		p.u.w.blame(&p.u.w.disorder, "%s: record %d goes out before %d", p.name, seq, p.sentTo+1)
	}
	p.sentTo = max(p.sentTo, seq)
}

// unit is a dispenser's side of the wire.
type unit struct {
	w     *world
	name  string
	roots *x509.CertPool
	id    provision.Identity
	cert  tls.Certificate
	busy  gate

	mu     sync.Mutex
	logs   []*pours
	step   time.Duration // how wrong its wall clock is
	recall int           // newest n seen in the recall shadow
	starts []time.Time   // of CONNECTs
	conns  int           // lines so far
	live   int           // lines that a CONNECT went into and that are open
	halt   func()
}

func newUnit(w *world, name string) *unit {
	u := &unit{w: w, name: name, roots: w.cloud.local.Authority.Pool()}
	u.provision()
	u.begin()
	return u
}

// provision claims an identity over good lines.
func (u *unit) provision() {
	c := u.w.cloud
	u.id, u.cert = bareunit.Claim(u.w.t, provision.Config{
		Dir: filepath.Join(c.dir, u.name), Template: awsiottest.Template, Serial: u.name, ClaimCert: c.local.ClaimCert, ClaimKey: c.local.ClaimKey,
	}, func(clientID string, cert tls.Certificate) mqttlink.Config {
		cfg := u.config(clientID, cert)
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
			_, near, far := newLine(time.Millisecond)
			if !c.accept(far) {
				return nil, errors.New("refused")
			}
			return tls.Client(near, u.tls(cert)), nil
		}
		return cfg
	})
}

func (u *unit) tls(cert tls.Certificate) *tls.Config {
	cfg, err := mqttlink.TLSConfig("localhost:8883", cert, u.roots, u.trusted)
	u.w.cloud.must(err)
	return cfg
}

func (u *unit) config(clientID string, cert tls.Certificate) mqttlink.Config {
	// The tap needs the plaintext, so TLS is made in Dial.
	return mqttlink.Config{Addrs: []string{"localhost:8883", "localhost:443"}, ClientID: clientID}
}

// clock is the unit's wall clock.
func (u *unit) clock() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Now().Add(u.step)
}

// trusted is what it judges certificates by: no earlier than what it once knew (agent/cloud.go does the same).
func (u *unit) trusted() time.Time {
	if now := u.clock(); now.After(u.w.began) {
		return now
	}
	return u.w.began
}

// begin starts a new log and leaves the others, as after damage.
func (u *unit) begin() *pours {
	u.mu.Lock()
	defer u.mu.Unlock()
	name := fmt.Sprintf("l%s%d", u.name, len(u.logs))
	p := &pours{u: u, name: name, Pours: bareunit.NewPours(u.id.Thing, name, func(r *wire.Record) {
		r.Started = u.clock().UTC().Format("2006-01-02T15:04:05.000Z") // the wall clock, wherever it has stepped to
		r.Clock, r.CountedUL = "unknown", int64(r.Seq)
	})}
	u.logs = append(u.logs, p)
	return p
}

func (u *unit) current() *pours {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.logs[len(u.logs)-1]
}

func (u *unit) all() []*pours {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*pours(nil), u.logs...)
}

// dial makes the unit's next line and lets the schedule have it.
func (u *unit) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	u.mu.Lock()
	n := u.conns
	u.conns++
	u.mu.Unlock()
	p := u.w.plan(u, n)
	if p.refused {
		u.w.count("refused")
		return nil, errors.New("connection refused")
	}
	l, near, far := newLine(p.delay)
	if !u.w.cloud.accept(far) {
		return nil, errors.New("connection refused: the cloud is down")
	}
	secure := tls.Client(near, u.tls(u.cert))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = near.Close()
		return nil, err
	}
	return newTap(secure, l, p, u), nil
}

var _ witness = (*unit)(nil)

func (u *unit) cut(p plan)      { u.w.cut(p) }
func (u *unit) saw(what string) { u.w.count(what) }

func (u *unit) connects() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.starts = append(u.starts, time.Now())
	if u.live++; u.live > 1 {
		u.w.blame(&u.w.disorder, "%s has %d connections at once", u.name, u.live)
	}
}

func (u *unit) closes(connected bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if connected {
		u.live--
	}
}

func (u *unit) publishes(topic, payload []byte) {
	if string(topic) != wire.BasicIngest(awsiottest.Rule, u.id.Thing) {
		return
	}
	for _, it := range wire.DecodeBatch(payload) {
		if it.Err != nil {
			u.w.blame(&u.w.disorder, "%s sends %q: %v", u.name, it.Raw, it.Err)
			continue
		}
		for _, p := range u.all() {
			if p.name == it.Record.Log {
				p.sent(it.Record.Seq)
			}
		}
	}
}

// run connects and sends until halt is called. It may be run again, as after a restart of the process.
func (u *unit) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	u.halt = func() { cancel(); <-done }
	switch u.w.how {
	case asBuilt:
		go func() { defer close(done); u.link(ctx) }()
	default:
		go func() { defer close(done); u.naive(ctx) }()
	}
}

func (u *unit) link(ctx context.Context) {
	cfg := u.config(u.id.Thing, u.cert)
	cfg.Dial = u.dial
	link, err := mqttlink.New(cfg)
	u.w.cloud.must(err)
	pace, err := uplink.NewPace(u.w.rate)
	u.w.cloud.must(err)
	ups := map[string]*uplink.Uplink{}
	link.Handle("all", func(ctx context.Context, conn *mqttlink.Conn) error {
		shadows, err := shadow.Open(ctx, conn, u.id.Thing)
		if err != nil {
			return err
		}
		return u.serve(ctx, conn, shadows, ups, pace)
	})
	if err := link.Run(ctx); err != nil {
		u.w.t.Error(err)
	}
}
