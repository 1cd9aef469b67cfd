package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fountain/cloud/awsiot/awsiottest"
	"fountain/sync/bareunit"
	"fountain/sync/mqttlink"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// fleet connects units to wherever the cloud is just now.
type fleet struct {
	t    *testing.T
	addr atomic.Value               // string
	logs map[string]*bareunit.Pours // by thing
}

// connect starts a unit's link and uplink, which run until the test ends.
func (f *fleet) connect(e Endpoints, thing string, cert tls.Certificate) {
	f.t.Helper()
	ca, err := os.ReadFile(e.CA)
	if err != nil {
		f.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	cfg, err := mqttlink.TLSConfig("localhost:8883", cert, roots, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	link, err := mqttlink.New(mqttlink.Config{
		Addrs: []string{"localhost:8883"}, ClientID: thing, TLS: cfg,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, f.addr.Load().(string))
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.logs[thing] = bareunit.NewPours(thing, "a1", nil)
	up, err := uplink.New(uplink.Config{Thing: thing, Rule: awsiottest.Rule, Linger: 20 * time.Millisecond, LedgerInterval: 200 * time.Millisecond}, f.logs[thing])
	if err != nil {
		f.t.Fatal(err)
	}
	link.Handle("uplink", bareunit.Upload(thing, up))
	bareunit.Run(f.t, link)
}

func (f *fleet) pour(n int) {
	for _, l := range f.logs {
		l.Pour(n)
	}
}

// settled waits until the ledger has acknowledged everything.
func (f *fleet) settled() {
	f.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		open := ""
		for thing, l := range f.logs {
			if l.Acked() < l.Last() {
				open += fmt.Sprintf("%s %d of %d; ", thing, l.Acked(), l.Last())
			}
		}
		if open == "" {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("not acknowledged: %s", open)
		}
	}
}

// TestRestoreDrill: the cloud's disk is lost and an old backup is put in place. What was poured since comes back by
// itself when the units connect: nothing is lost, nothing is there twice.
func TestRestoreDrill(t *testing.T) {
	const before, since, offline, after = 40, 70, 15, 5
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup.db")
	must := func(want int, says string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		if code := run(t.Context(), args, os.Getenv, &out, &out); code != want || !strings.Contains(out.String(), says) {
			t.Fatalf("%v: exit %d, want %d: %s", args, code, want, &out)
		}
	}
	p, e := startCloud(t, dir)
	f := &fleet{t: t, logs: map[string]*bareunit.Pours{}}
	f.addr.Store(e.MQTT)
	for _, serial := range []string{"F0401", "F0402", "F0403"} {
		thing, cert := claim(t, e, serial)
		f.connect(e, thing, cert)
	}
	f.pour(before)
	f.settled()
	must(0, backup, "backup", "--dir", dir, "-o", backup)
	f.pour(since)
	f.settled()
	must(1, "another fountain-cloud", "restore", backup, "--dir", dir, "--force")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(export(t, dir)); n != 3*(before+since) {
		t.Fatalf("%d records before the disaster", n)
	}
	f.pour(offline)
	must(1, fmt.Sprintf("%d records", 3*since), "restore", backup, "--dir", dir)
	must(0, "kept as", "restore", backup, "--dir", dir, "--force")
	if n := len(export(t, dir)); n != 3*before {
		t.Fatalf("%d records in the backup", n)
	}

	_, e = startCloud(t, dir)
	f.addr.Store(e.MQTT)
	began := time.Now()
	const all = before + since + offline + after
	f.pour(after)
	for end := time.Now().Add(patience); len(export(t, dir)) < 3*all; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d records came back\n%s", len(export(t, dir)), 3*all, get(t, e.Console+"/metrics"))
		}
	}
	f.settled()
	t.Logf("all back after %v", time.Since(began))
	have := map[wire.Key]int{}
	for _, r := range export(t, dir) {
		have[r.Key()]++
	}
	for thing, l := range f.logs {
		for q := uint64(1); q <= all; q++ {
			if n := have[wire.Key{Thing: thing, Log: l.Log(), Seq: q}]; n != 1 {
				t.Errorf("%s %d is there %d times", thing, q, n)
			}
		}
		if l.Rewinds() != 1 || len(l.Aside()) > 0 {
			t.Errorf("%s went back %d times and set %v aside", thing, l.Rewinds(), l.Aside())
		}
	}
	page := get(t, e.Console+"/metrics")
	for _, line := range []string{
		fmt.Sprintf("fountain_cloud_pours %d", 3*all), "fountain_cloud_conflicts 0", "fountain_cloud_quarantined 0", "fountain_cloud_restores_asked_total 3",
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("%s is not in the metrics", line)
		}
	}
	if totals := get(t, e.Console+"/api/totals"); !strings.Contains(totals, fmt.Sprintf(`"pours":%d,"ul":%d`, 3*all, 3*all*250_000)) {
		t.Errorf("totals %s", totals)
	}
}
