package provision

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// keyBits is the size of the RSA keys AWS IoT makes.
const keyBits = 2048

// KeyPair is a key that the cloud made, PEM.
type KeyPair struct{ Public, Private string }

// NewKey makes a key as AWS IoT does for those who bring none.
func NewKey() (*rsa.PrivateKey, KeyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, KeyPair{}, fmt.Errorf("make key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, KeyPair{}, fmt.Errorf("encode key: %w", err)
	}
	return key, KeyPair{
		Public:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		Private: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	}, nil
}

// createKeys answers $aws/certificates/create/….
func (s *Service) createKeys(ctx context.Context, claim store.Certificate, payload []byte) (map[string]any, *wire.ProvisionError) {
	if len(payload) > 0 && payload[0] != '{' {
		return nil, refuse(400, wire.ProvisionInvalidJSON, "the payload is no JSON object")
	}
	key, pair, err := NewKey()
	if err != nil {
		s.cfg.Log.Error("cannot make a key", logkey.Err, err)
		return nil, refuse(500, wire.ProvisionInternal, "the key could not be made")
	}
	c, err := s.cfg.Authority.Issue(&key.PublicKey, authority.Subject())
	if err != nil {
		s.cfg.Log.Error("cannot sign a certificate", logkey.Err, err)
		return nil, refuse(500, wire.ProvisionInternal, "the certificate could not be signed")
	}
	answer, refusal := s.pending(ctx, claim, c)
	if refusal == nil {
		answer["privateKey"] = pair.Private
	}
	return answer, refusal
}

// createFromCSR answers $aws/certificates/create-from-csr/….
func (s *Service) createFromCSR(ctx context.Context, claim store.Certificate, payload []byte) (map[string]any, *wire.ProvisionError) {
	req, err := wire.DecodeCreateFromCSR(payload)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidJSON, "%v", err)
	}
	c, err := s.cfg.Authority.IssueCSR(req.CSR)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidCSR, "%v", err)
	}
	return s.pending(ctx, claim, c)
}

// pending stores a certificate that waits for its registration.
func (s *Service) pending(ctx context.Context, claim, c store.Certificate) (map[string]any, *wire.ProvisionError) {
	token, now, life := rand.Text()+rand.Text(), time.Now(), tokenLife
	if claim.Claim != "" {
		life = claimLife
	}
	c.Status, c.Token, c.Created, c.TokenExpires = store.CertPending, tokenHash(token), now.UnixMilli(), now.Add(life).UnixMilli()
	if err := errors.Join(s.cfg.Store.DeleteExpired(ctx, now.UnixMilli()), s.cfg.Store.PutCertificate(ctx, c)); err != nil {
		s.cfg.Log.Error("cannot store certificate", logkey.Err, err)
		return nil, refuse(500, wire.ProvisionInternal, "the certificate could not be stored")
	}
	return map[string]any{"certificateId": c.ID, "certificatePem": c.PEM, "certificateOwnershipToken": token}, nil
}

func tokenHash(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// Claim is a provisioning claim for a technician's app.
type Claim struct {
	CertificateID, CertificatePEM string
	Keys                          KeyPair
	Expires                       time.Time
}

// CreateClaim makes a certificate that may register things by one template for five minutes. Errors wrap
// store.ErrNotFound when there is no such template.
func (s *Service) CreateClaim(ctx context.Context, template string) (*Claim, error) {
	if _, err := s.cfg.Store.Entry(ctx, store.KindTemplate, template); err != nil {
		return nil, fmt.Errorf("template %s: %w", template, err)
	}
	key, pair, err := NewKey()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	c, err := s.cfg.Authority.IssueUntil(&key.PublicKey, authority.Subject(), now.Add(claimLife))
	if err != nil {
		return nil, err
	}
	c.Status, c.Created, c.Claim = store.CertActive, now.UnixMilli(), template
	if err := s.cfg.Store.PutCertificate(ctx, c); err != nil {
		return nil, err
	}
	return &Claim{CertificateID: c.ID, CertificatePEM: c.PEM, Keys: pair, Expires: now.Add(claimLife)}, nil
}
