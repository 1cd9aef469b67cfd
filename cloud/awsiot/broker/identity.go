package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/internal/logkey"
)

// handshakeLimit is how long a TLS handshake may take.
const handshakeLimit = 10 * time.Second

// identity is who is at the other end and what it may do. It is replaced as a whole when something changes.
type identity struct {
	cert     store.Certificate
	policies []*policy.Policy
	who      policy.Principal
}

// tlsConfig is the server side: the client must name the server it wants (SNI) and show a certificate that is registered
// and active. Registration is what counts, not the authority that signed: AWS lets foreign ones be registered too.
func (b *Broker) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert,
		NextProtos: []string{"x-amzn-mqtt-ca"}, SessionTicketsDisabled: true,
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.ServerName == "" {
				return nil, errors.New("no server name (SNI): dial a name, not an address, or set ServerName")
			}
			own := b.cfg.Authority.Server()
			return own, own.Leaf.VerifyHostname(h.ServerName)
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := b.certificate(b.ctx, s.PeerCertificates[0])
			return err
		},
	}
}

// certificate finds a client's certificate and checks that it may be used now.
func (b *Broker) certificate(ctx context.Context, leaf *x509.Certificate) (store.Certificate, error) {
	id := authority.ID(leaf.Raw)
	cert, err := b.cfg.Store.Certificate(ctx, id)
	switch now := time.Now(); {
	case err != nil:
		return cert, fmt.Errorf("certificate %s: %w", id[:12], err)
	case cert.Status != store.CertActive:
		return cert, fmt.Errorf("certificate %s is %s", id[:12], cert.Status)
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return cert, fmt.Errorf("certificate %s is valid from %s to %s only", id[:12], leaf.NotBefore, leaf.NotAfter)
	}
	return cert, nil
}

// exclusive is the thing that the certificate is attached to exclusively; empty when it is not.
func (id *identity) exclusive() string {
	if id.cert.Sole {
		return id.who.Thing
	}
	return ""
}

// identify reads who a client with this certificate and client id is. Thing variables resolve for the thing whose name is
// the client id, when it is attached to the certificate, and for the one it is attached to exclusively. with is what else
// is known of the client: its address, what its certificate says.
func (b *Broker) identify(ctx context.Context, certificateID, clientID string, with policy.Principal) (*identity, error) {
	cert, err := b.cfg.Store.Certificate(ctx, certificateID)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", certificateID, err)
	}
	id := &identity{cert: cert, who: with}
	if id.policies, err = b.cfg.Policies(ctx, certificateID); err != nil {
		return nil, fmt.Errorf("certificate %s: %w", certificateID, err)
	}
	id.who.ClientID, id.who.CertificateID = clientID, certificateID
	id.who.Thing, id.who.ThingType, id.who.Attributes = "", "", nil
	name := cert.ThingOf(clientID)
	if clientID == "" || name == "" {
		return id, nil
	}
	t, err := b.cfg.Store.Thing(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("thing %s: %w", name, err)
	}
	id.who.Thing, id.who.ThingType, id.who.Attributes = t.Name, t.Type, t.Attributes
	return id, nil
}

// may asks the policies of the certificate.
func (b *Broker) may(id *identity, act policy.Action, name string) *fault {
	if policy.Allowed(id.policies, b.cfg.ARN, id.who, act, name) {
		return nil
	}
	return faultf(ReasonAuth, codeNotAuthorized, "no policy of the certificate allows %s on %s", act, name)
}

// Refresh reads again who clients are: status of the certificate, things attached to it, policies. With ids only clients
// with these certificates are looked at. A connection whose certificate is no longer active ends with
// AUTH_ERROR; the others go on with their new policies from their next packet on. Whoever changes a certificate, an
// attachment or a policy may call it after the change is stored; without, the registry's revision is looked at each second.
func (b *Broker) Refresh(ctx context.Context, certificateIDs ...string) error {
	only := map[string]bool{}
	for _, id := range certificateIDs {
		only[id] = true
	}
	b.generation.Add(1)
	b.mu.Lock()
	var live []*conn
	var away []*session
	for id, s := range b.sessions {
		switch c := b.live[id]; {
		case c == nil:
			away = append(away, s)
		case len(only) == 0 || only[c.identity.Load().cert.ID]:
			live = append(live, c)
		}
	}
	b.mu.Unlock()
	var errs []error
	for _, c := range live {
		errs = append(errs, c.reload(ctx))
	}
	for _, s := range away {
		errs = append(errs, b.reread(ctx, s, only))
	}
	return errors.Join(errs...)
}

// reread is reload for a client that is away: what comes for it is stored only if it may receive it.
func (b *Broker) reread(ctx context.Context, s *session, only map[string]bool) error {
	s.mu.Lock()
	old := s.identity
	s.mu.Unlock()
	if len(only) > 0 && !only[old.cert.ID] {
		return nil
	}
	id, err := b.identify(ctx, old.cert.ID, old.who.ClientID, old.who)
	switch {
	case errors.Is(err, store.ErrNotFound): // it will not come back with this certificate
		return nil
	case err != nil:
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		s.identity = id
	}
	return nil
}

// reload replaces a connection's identity, or ends the connection. When the store cannot be read the old one stays.
func (c *conn) reload(ctx context.Context) error {
	old := c.identity.Load()
	id, err := c.b.identify(ctx, old.cert.ID, old.who.ClientID, old.who)
	switch {
	case errors.Is(err, store.ErrNotFound):
		c.stop(faultf(ReasonAuth, codeNotAuthorized, "%v", err), false)
		return nil
	case err != nil:
		return err
	case id.cert.Status != store.CertActive:
		c.stop(faultf(ReasonAuth, codeNotAuthorized, "certificate %s is %s", id.cert.ID[:12], id.cert.Status), false)
		return nil
	}
	c.identity.Store(id)
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.session.conn == c {
		c.session.identity = id
	}
	return nil
}

// Intervals of watch.
const (
	watchEvery  = time.Second
	forgetEvery = time.Minute
)

// watch looks after what changed in the registry, and forgets what is old.
func (b *Broker) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	seen, forgot := b.cfg.Store.Revision(), time.Now()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
		if r := b.cfg.Store.Revision(); r != seen {
			began := time.Now()
			if err := b.Refresh(b.ctx); err == nil {
				seen = r
			} else if b.ctx.Err() == nil {
				b.log.Error("cannot read identities again", logkey.Err, err)
			}
			tick.Reset(max(watchEvery, 9*time.Since(began))) // a large fleet that changes all the time costs a tenth
		}
		if time.Since(forgot) >= forgetEvery {
			forgot = time.Now()
			b.forget()
		}
	}
}
