// Package authority is the certificate authority of a local cloud. It imports cloud/store and internal packages.
package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fountain/cloud/store"
	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// Authority is the certificate authority of a local cloud: it signs the server's and the units' certificates. On AWS
// these are two authorities; one file less to carry is worth more here.
type Authority struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	pem    []byte
	server tls.Certificate
}

// Names of the files of an Authority in its directory.
const (
	FileCA        = "ca.pem"
	FileCAKey     = "ca.key"
	FileClaimCert = "claim.pem"
	FileClaimKey  = "claim.key"
)

// Open reads the authority in dir, or makes one there on the first run; the key's mode is 0600. The server's
// own certificate is made anew at each start for localhost, the loopback addresses and hosts.
func Open(dir string, hosts ...string) (*Authority, error) {
	a := &Authority{}
	certPEM, key, err := readPair(filepath.Join(dir, FileCA), filepath.Join(dir, FileCAKey))
	switch {
	case err == nil:
		a.pem, a.key = certPEM, key
		if a.cert, err = parseCertificate(certPEM); err != nil {
			return nil, damagedFile(filepath.Join(dir, FileCA), err)
		}
	case errors.Is(err, fs.ErrNotExist):
		if err := a.create(dir); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	return a, a.makeServer(hosts)
}

func damagedFile(path string, err error) error {
	return &problem.Problem{
		Code: problem.CodeDamaged, Where: path, What: fmt.Sprintf("the certificate authority cannot be read: %v", err),
		Remedy: "restore the file from a backup; without it every unit must be claimed again",
	}
}

func readPair(certPath, keyPath string) ([]byte, *ecdsa.PrivateKey, error) {
	certPEM, err := os.ReadFile(certPath)
	if err != nil {
		return nil, nil, fmt.Errorf("read certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(keyPath)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) { // half a pair is no first run
			return nil, nil, damagedFile(keyPath, errors.New("the certificate is there, its key is not"))
		}
		return nil, nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, nil, damagedFile(keyPath, errors.New("no PEM block"))
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, damagedFile(keyPath, err)
	}
	return certPEM, key, nil
}

func parseCertificate(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// writePair writes the key first: a certificate without its key would look like damage.
func writePair(certPath string, certPEM []byte, keyPath string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	if err := atomicfile.Write(keyPath, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	return atomicfile.Write(certPath, certPEM, 0o644)
}

// Units' clocks may be wrong before their first contact: certificates begin a year ago.
func validFrom() time.Time { return time.Now().AddDate(-1, 0, 0) }

func (a *Authority) create(dir string) error {
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return fmt.Errorf("make the authority's key: %w", err)
	}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Fountain local cloud"}, NotBefore: validFrom(), NotAfter: time.Now().AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	a.cert = tmpl
	if a.pem, err = a.sign(tmpl, &a.key.PublicKey); err != nil {
		return err
	}
	if a.cert, err = parseCertificate(a.pem); err != nil {
		return fmt.Errorf("make the authority: %w", err)
	}
	if err := writePair(filepath.Join(dir, FileCA), a.pem, filepath.Join(dir, FileCAKey), a.key); err != nil {
		return &problem.Problem{
			Code: problem.CodeNotWritable, Where: dir, What: fmt.Sprintf("cannot store the certificate authority: %v", err),
			Remedy: "make the directory writable for this user or choose another --dir",
		}
	}
	return nil
}

func (a *Authority) sign(tmpl *x509.Certificate, pub any) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	tmpl.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, pub, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func (a *Authority) makeServer(hosts []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the server's key: %w", err)
	}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, NotBefore: validFrom(), NotAfter: time.Now().AddDate(2, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			if !ip.IsUnspecified() {
				tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
			}
		} else if h != "" && !slices.Contains(tmpl.DNSNames, h) {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	certPEM, err := a.sign(tmpl, &key.PublicKey)
	if err != nil {
		return err
	}
	cert, err := parseCertificate(certPEM)
	if err != nil {
		return fmt.Errorf("make the server's certificate: %w", err)
	}
	a.server = tls.Certificate{Certificate: [][]byte{cert.Raw, a.cert.Raw}, PrivateKey: key, Leaf: cert}
	return nil
}

// Server is the certificate and key of the server's end.
func (a *Authority) Server() *tls.Certificate { return &a.server }

// Pool holds the authority's certificate.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Secret derives a secret for one purpose; it stays the same as long as the authority does.
func (a *Authority) Secret(purpose string) ([]byte, error) {
	key, err := a.key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("derive a secret: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(purpose)) // never fails
	return mac.Sum(nil), nil
}

// PEM is the authority's certificate, which units pin.
func (a *Authority) PEM() []byte { return slices.Clone(a.pem) }

// endOfTime is how long AWS lets client certificates run.
var endOfTime = time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)

// Subject is what AWS IoT writes into certificates for those who bring no request of their own.
func Subject() pkix.Name { return pkix.Name{CommonName: "AWS IoT Certificate"} }

// Issue signs a client certificate for a public key.
func (a *Authority) Issue(pub any, subject pkix.Name) (store.Certificate, error) {
	return a.IssueUntil(pub, subject, endOfTime)
}

// IssueUntil signs a client certificate that ends at a time.
func (a *Authority) IssueUntil(pub any, subject pkix.Name, end time.Time) (store.Certificate, error) {
	certPEM, err := a.sign(&x509.Certificate{
		Subject: subject, NotBefore: validFrom(), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, pub)
	if err != nil {
		return store.Certificate{}, err
	}
	return a.Read(string(certPEM))
}

// IssueCSR signs a client certificate for a request, PEM. AWS takes RSA keys of 2048 bits and more and the curves P-256,
// P-384 and P-521.
func (a *Authority) IssueCSR(text string) (store.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || !strings.HasSuffix(block.Type, "CERTIFICATE REQUEST") {
		return store.Certificate{}, errors.New("no PEM block of a certificate request")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return store.Certificate{}, fmt.Errorf("read the request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return store.Certificate{}, fmt.Errorf("check the request: %w", err)
	}
	switch k := csr.PublicKey.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return store.Certificate{}, fmt.Errorf("an RSA key has %d bits, at least 2048 are needed", k.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return store.Certificate{}, errors.New("the curve must be P-256, P-384 or P-521")
		}
	default:
		return store.Certificate{}, errors.New("the key must be RSA or ECDSA")
	}
	subject := csr.Subject
	if subject.String() == "" {
		subject = Subject()
	}
	return a.Issue(csr.PublicKey, subject)
}

// Read makes the registry's form of a client certificate, PEM.
func (a *Authority) Read(text string) (store.Certificate, error) {
	cert, err := parseCertificate([]byte(text))
	if err != nil {
		return store.Certificate{}, fmt.Errorf("read the certificate: %w", err)
	}
	return store.Certificate{ID: ID(cert.Raw), PEM: text, KeyHash: keyHash(cert.RawSubjectPublicKeyInfo)}, nil
}

// Issued tells whether this authority signed a certificate.
func (a *Authority) Issued(cert *x509.Certificate) bool {
	return cert.CheckSignatureFrom(a.cert) == nil
}

// ID is a certificate's id: the lower-case hex SHA-256 of its DER form, as is common practice (not in AWS's guide).
func ID(der []byte) string       { h := sha256.Sum256(der); return hex.EncodeToString(h[:]) }
func keyHash(spki []byte) string { h := sha256.Sum256(spki); return hex.EncodeToString(h[:]) }

// EnsureClaim makes the claim certificate in dir on the first run, as a technician would carry it into the field, and
// registers it with the given policy.
func (a *Authority) EnsureClaim(ctx context.Context, dir, policy string, reg store.Registry) error {
	certPath, keyPath := filepath.Join(dir, FileClaimCert), filepath.Join(dir, FileClaimKey)
	certPEM, _, err := readPair(certPath, keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("make the claim key: %w", err)
		}
		c, err := a.Issue(&key.PublicKey, Subject())
		if err != nil {
			return err
		}
		certPEM = []byte(c.PEM)
		if err := writePair(certPath, certPEM, keyPath, key); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	c, err := a.Read(string(certPEM))
	if err != nil {
		return damagedFile(certPath, err)
	}
	c.Status, c.Policies, c.Created = store.CertActive, []string{policy}, time.Now().UnixMilli()
	old, err := reg.Certificate(ctx, c.ID)
	if err == nil && slices.Equal(old.Policies, c.Policies) {
		return nil // keep its status: an operator may have deactivated it
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("register the claim certificate: %w", err)
	}
	return reg.PutCertificate(ctx, c)
}
