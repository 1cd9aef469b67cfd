package provision

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"fountain/internal/atomicfile"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// Rejected is the service's refusal of a step. errors.As also finds a *problem.Problem with the remedy in it.
type Rejected struct {
	Step    string // "certificate" or "register"
	Reason  *wire.ProvisionError
	problem *problem.Problem
}

// Error implements error.
func (r *Rejected) Error() string { return r.problem.Error() }

// Unwrap makes the service's answer and the problem visible.
func (r *Rejected) Unwrap() []error { return []error{r.Reason, r.problem} }

func rejected(step string, where string, e *wire.ProvisionError) *Rejected {
	p := &problem.Problem{
		Code: problem.CodeForbidden, Where: where, What: e.Error(),
		Remedy: "look into the cloud's log for this serial",
	}
	switch {
	case e.Code == wire.ProvisionAccessDenied:
		p.Remedy = "release the serial in the cloud if this unit replaces another, and check that the claim certificate is still valid"
	case e.Code == wire.ProvisionInvalidToken:
		p.Remedy, p.Retry = "start again; a certificate lives one hour until it is registered", true
	case e.Code == wire.ProvisionInvalidCSR:
		p.Code, p.Remedy = problem.CodeDamaged, "move "+KeyFile+" aside; a new key is made at the next start"
	case e.Status == 429 || e.Code == wire.ProvisionThrottled || e.Status >= 500:
		p.Code, p.Remedy, p.Retry = problem.CodeUnreachable, "wait; it is tried again", true
	case e.Status == 400:
		p.Code, p.Remedy = problem.CodeBadConfig, "check the name and the parameters of the provisioning template"
	}
	return &Rejected{Step: step, Reason: e, problem: p}
}

// Ensure returns the unit's identity, first getting one if there is none. It can be called again after any failure
// or crash and continues where it stopped (see the table in the package documentation).
func Ensure(ctx context.Context, cfg Config, dial Dialer) (Identity, error) {
	e := &ensurer{Config: cfg, dial: dial, files: first}
	if err := e.check(); err != nil {
		return Identity{}, err
	}
	id, err := LoadIdentity(e.Dir)
	if errors.Is(err, ErrNone) {
		id, err = e.claim(ctx)
	}
	if err != nil {
		return Identity{}, err
	}
	if !id.Confirmed {
		kept := false
		if id, kept, err = e.confirm(ctx, id); err != nil {
			return Identity{}, err
		}
		if !kept {
			return id, nil
		}
	}
	return id, e.tidy()
}

type ensurer struct {
	Config
	dial  Dialer
	files files // of what is asked for
}

// files are where a certificate that is asked for is kept, with its key and token.
type files struct{ key, cert, pending string }

var first = files{KeyFile, CertFile, PendingFile}

func (e *ensurer) check() error {
	if e.Timeout == 0 {
		e.Timeout = 15 * time.Second
	}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	if e.step == nil {
		e.step = func(string) error { return nil }
	}
	return e.checkDir()
}

func (e *ensurer) checkDir() error {
	if e.Dir == "" || e.Template == "" || e.Serial == "" {
		return &problem.Problem{
			Code: problem.CodeBadConfig, Where: "cloud.provisioning",
			What: "identity directory, template and serial are needed", Remedy: "set them in the configuration",
		}
	}
	if err := os.MkdirAll(e.Dir, 0o700); err != nil {
		return &problem.Problem{
			Code: problem.CodeNotWritable, Where: e.Dir, What: "the identity directory cannot be made: " + err.Error(),
			Remedy: "give the service user write access to its parent",
		}
	}
	return atomicfile.SyncDir(filepath.Dir(e.Dir))
}

func (e *ensurer) path(name string) string { return filepath.Join(e.Dir, name) }

// claim gets an identity with the claim certificate.
func (e *ensurer) claim(ctx context.Context) (Identity, error) {
	key, err := loadKey(e.path(e.files.key), func() error { return e.step("key") })
	if err != nil {
		return Identity{}, err
	}
	claim, err := tls.LoadX509KeyPair(e.ClaimCert, e.ClaimKey)
	if err != nil {
		return Identity{}, &problem.Problem{
			Code: problem.CodeBadConfig, Where: e.ClaimCert, What: fmt.Sprintf("the claim certificate cannot be used: %v", err),
			Remedy: "put the claim certificate and its key where the configuration says",
		}
	}
	if err := e.step("claim"); err != nil {
		return Identity{}, err
	}
	conn, err := e.dial(ctx, "claim-"+e.Serial, claim)
	if err != nil {
		return Identity{}, fmt.Errorf("connect with the claim certificate: %w", err)
	}
	defer conn.Close()
	s, err := e.talk(ctx, conn)
	if err != nil {
		return Identity{}, err
	}
	thing, pending, err := e.register(ctx, s, key)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{
		Thing: thing.Thing, CertificateID: pending.CertificateID, Device: thing.Device,
		CertFile: e.path(CertFile), KeyFile: e.path(KeyFile),
	}
	if err := e.step("save-identity"); err != nil {
		return Identity{}, err
	}
	if err := id.save(e.Dir); err != nil {
		return Identity{}, err
	}
	e.Log.Info("unit is registered", logkey.Thing, id.Thing)
	return id, nil
}

// register sends the pending certificate, or one asked for now, and returns the thing.
func (e *ensurer) register(ctx context.Context, s *talk, key *ecdsa.PrivateKey) (*wire.RegisteredThing, *pendingFile, error) {
	pending, err := e.pending(key)
	earlier := err == nil // this certificate's registration may have been answered already
	if errors.Is(err, ErrNone) {
		pending, err = e.certificate(ctx, s, key)
	}
	if err != nil {
		return nil, nil, err
	}
	for {
		thing, err := e.provision(ctx, s, pending)
		var no *Rejected
		if err == nil || !earlier || !errors.As(err, &no) {
			return thing, pending, err
		}
		if e.registered(ctx) {
			return &wire.RegisteredThing{Thing: e.Thing}, pending, nil
		}
		if no.Reason.Code != wire.ProvisionInvalidToken {
			return nil, nil, err
		}
		e.Log.Warn("certificate was not registered in time, asking for another", logkey.Err, err)
		if pending, err = e.certificate(ctx, s, key); err != nil {
			return nil, nil, err
		}
		earlier = false
	}
}

// pending returns what an interrupted run left, if it belongs to the key.
func (e *ensurer) pending(key *ecdsa.PrivateKey) (*pendingFile, error) {
	var p pendingFile
	if err := readJSON(e.path(e.files.pending), &p, &p.Schema); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(e.path(e.files.cert))
	if err != nil || !fits(raw, key) || p.Token == "" {
		return nil, ErrNone // half of it is no use; a new certificate costs nothing
	}
	return &p, nil
}

// certificate has a certificate made for the key and keeps it with its token before anything is registered.
func (e *ensurer) certificate(ctx context.Context, s *talk, key *ecdsa.PrivateKey) (*pendingFile, error) {
	if err := e.step("csr"); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: e.Serial}}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request: %w", err)
	}
	csr := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	raw, err := s.ask(ctx, "certificate", wire.TopicCreateFromCSR, wire.CreateFromCSR{CSR: string(csr)})
	if err != nil {
		return nil, err
	}
	cert, err := wire.DecodeCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("get certificate: %w", err)
	}
	if !fits([]byte(cert.PEM), key) {
		return nil, fmt.Errorf("get certificate: %w: it is for another key", wire.ErrProvision)
	}
	if err := e.step("save-certificate"); err != nil {
		return nil, err
	}
	// The old token first: it must never stand beside the new certificate.
	if err := remove(e.path(e.files.pending)); err != nil {
		return nil, fmt.Errorf("drop old token: %w", err)
	}
	if err := atomicfile.Write(e.path(e.files.cert), []byte(cert.PEM), 0o644); err != nil {
		return nil, err
	}
	if err := e.step("save-pending"); err != nil {
		return nil, err
	}
	p := &pendingFile{Schema: 1, CertificateID: cert.ID, Token: cert.Token}
	return p, writeJSON(e.path(e.files.pending), p)
}

func (e *ensurer) provision(ctx context.Context, s *talk, p *pendingFile) (*wire.RegisteredThing, error) {
	if err := e.step("register"); err != nil {
		return nil, err
	}
	params := map[string]string{wire.ParamSerial: e.Serial}
	maps.Copy(params, e.Parameters)
	raw, err := s.ask(ctx, "register", wire.TopicProvision(e.Template), wire.RegisterThing{Token: p.Token, Parameters: params})
	if err != nil {
		return nil, err
	}
	thing, err := wire.DecodeRegisteredThing(raw)
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	return thing, nil
}

// registered says whether the pending certificate is the known thing's already: its registration was accepted and
// the answer got lost.
func (e *ensurer) registered(ctx context.Context) bool {
	if e.Thing == "" {
		return false
	}
	cert, err := tls.LoadX509KeyPair(e.path(CertFile), e.path(KeyFile))
	if err != nil {
		return false
	}
	return e.probe(ctx, e.Thing, cert) == nil
}

// connectGap is how far apart two CONNECTs with one client id must be.
const connectGap = 1100 * time.Millisecond

// probe connects once as the thing and keeps the distance to whoever connects as it next.
func (e *ensurer) probe(ctx context.Context, thing string, cert tls.Certificate) error {
	conn, err := e.dial(ctx, thing, cert)
	if err != nil {
		return err
	}
	conn.Close()
	select {
	case <-time.After(connectGap):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// confirm makes the first connection with the new identity. Until it worked, and that is kept, so is the claim. A disk
// without room to keep it does not take a unit off the line that has an identity.
func (e *ensurer) confirm(ctx context.Context, id Identity) (_ Identity, kept bool, err error) {
	cert, err := id.Certificate()
	if err != nil {
		return id, false, err
	}
	if err := e.step("connect"); err != nil {
		return id, false, err
	}
	if err := e.probe(ctx, id.Thing, cert); err != nil {
		return id, false, fmt.Errorf("connect with the new identity: %w", err)
	}
	if err := e.step("confirm"); err != nil {
		return id, false, err
	}
	id.Confirmed = true
	if err := id.save(e.Dir); err != nil {
		e.Log.Warn("keep that the new identity works: it is tried anew at the next start", logkey.Err, err)
		return id, false, nil
	}
	return id, true, nil
}

// tidy removes what a confirmed identity does not need; a crash in here is made good at the next start.
func (e *ensurer) tidy() error {
	if err := e.step("tidy"); err != nil {
		return err
	}
	if err := remove(e.path(PendingFile)); err != nil {
		return fmt.Errorf("drop token: %w", err)
	}
	if !e.ForgetClaim {
		return nil
	}
	if err := e.step("forget"); err != nil {
		return err
	}
	if err := remove(e.ClaimKey, e.ClaimCert); err != nil {
		return fmt.Errorf("forget claim: %w", err)
	}
	return nil
}

func fits(certPEM []byte, key *ecdsa.PrivateKey) bool {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err == nil && key.PublicKey.Equal(cert.PublicKey)
}

// talk is the conversation on one claim connection. There is no client token: one request is under way at a time.
type talk struct {
	e       *ensurer
	conn    Conn
	answers chan answer
}

type answer struct {
	topic   string
	payload []byte
}

func (e *ensurer) talk(ctx context.Context, conn Conn) (*talk, error) {
	s := &talk{e: e, conn: conn, answers: make(chan answer, 8)} // at most one per request; repeats may come
	register := wire.TopicProvision(e.Template)
	err := conn.Subscribe(ctx, func(topic string, payload []byte) {
		select {
		case s.answers <- answer{topic, payload}:
		default: // nobody repeats an answer that often for a good reason
		}
	}, wire.Accepted(wire.TopicCreateFromCSR), wire.Rejected(wire.TopicCreateFromCSR), wire.Accepted(register), wire.Rejected(register))
	if err != nil {
		return nil, fmt.Errorf("listen for provisioning answers: %w", err)
	}
	return s, nil
}

func (s *talk) ask(ctx context.Context, step, topic string, request any) ([]byte, error) {
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", step, err)
	}
	if err := s.conn.Publish(ctx, topic, 1, raw); err != nil {
		return nil, fmt.Errorf("%s: %w", step, err)
	}
	timer := time.NewTimer(s.e.Timeout)
	defer timer.Stop()
	for {
		select {
		case a := <-s.answers:
			switch a.topic {
			case wire.Accepted(topic):
				return a.payload, nil
			case wire.Rejected(topic):
				no, err := wire.DecodeProvisionError(a.payload)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", step, err)
				}
				return nil, rejected(step, topic, no)
			}
		case <-s.conn.Lost():
			return nil, fmt.Errorf("%s: the connection was closed before an answer came", step)
		case <-timer.C:
			return nil, &problem.Problem{
				Code: problem.CodeUnreachable, Where: topic, What: "the provisioning service does not answer",
				Remedy: "check that the template exists; it is tried again", Retry: true,
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
