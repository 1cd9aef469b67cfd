package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/config"
	"fountain/internal/problem"
)

func stepOf(t *testing.T, s api.Setup, id string) api.SetupStep {
	t.Helper()
	for _, st := range s.Steps {
		if st.ID == id {
			return st
		}
	}
	t.Fatalf("no step %s in %+v", id, s)
	return api.SetupStep{}
}

// The wizard's answers are durable, refused when they are wrong, and on record.
func TestSetupAnswers(t *testing.T) {
	b := newBench(t)
	c, a, stop := b.agent()
	ctx := t.Context()
	s, err := c.Setup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, st := range s.Steps {
		order = append(order, st.ID)
		if st.What == "" || st.State != stepDone && st.Remedy == "" {
			t.Errorf("step %+v says too little", st)
		}
	}
	if want := []string{"pin", "language", "zone", "network", "claim", "rig", "calibrate"}; !slices.Equal(order, want) || s.Done {
		t.Errorf("steps %v, done %v", order, s.Done)
	}
	for _, id := range []string{api.SetupPIN, api.SetupLanguage, api.SetupZone, api.SetupRig} {
		if st := stepOf(t, s, id); st.State != stepOpen {
			t.Errorf("a new unit: %+v", st)
		}
	}
	for _, tc := range []struct{ step, value, person, code string }{
		{api.SetupPIN, "1234", "ada", problem.CodeBadRequest},
		{api.SetupPIN, "", "ada", problem.CodeBadRequest},
		{api.SetupPIN, "482915", " ", problem.CodeBadRequest},
		{api.SetupPIN, "482915", strings.Repeat("a", 65), problem.CodeBadRequest},
		{api.SetupLanguage, "german", "ada", problem.CodeBadRequest},
		{api.SetupZone, "Mars/Olympus", "ada", problem.CodeBadRequest},
		{api.SetupNetwork, "yes", "ada", problem.CodeBadRequest},
		{"coffee", "", "ada", problem.CodeNotFound},
	} {
		if _, err := c.AnswerSetup(ctx, tc.step, api.SetupAnswer{Value: tc.value, Person: tc.person}); err == nil || problem.From(err).Code != tc.code {
			t.Errorf("%s %q by %q: %v, want %s", tc.step, tc.value, tc.person, err, tc.code)
		}
	}
	for step, value := range map[string]string{api.SetupPIN: "482915", api.SetupLanguage: "de", api.SetupZone: "Asia/Tokyo"} {
		s, err := c.AnswerSetup(ctx, step, api.SetupAnswer{Value: value, Person: "ada"})
		if err != nil || stepOf(t, s, step).State != stepDone {
			t.Errorf("%s: %+v, %v", step, s, err)
		}
	}
	a.opEnded("ada", api.Op{Kind: api.OpSelfTest, Outcome: api.OpFailed, Reason: "found"})
	if a.setup.rigChecked() {
		t.Error("a failed self-test counts")
	}
	a.opEnded("ada", api.Op{Kind: api.OpSelfTest, Outcome: api.OpDone})
	if err := a.pin.Verify("482915"); err != nil {
		t.Error(err)
	}
	stop()

	if b.cfg, err = config.LoadLayers(config.Layers{
		Environ: []string{"FOUNTAIN_UNIT_SERIAL=T-1", "FOUNTAIN_CLOUD_ENABLED=false"}, Technician: filepath.Join(b.state, config.TechnicianName),
	}); err != nil {
		t.Fatal(err)
	}
	c, a, stop = b.agent()
	defer stop()
	if s, err = c.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{api.SetupPIN, api.SetupLanguage, api.SetupZone, api.SetupNetwork, api.SetupClaim, api.SetupRig} {
		if st := stepOf(t, s, id); st.State != stepDone {
			t.Errorf("after a restart: %+v", st)
		}
	}
	if b.cfg.Unit.Language != "de" || b.cfg.Location().String() != "Asia/Tokyo" || !a.setup.rigChecked() {
		t.Errorf("after a restart: %+v", b.cfg.Unit)
	}
	if snap, err := c.Snapshot(ctx); err != nil || snap.Language != "de" {
		t.Errorf("the screen is told %q, %v", snap.Language, err)
	}
	log, err := c.Audit(ctx)
	if err != nil || len(log) < 7 {
		t.Fatalf("%v, %v", log, err)
	}
	if log[0].Action != api.OpSelfTest || log[0].Person != "ada" || !strings.HasPrefix(log[0].Result, "done") {
		t.Errorf("newest: %+v", log[0])
	}
	for _, e := range log {
		if strings.Contains(e.Result+e.Action, "482915") {
			t.Errorf("the PIN is on record: %+v", e)
		}
	}
	if !slices.ContainsFunc(log, func(e api.AuditEntry) bool {
		return e.Action == "setup pin" && strings.HasPrefix(e.Result, "refused")
	}) {
		t.Error("a refused answer is not on record")
	}
}

// Service calls stay off the consumer's socket; what is damaged in the technician's file is a step, not a dead unit.
func TestSetupDoors(t *testing.T) {
	b := newBench(t)
	if err := os.WriteFile(filepath.Join(b.state, config.TechnicianName), []byte("unit: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(b.state, "audit.jsonl"), 0o700); err != nil { // and the trail cannot be opened
		t.Fatal(err)
	}
	c, _, stop := b.agent()
	defer stop()
	s, err := c.Setup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st := stepOf(t, s, api.SetupLanguage); st.State != stepFailed || !strings.Contains(st.What, config.TechnicianName) {
		t.Errorf("%+v", st)
	}
	if _, err := c.AnswerSetup(t.Context(), api.SetupLanguage, api.SetupAnswer{Value: "fr", Person: "ada"}); err != nil {
		t.Error(err)
	}
	if _, err := c.Audit(t.Context()); err == nil {
		t.Error("a trail that cannot be opened is empty")
	}
	consumer := api.NewClient(filepath.Join(b.run(), api.AgentSocket))
	defer consumer.Close()
	if _, err := consumer.Setup(t.Context()); err != nil { // no PIN was ever set: the first-run wizard may run
		t.Errorf("over the consumer's socket, before a PIN is set: %v", err)
	}
	if _, err := consumer.Lines(t.Context()); err == nil || problem.From(err).Status != http.StatusUnauthorized {
		t.Errorf("lines over the consumer's socket: %v", err)
	}
	if _, err := c.AnswerSetup(t.Context(), api.SetupPIN, api.SetupAnswer{Value: "482915", Person: "ada"}); err != nil {
		t.Fatal(err)
	}
	if _, err := consumer.Setup(t.Context()); err == nil || problem.From(err).Status != http.StatusUnauthorized {
		t.Errorf("over the consumer's socket, with a PIN: %v", err)
	}
	session, err := consumer.OpenSession(t.Context(), "482915")
	if err != nil {
		t.Fatal(err)
	}
	crew := consumer.WithSession(session)
	if _, err := crew.Setup(t.Context()); err != nil {
		t.Errorf("with a session: %v", err)
	}
	if _, err := consumer.Setup(t.Context()); err == nil {
		t.Error("the client without the session has one")
	}
	if err := consumer.CloseSession(t.Context(), session.ID); err != nil {
		t.Error(err)
	}
	if _, err := crew.Setup(t.Context()); err == nil {
		t.Error("the session is over and works")
	}
	if err := c.ClearAlarm(t.Context(), api.ClearAlarm{Name: "no_such", Scope: "unit", Person: "ada"}); err == nil || problem.From(err).Code != problem.CodeNotFound {
		t.Errorf("clear what is no alarm: %v", err)
	}
}

// The network check says at which step the way to the cloud ends, and what to do.
func TestNetworkCheck(t *testing.T) {
	b := newBench(t)
	_, a, stop := b.agent()
	defer stop()
	dir := t.TempDir()
	ca, caKey := certificate(t, nil, nil, x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	serve := func(c x509.Certificate, signed bool) string {
		parent, key := ca, caKey
		if !signed {
			parent, key = nil, nil
		}
		leaf, leafKey := certificate(t, parent, key, c)
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_ = conn.(*tls.Conn).HandshakeContext(context.Background())
				_ = conn.Close()
			}
		}()
		t.Cleanup(func() { _ = l.Close(); <-done })
		return l.Addr().String()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for _, tc := range []struct{ name, addr, what, remedy string }{
		{"good", serve(x509.Certificate{IPAddresses: loopback}, true), "", ""},
		{"nobody listens", closed.Addr().String(), "refuses connections", "port"},
		{"another authority", serve(x509.Certificate{IPAddresses: loopback}, false), "unknown authority", "cloud.ca"},
		{"another name", serve(x509.Certificate{DNSNames: []string{"elsewhere"}, IPAddresses: []net.IP{net.IPv4(10, 9, 9, 9)}}, true), "another name", "cloud.mqtt"},
		{"expired", serve(x509.Certificate{IPAddresses: loopback, NotAfter: time.Now().Add(-time.Hour)}, true), "not valid at the unit's time", "clock"},
		{"mute", mute.Addr().String(), "no TLS answer", "firewall"},
		{"no port", "localhost", "no host:port", "cloud.mqtt"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := t.Context()
			if tc.name == "mute" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
				defer cancel()
			}
			found, err := a.cloud.reach(ctx, endpoints{MQTT: tc.addr, CA: caFile})
			if tc.what == "" {
				if err != nil || !strings.Contains(found, tc.addr) {
					t.Errorf("%q, %v", found, err)
				}
				return
			}
			p := problem.From(err)
			if err == nil || p.Code != problem.CodeUnreachable || !strings.Contains(p.What, tc.what) || !strings.Contains(p.Remedy, tc.remedy) || p.Where != tc.addr {
				t.Errorf("%v", err)
			}
		})
	}
}

// certificate makes a certificate of c, signed by parent or by itself.
func certificate(t *testing.T, parent *x509.Certificate, key *ecdsa.PrivateKey, c x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject, c.NotBefore = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}, time.Now().Add(-2*time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	if parent == nil {
		parent, key = &c, own
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, &own.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, own
}
