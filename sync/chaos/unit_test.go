package chaos

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"fountain/cloud/awsiot/authority"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// pours is a log of one unit, as its store would keep it.
type pours struct {
	u    *unit
	name string
	note chan struct{}

	mu       sync.Mutex
	entries  []uplink.Entry
	acked    uint64
	aside    []uint64
	restored uint64
	rewinds  int
	sentTo   uint64 // highest seq of which a whole message has gone out
}

func (p *pours) append(n int) {
	p.mu.Lock()
	for range n {
		seq := uint64(len(p.entries) + 1)
		raw, err := json.Marshal(wire.Record{
			V: 1, ID: fmt.Sprintf("01J%023d", seq), Thing: p.u.id.Thing, Log: p.name, Seq: seq, Boot: "b",
			Started: p.u.clock().UTC().Format("2006-01-02T15:04:05.000Z"), // the wall clock, wherever it has stepped to
			Clock:   "unknown", Beverage: "kolvane.zero", TargetUL: 240000, CountedUL: int64(seq), DurationMS: 4000,
			Parts: []wire.Part{{Ingredient: "water", UL: 240000, How: "metered"}}, Outcome: wire.Completed,
			Source: wire.SourceTouch, SW: "test", Rig: "sim",
		})
		p.u.w.cloud.must(err)
		p.entries = append(p.entries, uplink.Entry{Seq: seq, Body: raw})
	}
	p.mu.Unlock()
	select {
	case p.note <- struct{}{}:
	default:
	}
}

func (p *pours) Log() string             { return p.name }
func (p *pours) Notify() <-chan struct{} { return p.note }
func (p *pours) Oldest() uint64          { return 1 }

func (p *pours) Last() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return uint64(len(p.entries))
}

func (p *pours) Acked() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked
}

func (p *pours) Restored() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restored
}

func (p *pours) Read(from uint64, limit, maxBytes int) ([]uplink.Entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []uplink.Entry
	for _, e := range p.entries[min(int(from)-1, len(p.entries)):] {
		if len(out) == limit || len(out) > 0 && len(e.Body) > maxBytes {
			break
		}
		maxBytes -= len(e.Body)
		out = append(out, e)
	}
	return out, nil
}

// SetAcked is where a pour would be lost: from here on the unit need not keep it.
func (p *pours) SetAcked(upto uint64) error {
	p.mu.Lock()
	was := p.acked
	p.acked = max(was, upto)
	p.mu.Unlock()
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

func (p *pours) Rewind(upto, restore uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked, p.restored = min(p.acked, upto), restore
	p.rewinds++
	return nil
}

func (p *pours) Quarantine(seq uint64, reason string, _ []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aside = append(p.aside, seq)
	p.u.w.blame(&p.u.w.lost, "%s: record %d is set aside: %s", p.name, seq, reason)
	return nil
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
	w    *world
	name string
	id   provision.Identity
	cert tls.Certificate
	busy gate

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
	u := &unit{w: w, name: name}
	u.provision()
	u.begin()
	return u
}

// provision claims an identity over good lines.
func (u *unit) provision() {
	c := u.w.cloud
	id, err := provision.Ensure(u.w.t.Context(), provision.Config{
		Dir: filepath.Join(c.dir, u.name), Template: template, Serial: u.name,
		ClaimCert: filepath.Join(c.dir, authority.FileClaimCert), ClaimKey: filepath.Join(c.dir, authority.FileClaimKey),
	}, func(ctx context.Context, clientID string, cert tls.Certificate) (provision.Conn, error) {
		cfg := u.config(clientID, cert)
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
			_, near, far := newLine(time.Millisecond)
			if !c.accept(far) {
				return nil, errors.New("refused")
			}
			return tls.Client(near, u.tls(cert)), nil
		}
		conn, err := mqttlink.Dial(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return conn, nil
	})
	c.must(err)
	u.id = id
	u.cert, err = id.Certificate()
	c.must(err)
}

func (u *unit) tls(cert tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(u.w.cloud.auth.PEM())
	cfg, err := mqttlink.TLSConfig("localhost:8883", cert, roots, u.trusted)
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
	p := &pours{u: u, name: fmt.Sprintf("l%s%d", u.name, len(u.logs)), note: make(chan struct{}, 1)}
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
	if string(topic) != wire.BasicIngest(rule, u.id.Thing) {
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
