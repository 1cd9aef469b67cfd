package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// register answers $aws/provisioning-templates/NAME/provision/….
func (s *Service) register(ctx context.Context, r broker.Request, name string, payload []byte) (map[string]any, *wire.ProvisionError) {
	e, err := s.cfg.Store.Entry(ctx, store.KindTemplate, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(404, "ResourceNotFound", "there is no provisioning template %q", name)
	}
	if err != nil {
		return nil, s.internal("the template could not be read", err)
	}
	req, err := wire.DecodeRegisterThing(payload)
	if err != nil {
		return nil, refuse(400, wire.ProvisionInvalidJSON, "%v", err)
	}
	if req.Token == "" {
		return nil, refuse(400, wire.ProvisionInvalidToken, "Certificate ownership token cannot be empty.")
	}
	c, err := s.cfg.Store.CertificateByToken(ctx, tokenHash(req.Token))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, s.internal("the certificate could not be read", err)
	}
	if c.Status != store.CertPending || time.Now().UnixMilli() >= c.TokenExpires {
		return nil, refuse(400, wire.ProvisionInvalidToken, "the certificate ownership token is unknown, used or expired")
	}
	t, set, err := s.template(ctx, e)
	if err != nil {
		return nil, s.internal("the template could not be read", err)
	}
	if !set.Enabled {
		return nil, refuse(400, wire.ProvisionBadRequest, "provisioning template %q is not enabled", name)
	}
	params := maps.Clone(req.Parameters)
	if params == nil {
		params = map[string]string{}
	}
	params[ParamCertificateID] = c.ID
	p, err := t.plan(params)
	if err != nil {
		return nil, refuse(400, wire.ProvisionBadRequest, "%v", err)
	}
	mu := s.locks.Of(p.thing)
	mu.Lock() // hook and registration are one decision
	defer mu.Unlock()
	serial := ""
	if set.HookARN != "" {
		if p, err = s.hooked(ctx, t, p, params, HookRequest{
			ClaimCertificateID: r.CertificateID, CertificateID: c.ID, CertificatePEM: c.PEM,
			TemplateARN: s.cfg.ARN + "provisioningtemplate/" + name, ClientID: r.ClientID, Parameters: req.Parameters,
		}); err != nil {
			s.cfg.Log.Warn("claim refused", logkey.Thing, r.ClientID, logkey.Reason, err.Error())
			return nil, refuse(403, wire.ProvisionAccessDenied, "Access Denied: the pre-provisioning hook refused")
		}
		serial = p.serial()
	}
	// A unit that renews its certificate keeps the one it has until the new one works: no claim, nobody is cut off.
	own, err := ownCertificate(ctx, s.cfg.Store, p.thing, r.CertificateID)
	if err != nil {
		return nil, s.internal("the thing's certificates could not be read", err)
	}
	if own {
		serial = ""
	}
	if err := s.apply(ctx, p, c.ID, serial); err != nil {
		return nil, s.refusal(p, err)
	}
	if p.thing != "" && !own {
		s.cfg.Kick(p.thing) // whoever still holds the old identity
	}
	device := map[string]any{} // there even when the template has none
	for k, v := range p.device {
		device[k] = v
	}
	answer := map[string]any{"deviceConfiguration": device}
	if p.thing != "" {
		answer["thingName"] = p.thing
	}
	return answer, nil
}

func (s *Service) internal(what string, err error) *wire.ProvisionError {
	s.cfg.Log.Error(what, logkey.Err, err)
	return refuse(500, wire.ProvisionInternal, "%s", what)
}

func (s *Service) refusal(p *plan, err error) *wire.ProvisionError {
	switch {
	case errors.Is(err, errConflict), errors.Is(err, store.ErrSole):
		return refuse(409, "ResourceConflict", "%v", err)
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrRevoked), errors.Is(err, store.ErrGroups):
		return refuse(400, wire.ProvisionBadRequest, "%v", err)
	}
	return s.internal("thing "+p.thing+" could not be registered", err)
}

// template reads an entry's default body.
func (s *Service) template(ctx context.Context, e store.Entry) (*Template, store.TemplateSettings, error) {
	set, err := e.Template()
	if err != nil {
		return nil, set, err
	}
	b, err := s.cfg.Store.Body(ctx, store.KindTemplate, e.Name, e.Default)
	if err != nil {
		return nil, set, err
	}
	t, err := ParseTemplate(b.Text)
	return t, set, err
}

// serial is what the hook knows a unit by.
func (p *plan) serial() string {
	if v := p.attributes["serial"]; v != "" {
		return v
	}
	return p.thing
}

// hooked asks the hook and evaluates the template again when it overrides parameters. A hook cannot turn the request into
// one for another thing: it has judged this one.
func (s *Service) hooked(ctx context.Context, t *Template, p *plan, params map[string]string, r HookRequest) (*plan, error) {
	r.Thing, r.Serial = p.thing, p.serial()
	over, err := ask(ctx, s.cfg.Hook, r)
	if err != nil || len(over) == 0 {
		return p, err
	}
	given := maps.Clone(params)
	maps.Copy(given, over)
	q, err := t.plan(given)
	if err != nil {
		return nil, fmt.Errorf("with the hook's parameters: %w", err)
	}
	if q.thing != p.thing {
		return nil, fmt.Errorf("the hook's parameters make %s of %s", q.thing, p.thing)
	}
	return q, nil
}

// apply carries a plan out for a certificate that is stored.
func (s *Service) apply(ctx context.Context, p *plan, certificateID, serial string) error {
	reg := store.Registration{
		CertificateID: certificateID, Status: p.status, Thing: p.thing, Sole: p.sole, Serial: serial, At: time.Now().UnixMilli(),
	}
	if p.thing != "" {
		old, err := s.cfg.Store.Thing(ctx, p.thing)
		switch {
		case err == nil:
			groups, err := s.cfg.Store.GroupsOf(ctx, p.thing)
			if err != nil {
				return err
			}
			if err := p.meet(old, groups); err != nil {
				return err
			}
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	reg.Type, reg.Attributes, reg.Groups = p.thingType, p.attributes, p.groups
	if p.thingType != "" {
		if _, err := s.cfg.Store.Entry(ctx, store.KindType, p.thingType); err != nil {
			return fmt.Errorf("thing type %s: %w", p.thingType, err)
		}
	}
	for _, g := range p.groups {
		if _, err := s.cfg.Store.Entry(ctx, store.KindGroup, g); err != nil {
			return fmt.Errorf("thing group %s: %w", g, err)
		}
	}
	for _, pol := range p.policies {
		if err := s.policy(ctx, pol); err != nil {
			return err
		}
		reg.Policies = append(reg.Policies, pol.name)
	}
	if err := s.cfg.Store.Register(ctx, reg); err != nil {
		return err
	}
	s.cfg.Log.Info("thing registered", logkey.Thing, p.thing, slog.String("certificate", certificateID[:12]))
	return nil
}

// policy finds a policy of a template, or makes the one it describes.
func (s *Service) policy(ctx context.Context, pol planPolicy) error {
	_, err := s.cfg.Store.Entry(ctx, store.KindPolicy, pol.name)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if pol.document == "" {
		return fmt.Errorf("policy %s: %w", pol.name, err)
	}
	if _, err := policy.ParseJSON(pol.name, []byte(pol.document)); err != nil {
		return fmt.Errorf("policy %s: %w: %w", pol.name, store.ErrNotFound, err)
	}
	return s.cfg.Store.CreateEntry(ctx, store.Entry{Kind: store.KindPolicy, Name: pol.name, Created: time.Now().UnixMilli()}, pol.document)
}

// Registered answers RegisterThing of the control plane.
type Registered struct {
	CertificatePEM string
	ARNs           map[string]string // by logical id
}

// ErrTemplate is wrapped when a template or its parameters are at fault.
var ErrTemplate = errors.New("bad template or parameters")

// RegisterThing carries out a template given by an operator. It asks no hook.
func (s *Service) RegisterThing(ctx context.Context, body string, params map[string]string) (*Registered, error) {
	bad := func(err error) error { return fmt.Errorf("%w: %w", ErrTemplate, err) }
	t, err := ParseTemplate(body)
	if err != nil {
		return nil, bad(err)
	}
	p, err := t.plan(params)
	if err != nil {
		return nil, bad(err)
	}
	c, err := s.certificate(ctx, p)
	if err != nil {
		return nil, err
	}
	mu := s.locks.Of(p.thing)
	mu.Lock()
	defer mu.Unlock()
	if err := s.apply(ctx, p, c.ID, ""); err != nil {
		if errors.Is(err, errConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrSole) {
			err = bad(err)
		}
		return nil, err
	}
	if p.thing != "" {
		s.cfg.Kick(p.thing)
	}
	out := &Registered{CertificatePEM: c.PEM, ARNs: map[string]string{p.ids[typeCertificate]: s.cfg.ARN + store.CertTarget(c.ID)}}
	if p.thing != "" {
		out.ARNs[p.ids[typeThing]] = s.cfg.ARN + "thing/" + p.thing
	}
	for _, pol := range p.policies {
		out.ARNs[pol.id] = s.cfg.ARN + "policy/" + pol.name
	}
	return out, nil
}

// certificate finds or makes the certificate of a plan.
func (s *Service) certificate(ctx context.Context, p *plan) (c store.Certificate, err error) {
	switch {
	case p.csr != "":
		c, err = s.cfg.Authority.IssueCSR(p.csr)
	case p.pem != "":
		c, err = s.cfg.Authority.Read(p.pem)
	default:
		if c, err = s.cfg.Store.Certificate(ctx, p.certificateID); err != nil {
			return c, fmt.Errorf("%w: certificate %q: %w", ErrTemplate, p.certificateID, err)
		}
		if c.Status == p.status || p.statusOverride == "REPLACE" || c.Status == store.CertPending {
			return c, nil
		}
		if p.statusOverride == "FAIL" {
			return c, fmt.Errorf("%w: %w: certificate %s is %s", ErrTemplate, errConflict, c.ID, c.Status)
		}
		p.status = c.Status
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	c.Status, c.Created = store.CertPending, time.Now().UnixMilli()
	return c, s.cfg.Store.PutCertificate(ctx, c)
}
