// Package provision is AWS IoT's fleet provisioning: certificates by request, registration by a template, the hook that
// decides who may claim (spec/awsiot.md 8). It imports cloud/store, awsiot/broker's Request, awsiot/stack, sync/wire and
// internal packages.
package provision

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
	"sync"
	"time"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// tokenLife is how long a certificate waits to be registered (G23 fleet provisioning).
const tokenLife = time.Hour

// HookRequest is what AWS hands a pre-provisioning hook, plus the registry.
type HookRequest struct {
	ClaimCertificateID string
	CertificateID      string
	CertificatePEM     string
	TemplateName       string
	ClientID           string
	Parameters         map[string]string
	Thing              string // the name the template would give
	Serial             string
}

// Hook decides whether a unit may be registered. A nil error allows; the error's text is logged and the unit sees
// AccessDenied.
type Hook interface {
	Allow(ctx context.Context, r HookRequest) error
}

// Config of a Service.
type Config struct {
	Authority *authority.Authority
	Store     store.Registry
	Templates func(name string) *stack.Template // nil when there is none
	Hook      Hook                              // nil means ClaimOnce
	Kick      func(thing string)                // ends the connection of whoever holds the old identity
	Log       *slog.Logger
}

// Service answers provisioning requests.
type Service struct {
	cfg Config
	mu  sync.Mutex // one registration at a time: hook and registration are one decision
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Hook == nil {
		cfg.Hook = ClaimOnce{cfg.Store}
	}
	return &Service{cfg: cfg}
}

// Serve implements broker.Service. Answers go to the requesting connection only: another claimant must not see a
// certificate.
func (s *Service) Serve(ctx context.Context, r broker.Request) bool {
	var answer any
	var refusal *wire.ProvisionError
	if r.Topic == wire.TopicCreateFromCSR {
		answer, refusal = s.createFromCSR(ctx, r.Payload)
	} else if name, kind, ok := wire.ParseProvision(r.Topic); ok && kind == "" {
		answer, refusal = s.register(ctx, r, name, r.Payload)
	} else {
		return false
	}
	if refusal != nil {
		s.cfg.Log.Warn("provisioning request refused", logkey.Thing, r.ClientID, logkey.Reason, refusal.Error())
		r.Reply(wire.Rejected(r.Topic), mustJSON(refusal))
		return true
	}
	r.Reply(wire.Accepted(r.Topic), mustJSON(answer))
	return true
}

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
func (s *Service) createFromCSR(ctx context.Context, payload []byte) (any, *wire.ProvisionError) {
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
	c, err := s.cfg.Authority.Issue(csr.PublicKey)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidCSR, "%v", err)
	}
	token := rand.Text() + rand.Text()
	now := time.Now()
	c.Status, c.Token, c.Created, c.TokenExpires = store.CertPending, tokenHash(token), now.UnixMilli(), now.Add(tokenLife).UnixMilli()
	if err := s.cfg.Store.PutCertificate(ctx, c); err != nil {
		s.cfg.Log.Error("cannot store certificate", logkey.Err, err)
		return nil, refuse(500, wire.ProvisionInternal, "the certificate could not be stored")
	}
	return wire.Certificate{ID: c.ID, PEM: c.PEM, Token: token}, nil
}

func tokenHash(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// register answers $aws/provisioning-templates/NAME/provision/json.
func (s *Service) register(ctx context.Context, r broker.Request, name string, payload []byte) (any, *wire.ProvisionError) {
	t := s.cfg.Templates(name)
	if t == nil {
		return nil, refuse(404, "ResourceNotFound", "there is no provisioning template %q", name)
	}
	req, err := wire.DecodeRegisterThing(payload)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidJSON, "%v", err)
	}
	s.mu.Lock() // hook and registration are one decision
	defer s.mu.Unlock()
	var c store.Certificate
	if req.Token != "" {
		if c, err = s.cfg.Store.CertificateByToken(ctx, tokenHash(req.Token)); err != nil && !errors.Is(err, store.ErrNotFound) {
			s.cfg.Log.Error("cannot read certificate", logkey.Err, err)
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
	pl, err := t.Plan(params)
	if err != nil {
		return nil, refuse(400, wire.ProvisionBadRequest, "%v", err)
	}
	if err := wire.CheckThing(pl.Thing); err != nil {
		return nil, refuse(400, wire.ProvisionBadRequest, "%v", err)
	}
	hr := HookRequest{
		ClaimCertificateID: r.CertificateID, CertificateID: c.ID, CertificatePEM: c.PEM, TemplateName: name, ClientID: r.ClientID,
		Parameters: req.Parameters, Thing: pl.Thing, Serial: pl.Attributes["serial"],
	}
	if err := s.cfg.Hook.Allow(ctx, hr); err != nil {
		s.cfg.Log.Warn("claim refused", logkey.Thing, pl.Thing, logkey.Reason, err.Error())
		return nil, refuse(403, wire.ProvisionAccessDenied, "the pre-provisioning hook refused")
	}
	if err := s.cfg.Store.Register(ctx, store.Registration{
		CertificateID: c.ID, Thing: pl.Thing, Serial: hr.Serial, Type: pl.ThingType, Policies: pl.Policies, At: time.Now().UnixMilli(),
	}); err != nil {
		s.cfg.Log.Error("cannot register thing", logkey.Thing, pl.Thing, logkey.Err, err)
		return nil, refuse(500, wire.ProvisionInternal, "the thing could not be registered")
	}
	s.cfg.Kick(pl.Thing) // whoever still holds the old identity
	s.cfg.Log.Info("thing registered", logkey.Thing, pl.Thing, slog.String("certificate", c.ID[:12]))
	return wire.RegisteredThing{Thing: pl.Thing, Device: pl.Device}, nil
}

// mustJSON encodes what is made of plain structs, maps and numbers.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: no channels, functions or cycles
	}
	return b
}
