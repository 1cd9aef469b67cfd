package provision

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"fountain/cloud/store"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// hookLimit is how long a pre-provisioning hook may take (G23 pre-provisioning hooks).
const hookLimit = 5 * time.Second

// HookRequest is what AWS hands a pre-provisioning hook, plus what the template would make of it.
type HookRequest struct {
	ClaimCertificateID string
	CertificateID      string
	CertificatePEM     string
	TemplateARN        string
	ClientID           string
	Parameters         map[string]string
	Thing              string // the name the template would give
	Serial             string // its attribute "serial", or its name
}

// Hook decides whether a unit may be registered. A nil error allows and may override parameters of the template; the
// error's text is logged and the unit sees AccessDenied.
type Hook interface {
	Allow(ctx context.Context, r HookRequest) (overrides map[string]string, err error)
}

// Hooks asks one after the other; all must allow. Later overrides win.
type Hooks []Hook

// Allow implements Hook.
func (h Hooks) Allow(ctx context.Context, r HookRequest) (map[string]string, error) {
	all := map[string]string{}
	for _, one := range h {
		over, err := one.Allow(ctx, r)
		if err != nil {
			return nil, err
		}
		for k, v := range over {
			all[k] = v
		}
	}
	return all, nil
}

// ask runs a hook within its limit.
func ask(ctx context.Context, h Hook, r HookRequest) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	type answer struct {
		overrides map[string]string
		err       error
	}
	done := make(chan answer, 1) // the hook may answer after nobody listens any more
	go func() {
		over, err := h.Allow(ctx, r)
		done <- answer{over, err}
	}()
	select {
	case a := <-done:
		return a.overrides, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the hook did not answer within %s", hookLimit)
	}
}

// ClaimOnce refuses a serial that is somebody's. It may be claimed when
//
//   - nobody claimed it, or an operator released it;
//   - the thing has never connected with the identity it was given: the unit stopped between registration and its
//     first connection, perhaps before it wrote the certificate, and must be able to try again;
//   - the request's key is the key the thing holds already: only the unit itself has it.
//
// Registration deactivates the certificate given before, so of two claimants of one serial the last before the first
// connection wins, and the other finds itself refused: visible, never shared.
type ClaimOnce struct{ Registry store.Registry }

// ErrClaimed is wrapped by ClaimOnce.Allow.
var ErrClaimed = errors.New("serial is claimed already")

// Allow implements Hook.
func (h ClaimOnce) Allow(ctx context.Context, r HookRequest) (map[string]string, error) {
	if strings.HasSuffix(r.TemplateARN, "provisioningtemplate/"+wire.RotationTemplate) {
		return h.rotate(ctx, r)
	}
	t, err := h.Registry.Thing(ctx, r.Thing)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up thing: %w", err)
	}
	if t.Released || t.FirstConnected == 0 {
		return nil, nil
	}
	asks, err := h.Registry.Certificate(ctx, r.CertificateID)
	if err != nil {
		return nil, fmt.Errorf("look up certificate: %w", err)
	}
	has, err := h.Registry.CertificatesOf(ctx, r.Thing)
	if err != nil {
		return nil, fmt.Errorf("look up certificates: %w", err)
	}
	for _, c := range has {
		if c.Status == store.CertActive && c.KeyHash == asks.KeyHash {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrClaimed, r.Serial)
}

// ErrNotOwn is wrapped when a certificate asks for a new one for a thing it is not attached to.
var ErrNotOwn = errors.New("only the unit itself may renew its certificate")

// rotate lets a unit register a new certificate for itself: the connection's must be one of the thing's. It stays active
// until the new one has connected (Service.Lifecycle).
func (h ClaimOnce) rotate(ctx context.Context, r HookRequest) (map[string]string, error) {
	own, err := ownCertificate(ctx, h.Registry, r.Thing, r.ClaimCertificateID)
	if err != nil {
		return nil, err
	}
	if !own {
		return nil, fmt.Errorf("%w: %s", ErrNotOwn, r.Thing)
	}
	return map[string]string{wire.ParamReplaces: r.ClaimCertificateID}, nil
}

// ownCertificate tells whether a certificate is an active one of a thing.
func ownCertificate(ctx context.Context, reg store.Registry, thing, id string) (bool, error) {
	has, err := reg.CertificatesOf(ctx, thing)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, fmt.Errorf("look up certificates: %w", err)
	}
	for _, c := range has {
		if c.ID == id && c.Status == store.CertActive {
			return true, nil
		}
	}
	return false, nil
}

// AllowList lets in the serials of a file: one a line, what follows it as name=value overrides parameters of the
// template, # begins a remark. The file is read for each request, so that a change counts at once.
type AllowList struct{ Path string }

// ErrNotListed is wrapped by AllowList.Allow.
var ErrNotListed = errors.New("serial is not on the allow list")

// Allow implements Hook.
func (h AllowList) Allow(_ context.Context, r HookRequest) (map[string]string, error) {
	entries, err := h.read()
	if err != nil {
		return nil, err
	}
	over, ok := entries[r.Serial]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotListed, r.Serial)
	}
	return over, nil
}

// Check reads the file and tells what is wrong with it.
func (h AllowList) Check() error {
	_, err := h.read()
	return err
}

func (h AllowList) read() (map[string]map[string]string, error) {
	f, err := os.Open(h.Path)
	if err != nil {
		return nil, &problem.Problem{
			Code: problem.CodeBadConfig, Where: h.Path, What: fmt.Sprintf("cannot read the allow list: %v", err),
			Remedy: "give a file with one serial a line",
		}
	}
	defer f.Close() // only read
	out := map[string]map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		over := map[string]string{}
		for _, w := range words[1:] {
			k, v, ok := strings.Cut(w, "=")
			if !ok || k == "" {
				return nil, &problem.Problem{
					Code: problem.CodeBadConfig, Where: fmt.Sprintf("%s:%d", h.Path, n), What: fmt.Sprintf("%q is no name=value", w),
					Remedy: "write: SERIAL parameter=value …",
				}
			}
			over[k] = v
		}
		out[words[0]] = over
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", h.Path, err)
	}
	return out, nil
}
