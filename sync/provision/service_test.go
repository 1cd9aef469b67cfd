package provision

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fountain/sync/wire"
)

// service is fleet provisioning in memory.
type service struct {
	t       *testing.T
	ca      *x509.Certificate
	caKey   *ecdsa.PrivateKey
	strict  bool // a token works once only, as a hook that knows no certificate would have it
	loseAt  int  // the nth request is carried out, its answer is lost with the connection
	refuse  *wire.ProvisionError
	silent  bool
	deaf    bool // renewed certificates do not connect
	request int

	pending map[string]string // token -> certificate id
	used    map[string]bool
	things  map[string]string // thing -> certificate id
	renewed map[string]string // the same, registered by rotation and not connected yet
	dials   []string
}

func newService(t *testing.T) *service {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	s := &service{t: t, ca: ca, caKey: key, pending: map[string]string{}, used: map[string]bool{}, things: map[string]string{}, renewed: map[string]string{}}
	return s
}

func (s *service) issue(name string, pub any) []byte {
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}, s.ca, pub, s.caKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func certID(der []byte) string { h := sha256.Sum256(der); return hex.EncodeToString(h[:]) }

// claimFiles writes a claim certificate into dir.
func (s *service) claimFiles(dir string) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "claim.crt"), filepath.Join(dir, "claim.key")
	for path, b := range map[string][]byte{cert: s.issue("claim", &k.PublicKey), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return cert, key
}

func (s *service) dial(_ context.Context, clientID string, cert tls.Certificate) (Conn, error) {
	s.dials = append(s.dials, clientID)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, err
	}
	claim := leaf.Subject.CommonName == "claim"
	id := certID(cert.Certificate[0])
	if !claim && s.things[clientID] != id && (s.renewed[clientID] != id || s.deaf) {
		return nil, errors.New("hung up")
	}
	if s.renewed[clientID] == id { // it works: the old one is taken away
		s.things[clientID] = id
		delete(s.renewed, clientID)
	}
	return &serviceConn{s: s, thing: clientID, claim: claim, lost: make(chan struct{})}, nil
}

type serviceConn struct {
	s       *service
	thing   string
	claim   bool
	ended   bool
	lost    chan struct{}
	handler func(string, []byte)
	filters map[string]bool
}

func (c *serviceConn) Lost() <-chan struct{} { return c.lost }
func (c *serviceConn) Close() {
	if !c.ended {
		c.ended = true
		close(c.lost)
	}
}

func (c *serviceConn) Subscribe(_ context.Context, h func(string, []byte), filters ...string) error {
	c.handler, c.filters = h, map[string]bool{}
	for _, f := range filters {
		c.filters[f] = true
	}
	return nil
}

func (c *serviceConn) Publish(_ context.Context, topic string, qos byte, payload []byte) error {
	s := c.s
	rotates := topic == wire.TopicCreateFromCSR || topic == wire.TopicProvision(wire.RotationTemplate)
	if !c.claim && !rotates || qos != 1 || c.ended {
		return errors.New("not allowed")
	}
	s.request++
	ok, no := s.handle(topic, payload)
	if s.request == s.loseAt {
		c.Close()
		return nil // PUBACK came, the answer did not
	}
	if s.silent {
		return nil
	}
	answer, on := any(ok), wire.Accepted(topic)
	if no != nil {
		answer, on = no, wire.Rejected(topic)
	}
	if !c.filters[on] {
		s.t.Errorf("nobody listens on %s", on)
		return nil
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		s.t.Fatal(err)
	}
	c.handler(on, raw)
	return nil
}

func (s *service) handle(topic string, payload []byte) (any, *wire.ProvisionError) {
	if s.refuse != nil {
		return nil, s.refuse
	}
	switch topic {
	case wire.TopicCreateFromCSR:
		req, err := wire.DecodeCreateFromCSR(payload)
		if err != nil {
			s.t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(req.CSR))
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil || csr.CheckSignature() != nil {
			s.t.Fatalf("CSR: %v", err)
		}
		cert := s.issue("device", csr.PublicKey)
		der, _ := pem.Decode(cert)
		token := rand.Text()
		s.pending[token] = certID(der.Bytes)
		return wire.Certificate{ID: s.pending[token], PEM: string(cert), Token: token}, nil
	case wire.TopicProvision("units"):
		req, err := wire.DecodeRegisterThing(payload)
		if err != nil {
			s.t.Fatal(err)
		}
		id, ok := s.pending[req.Token]
		if !ok {
			return nil, &wire.ProvisionError{Status: 400, Code: wire.ProvisionInvalidToken, Message: "token"}
		}
		thing := "fountain-" + req.Parameters["SerialNumber"]
		if was := s.things[thing]; was != "" && (was != id || s.strict) {
			return nil, &wire.ProvisionError{Status: 403, Code: wire.ProvisionAccessDenied, Message: "serial is claimed"}
		}
		s.used[req.Token] = true
		s.things[thing] = id
		return wire.RegisteredThing{Thing: thing, Device: map[string]string{"site": req.Parameters["Site"]}}, nil
	}
	if topic == wire.TopicProvision(wire.RotationTemplate) {
		req, err := wire.DecodeRegisterThing(payload)
		if err != nil {
			s.t.Fatal(err)
		}
		id, ok := s.pending[req.Token]
		if !ok || s.used[req.Token] {
			return nil, &wire.ProvisionError{Status: 400, Code: wire.ProvisionInvalidToken, Message: "token"}
		}
		s.used[req.Token] = true
		thing := "fountain-" + req.Parameters["SerialNumber"]
		s.renewed[thing] = id
		return wire.RegisteredThing{Thing: thing}, nil
	}
	s.t.Errorf("request on %s", topic)
	return nil, nil
}

func (s *service) config(dir string) Config {
	claims := filepath.Join(dir, "claims")
	cert, key := filepath.Join(claims, "claim.crt"), filepath.Join(claims, "claim.key")
	if _, err := os.Stat(cert); err != nil {
		if err := os.MkdirAll(claims, 0o700); err != nil {
			s.t.Fatal(err)
		}
		s.claimFiles(claims)
	}
	return Config{
		Dir: filepath.Join(dir, "identity"), Template: "units", Serial: "SN1",
		Parameters: map[string]string{"Site": "x"}, ClaimCert: cert, ClaimKey: key, ForgetClaim: true,
	}
}

// good checks the end state: one thing, an identity that connects, the key private, the claim gone.
func (s *service) good(id Identity, cfg Config) {
	t := s.t
	t.Helper()
	if !id.Confirmed || id.Thing != "fountain-SN1" || len(s.things) != 1 || s.things[id.Thing] != id.CertificateID {
		t.Errorf("identity %+v, things %v", id, s.things)
	}
	cert, err := id.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(t.Context(), id.Thing, cert); err != nil {
		t.Errorf("the identity does not connect: %v", err)
	}
	if st, err := os.Stat(id.KeyFile); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", st.Mode(), err)
	}
	for _, f := range []string{cfg.ClaimKey, cfg.ClaimCert, filepath.Join(cfg.Dir, PendingFile)} {
		if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", f)
		}
	}
	if again, err := LoadIdentity(cfg.Dir); err != nil || again.CertificateID != id.CertificateID || !again.Confirmed {
		t.Errorf("loaded %+v, %v", again, err)
	}
}
