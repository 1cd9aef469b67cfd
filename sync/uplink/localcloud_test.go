package uplink_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/ingest"
	"fountain/cloud/store"
	"fountain/sync/bareunit"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// The whole way: claim, certificate, thing, link, Basic Ingest, rule, ingest, ledger; over TLS against the local
// cloud with the policy of the template. Every third accepted message is lost after its PUBACK, and the link is torn
// in the middle.
func TestAgainstTheLocalCloud(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	local := awsiottest.Open(t, dir)
	var in *ingest.Ingest
	var messages, lost atomic.Int64
	var mu sync.Mutex
	var denied []string
	var arrived []uint64
	cfg := &local.Config
	cfg.Log = log
	cfg.Deliver = func(ctx context.Context, m awsiot.QueueMessage) error { return in.Handle(ctx, m.Body) }
	cfg.DropAccepted = func(string, string) bool {
		drop := messages.Add(1)%3 == 0
		if drop {
			lost.Add(1)
		}
		return drop
	}
	cfg.OnDenied = func(id, reason string) { mu.Lock(); denied = append(denied, id+": "+reason); mu.Unlock() }
	cfg.OnPresence = func(p awsiot.Presence) {
		if p.Online {
			in.Connected(p.Thing)
		}
	}
	broker := local.Start()
	const interval = 200 * time.Millisecond
	in = ingest.New(ingest.Config{Store: local.Store, Ledger: broker, LedgerInterval: interval, LedgerAtLeast: interval, Log: log, OnCommit: func(ps []store.Pour) {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range ps {
			arrived = append(arrived, p.Record.Seq)
		}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = in.Run(ctx) }) // ends with ctx
	t.Cleanup(func() { cancel(); wg.Wait() })

	addr, roots := awsiottest.Listen(t, broker.Serve), local.Authority.Pool()
	_, port, _ := net.SplitHostPort(addr)
	var torn net.Conn
	config := func(id string, cert tls.Certificate) mqttlink.Config {
		cfg, err := mqttlink.TLSConfig("localhost:"+port, cert, roots, nil)
		if err != nil {
			t.Fatal(err)
		}
		return mqttlink.Config{Addrs: []string{"localhost:" + port}, ClientID: id, TLS: cfg, Log: log, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			mu.Lock()
			torn = c
			mu.Unlock()
			return c, err
		}}
	}
	id, cert := bareunit.Claim(t, provision.Config{
		Dir: filepath.Join(dir, "identity"), Template: awsiottest.Template, Serial: "SN42", Log: log, ClaimCert: local.ClaimCert, ClaimKey: local.ClaimKey,
	}, config)

	src := bareunit.NewPours(id.Thing, "Ltest", nil)
	src.Pour(400)
	pace, err := uplink.NewPace(80)
	if err != nil {
		t.Fatal(err)
	}
	up, err := uplink.New(uplink.Config{Thing: id.Thing, Rule: awsiottest.Rule, Pace: pace, Linger: 50 * time.Millisecond, LedgerInterval: interval, Log: log}, src)
	if err != nil {
		t.Fatal(err)
	}
	link, err := mqttlink.New(config(id.Thing, cert))
	if err != nil {
		t.Fatal(err)
	}
	link.Handle("uplink", bareunit.Upload(id.Thing, up))
	stop := bareunit.Run(t, link)

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
	src.Pour(1)
	settled(401)
	stop()

	mu.Lock()
	defer mu.Unlock()
	slices.Sort(arrived)
	for i, seq := range arrived {
		if seq != uint64(i+1) {
			t.Fatalf("arrived %v at %d", seq, i)
		}
	}
	if len(arrived) != 401 || lost.Load() < 10 || len(src.Aside()) != 0 || src.Rewinds() != 0 || len(denied) != 0 {
		t.Errorf("%d arrived, %d messages lost after PUBACK, aside %v, %d rewinds, denied %v", len(arrived), lost.Load(), src.Aside(), src.Rewinds(), denied)
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
