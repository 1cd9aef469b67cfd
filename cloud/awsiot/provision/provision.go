// Package provision is AWS IoT's fleet provisioning: certificates by request, registration by a template, the hook that
// decides who may claim (spec/awsiot.md 8). It imports cloud/store, awsiot/broker's Request, awsiot/authority, awsiot/throttle,
// sync/wire and internal packages.
//
//	unit ──$aws/certificates/…, $aws/provisioning-templates/…──► Service ──► store: certificate, thing, attachments
//	REST ──RegisterThing, CreateProvisioningClaim─────────────►    └──► Hook: allow list, claimed once
//
// JSON and CBOR are answered alike. Requests of one connection are served one after the other. It owns no state but locks:
// two registrations of one thing wait for each other, because hook and registration are one decision.
package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/throttle"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

const (
	tokenLife = time.Hour       // how long a certificate waits to be registered (G23 fleet provisioning)
	claimLife = 5 * time.Minute // of a claim made by CreateProvisioningClaim, and of the tokens it gets
)

// Config of a Service.
type Config struct {
	ARN       string // "arn:aws:iot:REGION:ACCOUNT:"
	Authority *authority.Authority
	Store     store.Registry
	Hook      Hook               // for templates that name a hook; nil means ClaimOnce
	Kick      func(thing string) // ends the connection of whoever holds the old identity
	// Refresh ends the connections of certificates that do not count any more.
	Refresh func(ctx context.Context, certificateIDs ...string) error
	Log     *slog.Logger
}

// Service answers provisioning requests. Make it with New; it is safe for concurrent use.
type Service struct {
	cfg   Config
	locks throttle.Locks
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Hook == nil {
		cfg.Hook = ClaimOnce{cfg.Store}
	}
	return &Service{cfg: cfg}
}

// parseTopic takes a request's topic apart: request is its form for JSON, template is empty for certificates.
func parseTopic(topic string) (request, template string, cbor, ok bool) {
	request = topic
	base, cbor := strings.CutSuffix(topic, "/cbor")
	if cbor {
		request = base + "/json"
	}
	switch request {
	case wire.TopicCreateKeys, wire.TopicCreateFromCSR:
		return request, "", cbor, true
	}
	template, answer, ok := wire.ParseProvision(request)
	return request, template, cbor, ok && answer == ""
}

// Serve implements broker.Service. Answers go to the requesting connection only: another claimant must not see a
// certificate.
func (s *Service) Serve(ctx context.Context, r broker.Request) bool {
	request, template, cbor, ok := parseTopic(r.Topic)
	if !ok {
		return false
	}
	answer, refusal := s.serve(ctx, r, request, template, cbor)
	topic := wire.Accepted(r.Topic)
	if refusal != nil {
		s.cfg.Log.Warn("provisioning request refused", logkey.Thing, r.ClientID, logkey.Reason, refusal.Error())
		topic = wire.Rejected(r.Topic)
		answer = map[string]any{"statusCode": int64(refusal.Status), "errorCode": refusal.Code, "errorMessage": refusal.Message}
	}
	if cbor {
		r.Reply(topic, appendCBOR(nil, answer))
	} else {
		r.Reply(topic, mustJSON(answer))
	}
	return true
}

func (s *Service) serve(ctx context.Context, r broker.Request, request, template string, cbor bool) (map[string]any, *wire.ProvisionError) {
	payload := r.Payload
	if cbor {
		m := map[string]any{}
		if len(payload) > 0 {
			var err error
			if m, err = decodeCBOR(payload); err != nil {
				return nil, refuse(400, "InvalidCbor", "%v", err)
			}
		}
		payload = mustJSON(m) // from here on both forms are one
	}
	claim, err := s.claim(ctx, r.CertificateID, template)
	if err != nil {
		return nil, err
	}
	switch request {
	case wire.TopicCreateKeys:
		return s.createKeys(ctx, claim, payload)
	case wire.TopicCreateFromCSR:
		return s.createFromCSR(ctx, claim, payload)
	}
	return s.register(ctx, r, template, payload)
}

// claim looks at the certificate of the connection. A claim of CreateProvisioningClaim is good for one template and a
// short time, also on a connection that outlives it.
func (s *Service) claim(ctx context.Context, id, template string) (store.Certificate, *wire.ProvisionError) {
	c, err := s.cfg.Store.Certificate(ctx, id)
	if err != nil {
		s.cfg.Log.Error("cannot read the claim certificate", logkey.Err, err)
		return c, refuse(500, wire.ProvisionInternal, "the claim certificate could not be read")
	}
	if c.Claim != "" && (time.Now().UnixMilli() >= c.Created+claimLife.Milliseconds() || template != "" && template != c.Claim) {
		return c, refuse(403, wire.ProvisionAccessDenied, "the provisioning claim has expired or is for another template")
	}
	return c, nil
}

func refuse(status int, code, format string, args ...any) *wire.ProvisionError {
	return &wire.ProvisionError{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// mustJSON encodes what is made of plain structs, maps and numbers.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: no channels, functions or cycles
	}
	return b
}
