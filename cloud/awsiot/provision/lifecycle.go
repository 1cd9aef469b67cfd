package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// lifeEvent is what the rules fountain_identity_connected and fountain_identity_decommissioned hand to the function.
type lifeEvent struct {
	Thing          string `json:"thing"`
	Certificate    string `json:"certificate"`    // that has connected
	Decommissioned bool   `json:"decommissioned"` // the unit says that it is going
}

// Lifecycle is the function behind the identity rules, which the deployed one has to follow:
//
//   - a thing that is renewing its certificate (attribute wire.AttributeReplaces) has connected with another one than the
//     one it replaces: the new one works, so every other certificate of the thing is deactivated;
//   - a unit reports that it is decommissioned: all its certificates are deactivated. Its serial stays claimed until an
//     operator releases it.
func (s *Service) Lifecycle(ctx context.Context, event []byte) error {
	var e lifeEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	mu := s.locks.Of(e.Thing)
	mu.Lock()
	defer mu.Unlock()
	if e.Decommissioned {
		s.cfg.Log.Info("unit is decommissioned", logkey.Thing, e.Thing)
		return s.deactivate(ctx, e.Thing, "")
	}
	t, err := s.cfg.Store.Thing(ctx, e.Thing)
	if err != nil {
		return missingIsFine(err)
	}
	old := t.Attributes[wire.AttributeReplaces]
	if old == "" || old == e.Certificate {
		return nil
	}
	own, err := ownCertificate(ctx, s.cfg.Store, e.Thing, e.Certificate)
	if err != nil || !own { // a stray event: it proves nothing about this thing
		return err
	}
	if err := s.deactivate(ctx, e.Thing, e.Certificate); err != nil {
		return err
	}
	s.cfg.Log.Info("certificate is renewed", logkey.Thing, e.Thing, slog.String("certificate", e.Certificate[:min(12, len(e.Certificate))]))
	return s.cfg.Store.UpdateThing(ctx, e.Thing, 0, func(t *store.Thing) error {
		delete(t.Attributes, wire.AttributeReplaces)
		return nil
	})
}

// deactivate takes a thing's active certificates away, but one.
func (s *Service) deactivate(ctx context.Context, thing, but string) error {
	has, err := s.cfg.Store.CertificatesOf(ctx, thing)
	if err != nil {
		return missingIsFine(err)
	}
	var gone []string
	for _, c := range has {
		if c.ID == but || c.Status != store.CertActive {
			continue
		}
		if err := s.cfg.Store.SetCertificateStatus(ctx, c.ID, store.CertInactive, time.Now().UnixMilli()); err != nil {
			return fmt.Errorf("deactivate certificate: %w", err)
		}
		gone = append(gone, c.ID)
	}
	if len(gone) == 0 || s.cfg.Refresh == nil {
		return nil
	}
	return s.cfg.Refresh(ctx, gone...)
}

// missingIsFine takes a client that is no thing for what it is: none of our business.
func missingIsFine(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
