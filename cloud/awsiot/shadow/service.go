// Package shadow is AWS IoT's device shadow service: classic and named shadows over MQTT and REST, and for the cloud's own
// parts (spec/awsiot.md 6). It imports cloud/store, awsiot/broker's Request, awsiot/throttle, sync/wire and internal packages.
//
//	unit ──$aws/things/T/shadow/…──► Service ──► document: merge, delta, metadata ──► store
//	operator ──Get, Update, Delete──►   └──► publish: accepted, rejected, delta, documents
//
// It keeps nothing but one lock per thing, which orders the changes of a thing's shadows and what is published of them, and
// the rate of each thing's requests. A thing need not be registered: AWS asks for that neither over MQTT nor over REST.
package shadow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/throttle"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Quotas of one thing (spec/awsiot.md 3).
const (
	maxPerSecond = 20
	maxInFlight  = 10
)

// remembered is how long a deleted shadow's version is: made again within that time, it goes on.
const remembered = 48 * time.Hour

// Config of a Service.
type Config struct {
	Store   store.Shadows
	Publish func(topic string, payload []byte) // tells subscribers
	Log     *slog.Logger
}

// Service answers shadow requests. Make it with New; it is safe for concurrent use.
type Service struct {
	cfg   Config
	gate  *throttle.Gate
	locks throttle.Locks // one change of a thing's shadows at a time
}

// New makes a Service.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, gate: throttle.New(maxPerSecond, maxInFlight)}
}

// Serve implements broker.Service.
func (s *Service) Serve(ctx context.Context, r broker.Request) bool {
	t, ok := wire.ParseShadow(r.Topic)
	if !ok || t.Kind != "" {
		return false
	}
	path := wire.Shadow(t.Thing, t.Name)
	s.limited(t, r.Payload, func() error {
		answer, err := s.request(ctx, t, r.Payload)
		if err == nil && t.Op == wire.ShadowGet {
			s.cfg.Publish(path.Accepted(t.Op), answer)
		}
		return err
	}, func(refusal *wire.ShadowError) {
		refusal.Timestamp = time.Now().Unix()
		s.cfg.Publish(path.Rejected(t.Op), mustJSON(refusal))
	})
	return true
}

// limited runs do within the thing's budget and under its lock, which also orders what is published, refusals too.
func (s *Service) limited(t wire.ShadowTopic, payload []byte, do func() error, refused func(*wire.ShadowError)) {
	leave, ok := s.gate.Enter(t.Thing)
	if !ok {
		_, token, _ := parseBody(payload, true)
		refused(refuse(wire.ShadowThrottle, token, "The Device Shadow service received too many requests for this thing"))
		return
	}
	defer leave()
	mu := s.locks.Of(t.Thing)
	mu.Lock()
	defer mu.Unlock()
	err := do()
	if err == nil {
		return
	}
	var refusal *wire.ShadowError
	if !errors.As(err, &refusal) {
		s.cfg.Log.Error("shadow failed", logkey.Thing, t.Thing, logkey.Err, err)
		refusal = refuse(500, "", "Internal service failure")
	}
	refused(refusal)
}

// request serves a get, update or delete and returns the accepted answer. Of an update and a delete subscribers are told.
func (s *Service) request(ctx context.Context, t wire.ShadowTopic, payload []byte) ([]byte, error) {
	if wire.CheckThing(t.Thing) != nil {
		return nil, refuse(400, "", "Invalid thing name")
	}
	if t.Name != "" && !validName(t.Name) {
		return nil, refuse(400, "", "Invalid shadow name")
	}
	if t.Op == wire.ShadowUpdate {
		_, answer, err := s.change(ctx, t.Thing, t.Name, payload)
		return answer, err
	}
	_, token, refusal := parseBody(payload, true)
	if refusal != nil && t.Op != wire.ShadowDelete { // what a delete holds is ignored
		return nil, refusal
	}
	d, err := s.load(ctx, t.Thing, t.Name)
	if err != nil {
		return nil, err
	}
	if !d.exists {
		name := t.Name
		if name == "" {
			name = t.Thing
		}
		return nil, refuse(wire.ShadowNotFound, token, "No shadow exists with name: '%s'", name)
	}
	now := time.Now()
	if t.Op == wire.ShadowGet {
		return mustJSON(d.get(now.Unix(), token)), nil
	}
	if err := s.cfg.Store.PutShadow(ctx, t.Thing, t.Name, store.Shadow{Version: d.Version, Deleted: now.UnixMilli()}); err != nil {
		return nil, fmt.Errorf("delete shadow: %w", err)
	}
	answer := mustJSON(withToken(map[string]any{"version": d.Version, "timestamp": now.Unix()}, token))
	s.cfg.Publish(wire.Shadow(t.Thing, t.Name).Accepted(t.Op), answer)
	return answer, nil
}

// validName allows what AWS allows: besides wire's own rule, '$'.
func validName(name string) bool {
	return wire.CheckShadowName(strings.ReplaceAll(name, "$", "_")) == nil
}

func (s *Service) load(ctx context.Context, thing, name string) (*shadowDoc, error) {
	sh, err := s.cfg.Store.Shadow(ctx, thing, name)
	if err != nil {
		return nil, fmt.Errorf("read shadow: %w", err)
	}
	if sh.Doc == nil && time.Since(time.UnixMilli(sh.Deleted)) >= remembered {
		sh.Version = 0
	}
	return decodeShadowDoc(sh.Doc, sh.Version)
}

// change applies an update, stores it, then tells subscribers. The thing's lock is held.
func (s *Service) change(ctx context.Context, thing, name string, payload []byte) (version int64, answer []byte, err error) {
	c, refusal := parseChange(payload)
	if refusal != nil {
		return 0, nil, refusal
	}
	before, err := s.load(ctx, thing, name)
	if err != nil {
		return 0, nil, err
	}
	d := before.clone()
	now := time.Now().Unix()
	if refusal := d.apply(c, now); refusal != nil {
		return 0, nil, refusal
	}
	if err := s.cfg.Store.PutShadow(ctx, thing, name, store.Shadow{Doc: mustJSON(d), Version: d.Version}); err != nil {
		return 0, nil, fmt.Errorf("store shadow: %w", err)
	}
	path := wire.Shadow(thing, name)
	answer = mustJSON(withToken(map[string]any{"state": c.state, "metadata": stamp(c.state, now), "version": d.Version, "timestamp": now}, c.token))
	s.cfg.Publish(path.Accepted(wire.ShadowUpdate), answer)
	if diff, stamps := d.delta(); diff != nil {
		s.cfg.Publish(path.Delta(), mustJSON(withToken(map[string]any{
			"state": diff, "metadata": stamps, "version": d.Version, "timestamp": now,
		}, c.token)))
	}
	s.cfg.Publish(path.Documents(), mustJSON(withToken(map[string]any{
		"previous": before.document(), "current": d.document(), "timestamp": now,
	}, c.token)))
	return d.Version, answer, nil
}

// SetState changes a shadow on behalf of the cloud, whose own pace is not limited here. state is the "state" object of an
// update request, for example {"desired":{…}}. Subscribed units see accepted, delta and documents as on AWS. It returns
// the new version.
func (s *Service) SetState(ctx context.Context, thing, name string, state []byte) (int64, error) {
	if err := errors.Join(wire.CheckThing(thing), wire.CheckShadowName(name)); err != nil {
		return 0, fmt.Errorf("update shadow: %w", err)
	}
	mu := s.locks.Of(thing)
	mu.Lock()
	defer mu.Unlock()
	v, _, err := s.change(ctx, thing, name, append(append([]byte(`{"state":`), state...), '}'))
	if err != nil {
		return 0, fmt.Errorf("update shadow %s of %s: %w", name, thing, err)
	}
	return v, nil
}

// Reported returns the "reported" section of a shadow, "{}" when there is none.
func (s *Service) Reported(ctx context.Context, thing, name string) ([]byte, error) {
	d, err := s.load(ctx, thing, name)
	if err != nil {
		return nil, err
	}
	if d.State["reported"] == nil {
		return []byte("{}"), nil
	}
	return mustJSON(d.State["reported"]), nil
}
