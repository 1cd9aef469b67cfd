package control

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/provision"
	"fountain/cloud/store"
)

func (c *Control) certificate(ctx context.Context, id string) (store.Certificate, error) {
	x, err := c.cfg.Store.Certificate(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = absent("The certificate given in the principal does not exist or is not of this account: %s", id)
	}
	return x, err
}

func (c *Control) pathCertificate(r *request) (store.Certificate, error) {
	id := strings.ToLower(strings.TrimPrefix(r.PathValue("certificateId"), "0x"))
	if err := checkName(certForm, "certificateId", id); err != nil {
		return store.Certificate{}, err
	}
	return c.certificate(r.Context(), id)
}

// issued stores a certificate that was just made.
func (c *Control) issued(r *request, x store.Certificate, status string) (obj, error) {
	x.Status, x.Created = status, now()
	if err := c.cfg.Store.PutCertificate(r.Context(), x); err != nil {
		return nil, err
	}
	return obj{"certificateArn": c.arn(store.CertTarget(x.ID)), "certificateId": x.ID, "certificatePem": x.PEM}, nil
}

func (c *Control) wantedStatus(r *request) (string, error) {
	active, err := r.flag("setAsActive")
	if active {
		return store.CertActive, err
	}
	return store.CertInactive, err
}

func (c *Control) createKeys(r *request) (any, error) {
	status, err := c.wantedStatus(r)
	if err != nil {
		return nil, err
	}
	key, pair, err := provision.NewKey()
	if err != nil {
		return nil, err
	}
	x, err := c.cfg.Authority.Issue(&key.PublicKey, authority.Subject())
	if err != nil {
		return nil, err
	}
	o, err := c.issued(r, x, status)
	if err != nil {
		return nil, err
	}
	o["keyPair"] = keyPair(pair)
	return o, nil
}

func keyPair(p provision.KeyPair) obj { return obj{"PublicKey": p.Public, "PrivateKey": p.Private} }

func (c *Control) createFromCSR(r *request) (any, error) {
	status, err := c.wantedStatus(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		CSR string `json:"certificateSigningRequest"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	x, err := c.cfg.Authority.IssueCSR(in.CSR)
	if err != nil {
		return nil, invalid("The certificate signing request cannot be used: %v", err)
	}
	return c.issued(r, x, status)
}

// registerCertificate takes a certificate that another authority signed. The registry decides who may connect, so the
// authority's own certificate is not asked for.
func (c *Control) registerCertificate(r *request) (any, error) {
	var in struct {
		PEM    string `json:"certificatePem"`
		Status string `json:"status"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	x, err := c.cfg.Authority.Read(in.PEM)
	if err != nil {
		return nil, &failure{status: 400, code: "CertificateValidationException", message: err.Error()}
	}
	if _, err := c.cfg.Store.Certificate(r.Context(), x.ID); err == nil {
		return nil, exists(x.ID, c.arn(store.CertTarget(x.ID)), "The certificate is already registered")
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	active, err := r.flag("setAsActive")
	if err != nil {
		return nil, err
	}
	switch {
	case active:
		in.Status = store.CertActive
	case in.Status == "":
		in.Status = store.CertInactive
	case in.Status != store.CertActive && in.Status != store.CertInactive:
		return nil, invalid("status must be ACTIVE or INACTIVE")
	}
	o, err := c.issued(r, x, in.Status)
	delete(o, "certificatePem")
	return o, err
}

func (c *Control) describeCertificate(r *request) (any, error) {
	x, err := c.pathCertificate(r)
	if err != nil {
		return nil, err
	}
	d := obj{
		"certificateArn": c.arn(store.CertTarget(x.ID)), "certificateId": x.ID, "status": x.Status, "certificatePem": x.PEM,
		"ownedBy": c.cfg.Account, "creationDate": seconds(x.Created), "lastModifiedDate": seconds(x.Changed), "customerVersion": 1,
		"transferData": obj{}, "generationId": hash(x.ID, x.Created), "certificateMode": c.mode(x),
	}
	if leaf := leafOf(x); leaf != nil {
		d["validity"] = obj{"notBefore": leaf.NotBefore.Unix(), "notAfter": leaf.NotAfter.Unix()}
	}
	return obj{"certificateDescription": d}, nil
}

// leafOf is nil for what cannot be read.
func leafOf(x store.Certificate) *x509.Certificate {
	if block, _ := pem.Decode([]byte(x.PEM)); block != nil {
		if leaf, err := x509.ParseCertificate(block.Bytes); err == nil {
			return leaf
		}
	}
	return nil
}

// mode is SNI_ONLY for what was registered and not issued here: the authority of its issuer is not asked for.
func (c *Control) mode(x store.Certificate) string {
	if leaf := leafOf(x); leaf != nil && !c.cfg.Authority.Issued(leaf) {
		return "SNI_ONLY"
	}
	return "DEFAULT"
}

func (c *Control) updateCertificate(r *request) (any, error) {
	x, err := c.pathCertificate(r)
	if err != nil {
		return nil, err
	}
	status := r.query("newStatus")
	if !slices.Contains([]string{store.CertActive, store.CertInactive, store.CertRevoked}, status) {
		return nil, invalid("newStatus must be ACTIVE, INACTIVE or REVOKED; the others are set by the service")
	}
	if err := c.cfg.Store.SetCertificateStatus(r.Context(), x.ID, status, now()); err != nil {
		return nil, err
	}
	return nil, c.cfg.Broker.Refresh(r.Context(), x.ID)
}

func (c *Control) deleteCertificate(r *request) (any, error) {
	force, err := r.flag("forceDelete")
	if err != nil {
		return nil, err
	}
	x, err := c.pathCertificate(r)
	if err != nil {
		return nil, err
	}
	if x.Status == store.CertActive {
		return nil, &failure{
			status: 406, code: "CertificateStateException",
			message: fmt.Sprintf("Certificate must be deactivated (not ACTIVE) before deletion. Id: %s", x.ID),
		}
	}
	if err := c.cfg.Store.DeleteCertificate(r.Context(), x.ID, force); err != nil {
		if errors.Is(err, store.ErrInUse) {
			err = inUse("Things and policies must be detached before deletion (arn: %s)", c.arn(store.CertTarget(x.ID)))
		}
		return nil, err
	}
	return nil, c.cfg.Broker.Refresh(r.Context(), x.ID)
}

func (c *Control) listCertificates(r *request) (any, error) {
	p, ascending, err := r.ordered()
	if err != nil {
		return nil, err
	}
	found, err := c.cfg.Store.ListCertificates(r.Context(), p.after, p.limit+1, !ascending)
	if err != nil {
		return nil, err
	}
	p.after = "" // the store began there
	found, marker := cut(p, found, func(x store.Certificate) string { return x.ID })
	var out []obj
	for _, x := range found {
		out = append(out, obj{
			"certificateArn": c.arn(store.CertTarget(x.ID)), "certificateId": x.ID, "status": x.Status,
			"certificateMode": c.mode(x), "creationDate": seconds(x.Created),
		})
	}
	return list("certificates", out, "nextMarker", marker), nil
}
