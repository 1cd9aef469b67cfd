package agent

import (
	"bufio"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"fountain/agent/config"
)

// venueProxy lets through who knows the password, and notes where to.
func venueProxy(t *testing.T, password string) (addr string, went func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var to []string
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("unit:"+password)) {
					_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
					return
				}
				far, err := net.Dial("tcp", r.Host)
				if err != nil {
					return
				}
				defer far.Close()
				mu.Lock()
				to = append(to, r.Host)
				mu.Unlock()
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				all.Go(func() { _, _ = io.Copy(far, c); _ = far.Close() })
				_, _ = io.Copy(c, far)
			})
		}
	})
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(to)
	}
}

// TestThroughTheProxy: the way to the cloud and the upload of diagnostics both go through cloud.proxy with its password,
// which no error and no log line tells.
func TestThroughTheProxy(t *testing.T) {
	const secret = "hunter-2"
	b := newBench(t)
	var got []byte
	srv := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) }))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := srv.Listener.Addr().String()
	proxy, went := venueProxy(t, secret)
	with := func(password string) (*Agent, endpoints, func()) {
		cfg := *b.cfg
		cfg.Cloud = config.Cloud{MQTT: addr, CA: ca, Proxy: "http://unit:" + password + "@" + proxy}
		b.cfg = &cfg
		_, a, stop := b.agent()
		ep, err := a.cloud.endpoints()
		if err != nil {
			t.Fatal(err)
		}
		return a, ep, stop
	}
	a, ep, stop := with(secret + "x")
	if _, err := a.cloud.reach(t.Context(), ep); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("with a wrong password: %v", err)
	}
	stop()
	a, ep, stop = with(secret)
	defer stop()
	if found, err := a.cloud.reach(t.Context(), ep); err != nil {
		t.Error(found, err)
	}
	client, err := upload{a}.client()
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), client, srv.URL+"/diag", []byte("tarball")); err != nil || string(got) != "tarball" {
		t.Errorf("%q %v", got, err)
	}
	if to := went(); len(to) != 2 || to[0] != addr || to[1] != addr {
		t.Errorf("through the proxy went %v", to)
	}
}
