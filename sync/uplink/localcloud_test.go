package uplink_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/ingest"
	"fountain/cloud/store"
	"fountain/deploy"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

const (
	rule     = "fountain_consumption" // names in deploy/cfn/device.yaml
	template = "fountain-unit"
)

// pours is a log in memory.
type pours struct {
	mu      sync.Mutex
	entries []uplink.Entry
	acked   uint64
	aside   []uint64
	note    chan struct{}
}

func (p *pours) add(thing string, n int) {
	p.mu.Lock()
	for range n {
		seq := uint64(len(p.entries) + 1)
		raw, err := json.Marshal(wire.Record{
			V: 1, ID: fmt.Sprintf("01J%023d", seq), Thing: thing, Log: "Ltest", Seq: seq, Boot: "b", Started: "2026-11-22T20:00:00.000Z",
			Clock: "trusted", Beverage: "kolvane.zero", TargetUL: 240000, CountedUL: 240000,
			Parts: []wire.Part{{Ingredient: "water", UL: 240000, How: "metered"}}, Outcome: wire.Completed, Source: wire.SourceTouch, SW: "test", Rig: "sim",
		})
		if err != nil {
			panic(err)
		}
		p.entries = append(p.entries, uplink.Entry{Seq: seq, Body: raw})
	}
	p.mu.Unlock()
	select {
	case p.note <- struct{}{}:
	default:
	}
}

func (p *pours) Log() string { return "Ltest" }
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

func (p *pours) SetAcked(upto uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked = upto
	return nil
}

func (p *pours) Quarantine(seq uint64, _ string, _ []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aside = append(p.aside, seq)
	return nil
}

func (p *pours) Oldest() uint64              { return 1 }
func (p *pours) Restored() uint64            { return 0 }
func (p *pours) Rewind(uint64, uint64) error { return errors.New("nobody was restored") }

func (p *pours) Notify() <-chan struct{} { return p.note }

// The whole way: claim, certificate, thing, link, Basic Ingest, rule, ingest, ledger; over TLS against the local
// cloud with the policy of the template. Every third accepted message is lost after its PUBACK, and the link is torn
// in the middle.
func TestAgainstTheLocalCloud(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	stack, err := stack.Load(deploy.DeviceTemplate, deploy.DeviceTemplateName, stack.Location{
		Parameters: map[string]string{"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim"},
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	auth, err := authority.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.EnsureClaim(t.Context(), dir, stack.ClaimPolicy, db); err != nil {
		t.Fatal(err)
	}
	var in *ingest.Ingest
	var messages, lost atomic.Int64
	var mu sync.Mutex
	var denied []string
	var arrived []uint64
	broker, err := awsiot.New(awsiot.Config{
		Stack: stack, Authority: auth, Store: db, Log: log,
		Deliver: func(ctx context.Context, m awsiot.QueueMessage) error { return in.Handle(ctx, m.Body) },
		DropAccepted: func(string, string) bool {
			drop := messages.Add(1)%3 == 0
			if drop {
				lost.Add(1)
			}
			return drop
		},
		OnDenied: func(id, reason string) { mu.Lock(); denied = append(denied, id+": "+reason); mu.Unlock() },
		OnPresence: func(p awsiot.Presence) {
			if p.Online {
				in.Connected(p.Thing)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const interval = 200 * time.Millisecond
	in = ingest.New(ingest.Config{Store: db, Ledger: broker, LedgerInterval: interval, LedgerAtLeast: interval, Log: log, OnCommit: func(ps []store.Pour) {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range ps {
			arrived = append(arrived, p.Record.Seq)
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = in.Run(ctx) }) // ends with ctx
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() { _ = broker.Serve(l) }) // ends with Close
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(broker.Close(), db.Close()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(auth.PEM())
	_, port, _ := net.SplitHostPort(l.Addr().String())
	var torn net.Conn
	config := func(id string, cert tls.Certificate) mqttlink.Config {
		cfg, err := mqttlink.TLSConfig("localhost:"+port, cert, roots, nil)
		if err != nil {
			t.Fatal(err)
		}
		return mqttlink.Config{Addrs: []string{"localhost:" + port}, ClientID: id, TLS: cfg, Log: log, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
			mu.Lock()
			torn = c
			mu.Unlock()
			return c, err
		}}
	}
	id, err := provision.Ensure(t.Context(), provision.Config{
		Dir: filepath.Join(dir, "identity"), Template: template, Serial: "SN42", Log: log,
		ClaimCert: filepath.Join(dir, authority.FileClaimCert), ClaimKey: filepath.Join(dir, authority.FileClaimKey),
	}, func(ctx context.Context, clientID string, cert tls.Certificate) (provision.Conn, error) {
		c, err := mqttlink.Dial(ctx, config(clientID, cert))
		if err != nil {
			return nil, err
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

	src := &pours{note: make(chan struct{}, 1)}
	src.add(id.Thing, 400)
	pace, err := uplink.NewPace(80)
	if err != nil {
		t.Fatal(err)
	}
	up, err := uplink.New(uplink.Config{Thing: id.Thing, Rule: rule, Pace: pace, Linger: 50 * time.Millisecond, LedgerInterval: interval, Log: log}, src)
	if err != nil {
		t.Fatal(err)
	}
	link, err := mqttlink.New(config(id.Thing, cert))
	if err != nil {
		t.Fatal(err)
	}
	link.Handle("uplink", func(ctx context.Context, c *mqttlink.Conn) error {
		shadows, err := shadow.Open(ctx, c, id.Thing)
		if err != nil {
			return err
		}
		ledger, err := shadows.Client(wire.LedgerShadow)
		if err != nil {
			return err
		}
		return up.Serve(ctx, c, ledger)
	})
	lctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- link.Run(lctx) }()

	settled := func(want uint64) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); src.Acked() < want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				mu.Lock()
				defer mu.Unlock()
				t.Fatalf("acked %d of %d, link %+v, uplink %+v, denied %v", src.Acked(), want, link.State(), up.Status(), denied)
			}
		}
	}
	settled(100)
	mu.Lock()
	_ = torn.Close() // the line dies with messages on it
	mu.Unlock()
	settled(400)
	src.add(id.Thing, 1)
	settled(401)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}

	mu.Lock()
	defer mu.Unlock()
	slices.Sort(arrived)
	for i, seq := range arrived {
		if seq != uint64(i+1) {
			t.Fatalf("arrived %v at %d", seq, i)
		}
	}
	if len(arrived) != 401 || lost.Load() < 10 || len(src.aside) != 0 || len(denied) != 0 {
		t.Errorf("%d arrived, %d messages lost after PUBACK, aside %v, denied %v", len(arrived), lost.Load(), src.aside, denied)
	}
	if n := link.State().Connects; n != 2 {
		t.Errorf("%d connects", n)
	}
	rep, err := broker.ReportedShadow(context.Background(), id.Thing, wire.LedgerShadow)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := wire.DecodeLedgerReport(rep); err != nil || r["Ltest"] == nil || r["Ltest"].Last < 400 {
		t.Errorf("reported %s %v", rep, err)
	}
	t.Logf("%d messages, %d lost after PUBACK, %+v", messages.Load(), lost.Load(), up.Status())
}
