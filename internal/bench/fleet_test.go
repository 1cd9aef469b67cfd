package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// The fleet of measureFleet and the memory it may take (issue 5).
const (
	fleetUnits  = 5000
	fleetMemory = 1 << 30
	fleetDials  = 64 // at once: no more than the cloud's accept queue takes
)

// fleetPolicies are what deploy/cfn/device.yaml gives a unit.
var fleetPolicies = []string{"fountain-unit", "fountain-unit-listen"}

// fleetUnit is a unit as the cloud sees it when nobody pours: mutual TLS, CONNECT, its subscriptions, and silence.
type fleetUnit struct {
	name string
	cert tls.Certificate
	conn *tls.Conn
}

// measureFleet connects idle units to the cloud's own process over real TLS, looks at its memory, cuts all connections
// at once and lets them come back together. The base of the storm is what this machine takes for as many bare TLS
// handshakes, both sides in one process.
func measureFleet(t *testing.T, emit func(Figure)) {
	bin := built(t, "fountain/cmd/fountain-cloud")
	manyFiles(t)
	dir := t.TempDir()
	units, pool := makeFleet(t, dir)
	addr, pid := startCloud(t, bin, dir)
	empty := rss(t, pid)
	cfg := func(u *fleetUnit) *tls.Config {
		return &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: []tls.Certificate{u.cert}}
	}

	began := time.Now()
	connectFleet(t, units, addr, cfg)
	t.Logf("%d units connected and subscribed in %v", len(units), time.Since(began))
	time.Sleep(2 * time.Second) // presence is stored behind the connections
	full := rss(t, pid)
	emit(Figure{Name: "fleet/rss", Value: full, Unit: fmt.Sprintf("MB with %d idle units (%s with none)", len(units), short(empty)), Goal: "ratio<=1"}.
		Over("1 GiB", fleetMemory/1e6))
	emit(Figure{Name: "fleet/kib_per_unit", Value: (full - empty) * 1e6 / 1024 / float64(len(units)), Unit: "KiB", Goal: "ratio<=1"}.
		Over(fmt.Sprintf("1 GiB over %d units", len(units)), fleetMemory/1024/float64(len(units))))

	for _, u := range units {
		_ = u.conn.NetConn().Close() // no goodbye: the link is cut
	}
	bare := bareHandshakes(t, units[:fleetUnits/10], pool) * 10 // right before, while the machine is as busy
	began = time.Now()
	connectFleet(t, units, addr, cfg)
	storm := time.Since(began).Seconds()
	emit(Figure{Name: "fleet/storm", Value: storm, Unit: fmt.Sprintf("s until %d units are back and subscribed", len(units)), Goal: "ratio<=6"}.
		Over("as many bare TLS handshakes", bare))
	emit(Figure{Name: "fleet/rss_after_storm", Value: rss(t, pid), Unit: "MB", Goal: "ratio<=1"}.Over("1 GiB", fleetMemory/1e6))
}

// manyFiles lets this process have a connection for each unit.
func manyFiles(t *testing.T) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur < fleetUnits+500 {
		t.Skipf("this machine allows %d open files, %d units need more", l.Cur, fleetUnits)
	}
}

// makeFleet registers units in the cloud's own store, each with a key and a certificate of its own.
func makeFleet(t *testing.T, dir string) ([]*fleetUnit, *x509.CertPool) {
	t.Helper()
	auth, err := authority.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	units := make([]*fleetUnit, fleetUnits)
	certs := make([]store.Certificate, fleetUnits)
	for i := range units {
		units[i] = &fleetUnit{name: fmt.Sprintf("fountain-F%05d", i)}
		c := &certs[i]
		*c, units[i].cert = awsiottest.Certificate(t, auth)
		c.Policies, c.Things = fleetPolicies, []string{units[i].name}
	}
	for i, c := range certs {
		if err := errors.Join(db.CreateThing(t.Context(), store.Thing{Name: units[i].name, Created: 1}), db.PutCertificate(t.Context(), c)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d units registered in %v", len(units), time.Since(began))
	return units, auth.Pool()
}

// startCloud runs fountain-cloud on a directory and returns its MQTT address and process.
func startCloud(t *testing.T, bin, dir string) (addr string, pid int) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "fountain-cloud"), "serve", "--dir", dir, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already: Wait tells
		if err := cmd.Wait(); err != nil {
			t.Errorf("fountain-cloud: %v", err)
		}
		_ = log.Close() // of a process that is gone
		if b, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("…%s", b[max(0, len(b)-2000):])
		}
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
		if err != nil {
			continue
		}
		var e struct {
			MQTT string `json:"mqtt"`
		}
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		return e.MQTT, cmd.Process.Pid
	}
	b, _ := os.ReadFile(log.Name()) // says why, when it can be read
	t.Fatalf("fountain-cloud is not ready:\n%s", b)
	return "", 0
}

func connectFleet(t *testing.T, units []*fleetUnit, addr string, cfg func(*fleetUnit) *tls.Config) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(fleetDials)
	for _, u := range units {
		g.Go(func() error {
			if err := u.connect(ctx, addr, cfg(u)); err != nil {
				return fmt.Errorf("%s: %w", u.name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// connect goes as far as a unit that has nothing to say: the subscriptions it really makes.
func (u *fleetUnit) connect(ctx context.Context, addr string, cfg *tls.Config) error {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	u.conn = tls.Client(raw, cfg)
	if err := u.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	text := func(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }
	send := func(first byte, body []byte) error {
		_, err := u.conn.Write(append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...))
		return err
	}
	if err := send(0x10, append([]byte("\x00\x04MQTT\x04\x02\x04\xb0"), text(u.name)...)); err != nil {
		return err
	}
	r := bufio.NewReaderSize(u.conn, 64)
	if err := expect(r, 0x20); err != nil {
		return err
	}
	filters := append(wire.ShadowFilters(u.name), wire.JobFilters(u.name)...)
	for len(filters) > 0 {
		n := min(len(filters), wire.MaxFilters)
		body := []byte{0, 1}
		for _, f := range filters[:n] {
			body = append(append(body, text(f)...), 1)
		}
		filters = filters[n:]
		if err := send(0x82, body); err != nil {
			return err
		}
		if err := expect(r, 0x90); err != nil {
			return err
		}
	}
	return u.conn.SetDeadline(time.Time{})
}

// expect reads one short packet of the type, without a refusal in it.
func expect(r *bufio.Reader, first byte) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	body := make([]byte, head[1])
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	if head[0] != first || strings.ContainsRune(string(body[2:]), 0x80) || first == 0x20 && body[1] != 0 {
		return fmt.Errorf("got %x % x, want %x", head, body, first)
	}
	return nil
}

// bareHandshakes returns the seconds that mutual TLS alone takes for the units given.
func bareHandshakes(t *testing.T, units []*fleetUnit, pool *x509.CertPool) float64 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server := &tls.Config{Certificates: []tls.Certificate{units[0].cert}, ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s := tls.Server(c, server)
				if s.HandshakeContext(t.Context()) == nil {
					_, _ = s.Write([]byte{0}) // the client knows then that it was accepted
				}
			}()
		}
	}()
	began := time.Now()
	var g errgroup.Group
	g.SetLimit(fleetDials)
	for _, u := range units {
		g.Go(func() error {
			// The server shows a unit's certificate, which names nobody: the chain is checked by hand.
			c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{
				Certificates: []tls.Certificate{u.cert}, InsecureSkipVerify: true,
				VerifyConnection: func(s tls.ConnectionState) error {
					_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
					return err
				},
			})
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = io.ReadFull(c, make([]byte, 1))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return time.Since(began).Seconds()
}
