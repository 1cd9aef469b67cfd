package mqttlink_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
	"fountain/deploy"
	"fountain/internal/problem"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

const (
	cloudName = "cloud.venue.test" // no unit can resolve it: only the proxy knows where that is
	password  = "hunter-2"
)

// venue is a proxy that lets the venue's units through to one address, and keeps what it sees.
type venue struct {
	net.Listener
	cloud string // the address behind cloudName
	wg    sync.WaitGroup

	mu      sync.Mutex
	refused int
	tunnels []net.Conn
	seen    bytes.Buffer
}

func newVenue(t *testing.T, cloud string) *venue {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &venue{Listener: l, cloud: cloud}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.tear()
		p.wg.Wait()
	})
	return p
}

func (p *venue) serve(near net.Conn) {
	defer near.Close()
	in := bufio.NewReader(near)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if r.Method != http.MethodConnect || r.Host != cloudName+":8883" || r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("unit:"+password)) {
		p.mu.Lock()
		p.refused++
		p.mu.Unlock()
		_, _ = io.WriteString(near, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
		return
	}
	far, err := net.Dial("tcp", p.cloud)
	if err != nil {
		return
	}
	defer far.Close()
	p.mu.Lock()
	p.tunnels = append(p.tunnels, near)
	p.mu.Unlock()
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\nVia: 1.1 venue\r\n\r\n")
	p.wg.Go(func() {
		defer far.Close()
		_, _ = io.Copy(io.MultiWriter(far, p), in)
	})
	_, _ = io.Copy(io.MultiWriter(near, p), far)
}

// Write keeps what goes through.
func (p *venue) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.Write(b)
}

// tear ends every tunnel there is and tells how many there have been.
func (p *venue) tear() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.tunnels {
		_ = c.Close()
	}
	return len(p.tunnels)
}

func (p *venue) counts() (tunnels, refused int, seen []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.tunnels), p.refused, bytes.Clone(p.seen.Bytes())
}

// broker is the real one, listening; addr is where.
func broker(t *testing.T, dir string, log *slog.Logger) (core *awsiot.Core, roots *x509.CertPool, addr string) {
	t.Helper()
	st, err := stack.Load(deploy.DeviceTemplate, deploy.DeviceTemplateName, stack.Location{
		Parameters: map[string]string{"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim"},
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	auth, err := authority.Open(dir, cloudName)
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.EnsureClaim(t.Context(), dir, st.ClaimPolicy, db); err != nil {
		t.Fatal(err)
	}
	core, err = awsiot.New(awsiot.Config{
		Stack: st, Authority: auth, Store: db, Log: log, Deliver: func(context.Context, awsiot.QueueMessage) error { return nil },
		OnDenied: func(id, reason string) { t.Errorf("the broker refuses %s: %s", id, reason) },
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = core.Serve(l) }) // ends with Close
	t.Cleanup(func() {
		if err := errors.Join(core.Close(), db.Close()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	return core, auth.Pool(), l.Addr().String()
}

// TestSessionThroughTheProxy: a unit in a venue whose only way out is a proxy with a password claims its identity, has a
// session with the real broker, and has another one when the proxy drops the first. The proxy sees nothing of it, and a
// wrong password is told to a person.
func TestSessionThroughTheProxy(t *testing.T) {
	dir := t.TempDir()
	var lines bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) { mu.Lock(); defer mu.Unlock(); lines.Write(b) }), &slog.HandlerOptions{Level: slog.LevelDebug}))
	core, roots, addr := broker(t, dir, log)
	proxy := newVenue(t, addr)
	config := func(id string, cert tls.Certificate, password string) mqttlink.Config {
		trust, err := mqttlink.TLSConfig(cloudName+":8883", cert, roots, nil)
		if err != nil {
			t.Fatal(err)
		}
		return mqttlink.Config{
			Addrs: []string{cloudName + ":8883"}, ClientID: id, TLS: trust, Log: log,
			Dial: mqttlink.Proxy(&url.URL{Scheme: "http", Host: proxy.Addr().String(), User: url.UserPassword("unit", password)}),
		}
	}
	id, err := provision.Ensure(t.Context(), provision.Config{
		Dir: filepath.Join(dir, "identity"), Template: "fountain-unit", Serial: "SN42", Log: log,
		ClaimCert: filepath.Join(dir, authority.FileClaimCert), ClaimKey: filepath.Join(dir, authority.FileClaimKey),
	}, func(ctx context.Context, clientID string, cert tls.Certificate) (provision.Conn, error) {
		c, err := mqttlink.Dial(ctx, config(clientID, cert, password))
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
	before, _, _ := proxy.counts()
	if before != 2 { // the claim's connection and the first of its own
		t.Errorf("%d tunnels for claiming", before)
	}

	_, err = mqttlink.Dial(t.Context(), config(id.Thing, cert, password+"x"))
	if p := problem.From(err); err == nil || p.Code != problem.CodeUnreachable || !strings.Contains(p.What, "password") || p.Remedy == "" {
		t.Errorf("with a wrong password: %v", err)
	}

	link, err := mqttlink.New(config(id.Thing, cert, password))
	if err != nil {
		t.Fatal(err)
	}
	sessions := make(chan int, 8)
	n := 0
	link.Handle("test", func(ctx context.Context, c *mqttlink.Conn) error {
		shadows, err := shadow.Open(ctx, c, id.Thing)
		if err != nil {
			return err
		}
		client, err := shadows.Client(wire.UnitShadow)
		if err != nil {
			return err
		}
		n++
		if err := client.Report(ctx, map[string]any{"plain-words": n}); err != nil { // there and back
			return err
		}
		sessions <- n
		<-ctx.Done()
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	for want := 1; want <= 2; want++ {
		select {
		case got := <-sessions:
			raw, err := core.ReportedShadow(t.Context(), id.Thing, wire.UnitShadow)
			if err != nil || got != want || string(raw) != `{"plain-words":`+string(rune('0'+want))+`}` {
				t.Errorf("session %d: the cloud has %s %v", got, raw, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("session %d does not come: %+v", want, link.State())
		}
		if want == 1 {
			proxy.tear()
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c := link.State().Connects; c != 2 {
		t.Errorf("%d connections", c)
	}
	tunnels, refused, seen := proxy.counts()
	if tunnels != before+2 || refused != 1 {
		t.Errorf("%d tunnels, %d refused", tunnels, refused)
	}
	if bytes.Contains(seen, []byte("plain-words")) || bytes.Contains(seen, []byte(id.Thing)) {
		t.Error("the proxy can read along")
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(lines.String(), password) {
		t.Error("the log tells the password")
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }
