package desk

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/cloud/awsiot/authority"
	"fountain/sync/provision"
	"fountain/sync/wire"
)

// The shipping agent against a broker nobody of Fountain wrote: Eclipse Mosquitto with mutual TLS. It has no shadows, so
// nobody acknowledges a record; consumption arrives, and everything stays on the unit (docs/CLOUD.md).
func TestMosquitto(t *testing.T) {
	if os.Getenv("FOUNTAIN_INTEROP") == "" {
		t.Skip("needs Debian's mosquitto: make test-interop installs it and runs this")
	}
	for _, program := range []string{"mosquitto", "mosquitto_sub"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: %s is not installed and could not be", program)
		}
	}
	const serial, thing = "M0001", "fountain-M0001"
	dir, err := os.MkdirTemp("", "mosq") // short: socket paths have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ca, err := authority.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(dir, "desk", "unit-1", "identity")
	if err := os.MkdirAll(identity, 0o700); err != nil {
		t.Fatal(err)
	}
	writeClient(t, ca, filepath.Join(identity, provision.CertFile), filepath.Join(identity, provision.KeyFile))
	writeClient(t, ca, filepath.Join(dir, "watcher.crt"), filepath.Join(dir, "watcher.key"))
	write(t, filepath.Join(identity, provision.IdentityFile), fmt.Sprintf(`{"schema":1,"thing":%q,"certificate_id":"x","confirmed":true}`, thing))
	addr := startMosquitto(t, dir, ca)

	watch := exec.Command("mosquitto_sub", "-h", "localhost", "-p", portOf(addr), "--cafile", filepath.Join(dir, authority.FileCA),
		"--cert", filepath.Join(dir, "watcher.crt"), "--key", filepath.Join(dir, "watcher.key"), "-i", "watcher", "-q", "1", "-v",
		"-t", wire.BasicIngest("fountain_consumption", "+"))
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = watch.Process.Kill(); _ = watch.Wait() })
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()

	for k, v := range map[string]string{
		"FOUNTAIN_UNIT_SERIAL": serial, "FOUNTAIN_CLOUD_MQTT": addr, "FOUNTAIN_CLOUD_CA": filepath.Join(dir, authority.FileCA),
		"FOUNTAIN_SYNC_LEDGER_INTERVAL": "1s",
	} {
		t.Setenv(k, v)
	}
	_, u := startDesk(t, func(c *Config) { c.Dir = filepath.Join(dir, "desk") })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := api.NewClient(u.Socket(api.ServiceSocket))
	defer c.Close()
	poured := map[string]bool{}
	for len(poured) < 3 {
		p, err := c.Hold(ctx, api.StartPour{Beverage: "kolvane.zero", TargetUL: 60_000, Mode: api.ModePortion, Source: wire.SourceService}, nil)
		if ctx.Err() != nil {
			t.Fatalf("poured %d: %v", len(poured), err)
		}
		if err != nil || p.Outcome != string(wire.Completed) { // not ready yet, or a host that stood still
			time.Sleep(200 * time.Millisecond)
			continue
		}
		poured[p.ID] = true
	}
	var seqs []uint64
	for arrived := 0; arrived < len(poured); {
		select {
		case line, ok := <-lines:
			topic, payload, _ := strings.Cut(line, " ")
			if !ok || topic != wire.BasicIngest("fountain_consumption", thing) {
				t.Fatalf("mosquitto_sub says %q", line)
			}
			for _, it := range wire.DecodeBatch([]byte(payload)) {
				if it.Err != nil {
					t.Fatal(it.Err)
				}
				if poured[it.Record.ID] {
					arrived++
				}
				seqs = append(seqs, it.Record.Seq)
			}
		case <-ctx.Done():
			t.Fatalf("only %v arrived of %v", seqs, poured)
		}
	}
	for i := range seqs {
		if seqs[i] != uint64(i+1) {
			t.Errorf("records came as %v: not in order, or twice", seqs)
			break
		}
	}
	// Nobody said that they are stored: they stay, they are not sent over and over, and pouring goes on.
	time.Sleep(5 * time.Second)
	select {
	case line := <-lines:
		t.Errorf("sent again although nobody asked: %s", line)
	default:
	}
	s, err := c.Status(ctx)
	if err != nil || s.Unit != api.UnitReady {
		t.Fatalf("%+v %v", s, err)
	}
	b, err := json.Marshal(s.Cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records arrived in order %v; the unit says %s", len(seqs), seqs, b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeClient makes a key and its certificate.
func writeClient(t *testing.T, ca *authority.Authority, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ca.Issue(&key.PublicKey, pkix.Name{CommonName: "unit"})
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, c.PEM)
	writeKey(t, keyFile, key)
}

func writeKey(t *testing.T, path string, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

// startMosquitto runs a broker that wants a client certificate of ca and returns its address.
func startMosquitto(t *testing.T, dir string, ca *authority.Authority) string {
	t.Helper()
	server := ca.Server()
	write(t, filepath.Join(dir, "server.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate[0]})))
	writeKey(t, filepath.Join(dir, "server.key"), server.PrivateKey.(*ecdsa.PrivateKey))
	for range 5 { // the port may be taken between choosing and listening: it cannot choose itself
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := "localhost:" + portOf(l.Addr().String())
		_ = l.Close()
		write(t, filepath.Join(dir, "mosquitto.conf"), fmt.Sprintf("user root\nlistener %s 127.0.0.1\ncafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate true\nallow_anonymous true\n",
			portOf(addr), filepath.Join(dir, authority.FileCA), filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")))
		cmd := exec.Command("mosquitto", "-c", filepath.Join(dir, "mosquitto.conf"))
		var log strings.Builder
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if c, err := net.Dial("tcp", "127.0.0.1:"+portOf(addr)); err == nil {
				_ = c.Close()
				return addr
			}
		}
		t.Logf("mosquitto: %s", log.String())
	}
	t.Fatal("mosquitto does not listen")
	return ""
}

func portOf(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err) // our own address
	}
	return p
}
