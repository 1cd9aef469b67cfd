package mqttlink_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
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

	"fountain/cloud/awsiot/awsiottest"
	"fountain/internal/problem"
	"fountain/sync/bareunit"
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

// TestSessionThroughTheProxy: a unit in a venue whose only way out is a proxy with a password claims its identity, has a
// session with the real broker, and has another one when the proxy drops the first. The proxy sees nothing of it, and a
// wrong password is told to a person.
func TestSessionThroughTheProxy(t *testing.T) {
	dir := t.TempDir()
	var lines bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) { mu.Lock(); defer mu.Unlock(); lines.Write(b) }), &slog.HandlerOptions{Level: slog.LevelDebug}))
	local := awsiottest.Open(t, dir, cloudName)
	local.Config.Log = log
	local.Config.OnDenied = func(id, reason string) { t.Errorf("the broker refuses %s: %s", id, reason) }
	core, roots := local.Start(), local.Authority.Pool()
	proxy := newVenue(t, awsiottest.Listen(t, core.Serve))
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
	id, cert := bareunit.Claim(t, provision.Config{
		Dir: filepath.Join(dir, "identity"), Template: awsiottest.Template, Serial: "SN42", Log: log, ClaimCert: local.ClaimCert, ClaimKey: local.ClaimKey,
	}, func(id string, cert tls.Certificate) mqttlink.Config { return config(id, cert, password) })
	before, _, _ := proxy.counts()
	if before != 2 { // the claim's connection and the first of its own
		t.Errorf("%d tunnels for claiming", before)
	}

	_, err := mqttlink.Dial(t.Context(), config(id.Thing, cert, password+"x"))
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
	stop := bareunit.Run(t, link)
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
