package awsiot

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// tokenLife is how long a certificate waits to be registered (G23 fleet provisioning).
const tokenLife = time.Hour

// ClaimOnce is the local pre-provisioning hook. A serial may be claimed when
//
//   - nobody claimed it, or an operator released it;
//   - the thing has never connected with the identity it was given: the unit stopped between registration and its
//     first connection, perhaps before it wrote the certificate, and must be able to try again;
//   - the request's key is the key the thing holds already: only the unit itself has it.
//
// Anything else is refused. Registration deactivates the certificate given before, so of two claimants of one serial
// the last before the first connection wins, and the other finds itself refused: visible, never shared.
type ClaimOnce struct{ Registry store.Registry }

// ErrClaimed is wrapped by ClaimOnce.Allow.
var ErrClaimed = errors.New("serial is claimed already")

// Allow implements ProvisioningHook.
func (h ClaimOnce) Allow(ctx context.Context, r HookRequest) error {
	if r.Serial == "" {
		return errors.New("the template gives the thing no serial attribute")
	}
	t, err := h.Registry.Thing(ctx, r.Thing)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up thing: %w", err)
	}
	if t.Released || t.FirstConnected == 0 {
		return nil
	}
	asks, err := h.Registry.Certificate(ctx, r.CertificateID)
	if err != nil {
		return fmt.Errorf("look up certificate: %w", err)
	}
	has, err := h.Registry.CertificatesOf(ctx, r.Thing)
	if err != nil {
		return fmt.Errorf("look up certificates: %w", err)
	}
	for _, c := range has {
		if c.Status == store.CertActive && c.KeyHash == asks.KeyHash {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrClaimed, r.Serial)
}

func refuse(status int, code, format string, args ...any) *wire.ProvisionError {
	return &wire.ProvisionError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// createFromCSR answers $aws/certificates/create-from-csr/json.
func (b *Broker) createFromCSR(ctx context.Context, payload []byte) (any, *wire.ProvisionError) {
	req, err := wire.DecodeCreateFromCSR(payload)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidJSON, "%v", err)
	}
	block, _ := pem.Decode([]byte(req.CSR))
	if block == nil {
		return nil, refuse(400, wire.ProvisionInvalidCSR, "no PEM block")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidCSR, "%v", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, refuse(400, wire.ProvisionInvalidCSR, "%v", err)
	}
	c, err := b.cfg.Authority.issue(csr.PublicKey)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidCSR, "%v", err)
	}
	token := rand.Text() + rand.Text()
	now := time.Now()
	c.Status, c.Token, c.Created, c.TokenExpires = store.CertPending, tokenHash(token), now.UnixMilli(), now.Add(tokenLife).UnixMilli()
	if err := b.cfg.Store.PutCertificate(ctx, c); err != nil {
		b.log.Error("cannot store certificate", logkey.Err, err)
		return nil, refuse(500, wire.ProvisionInternal, "the certificate could not be stored")
	}
	return wire.Certificate{ID: c.ID, PEM: c.PEM, Token: token}, nil
}

func tokenHash(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// register answers $aws/provisioning-templates/NAME/provision/json.
func (b *Broker) register(ctx context.Context, s *session, name string, payload []byte) (any, *wire.ProvisionError) {
	t := b.cfg.Stack.templates[name]
	if t == nil {
		return nil, refuse(404, "ResourceNotFound", "there is no provisioning template %q", name)
	}
	req, err := wire.DecodeRegisterThing(payload)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidJSON, "%v", err)
	}
	b.provisioning.Lock() // hook and registration are one decision
	defer b.provisioning.Unlock()
	var c store.Certificate
	if req.Token != "" {
		if c, err = b.cfg.Store.CertificateByToken(ctx, tokenHash(req.Token)); err != nil && !errors.Is(err, store.ErrNotFound) {
			b.log.Error("cannot read certificate", logkey.Err, err)
			return nil, refuse(500, wire.ProvisionInternal, "the certificate could not be read")
		}
	}
	if c.Status != store.CertPending || time.Now().UnixMilli() >= c.TokenExpires {
		return nil, refuse(400, wire.ProvisionInvalidToken, "the certificate ownership token is unknown, used or expired")
	}
	params := map[string]string{}
	for k, v := range req.Parameters {
		params[k] = v
	}
	params["AWS::IoT::Certificate::Id"] = c.ID
	pl, err := t.plan(params)
	if err != nil {
		return nil, refuse(400, wire.ProvisionBadRequest, "%v", err)
	}
	if err := wire.CheckThing(pl.thing); err != nil {
		return nil, refuse(400, wire.ProvisionBadRequest, "%v", err)
	}
	hr := HookRequest{
		ClaimCertificateID: s.cert.ID, CertificateID: c.ID, CertificatePEM: c.PEM, TemplateName: name, ClientID: s.clientID(),
		Parameters: req.Parameters, Thing: pl.thing, Serial: pl.attributes["serial"],
	}
	if err := b.hook.Allow(ctx, hr); err != nil {
		b.log.Warn("claim refused", logkey.Thing, pl.thing, logkey.Reason, err.Error())
		return nil, refuse(403, wire.ProvisionAccessDenied, "the pre-provisioning hook refused")
	}
	if err := b.cfg.Store.Register(ctx, store.Registration{
		CertificateID: c.ID, Thing: pl.thing, Serial: hr.Serial, Type: pl.thingType, Policies: pl.policies, At: time.Now().UnixMilli(),
	}); err != nil {
		b.log.Error("cannot register thing", logkey.Thing, pl.thing, logkey.Err, err)
		return nil, refuse(500, wire.ProvisionInternal, "the thing could not be registered")
	}
	b.kick(pl.thing, reasonAuth) // whoever still holds the old identity
	b.log.Info("thing registered", logkey.Thing, pl.thing, slog.String("certificate", c.ID[:12]))
	return wire.RegisteredThing{Thing: pl.thing, Device: pl.device}, nil
}

// mustJSON encodes what is made of plain structs, maps and numbers.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: no channels, functions or cycles
	}
	return b
}
