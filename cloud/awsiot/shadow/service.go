// Package shadow is AWS IoT's device shadow service: classic and named shadows over MQTT, and for the cloud's own parts
// (spec/awsiot.md 6). It imports cloud/store, awsiot/broker's Request, sync/wire and internal packages.
//
//	unit ──$aws/things/T/shadow/…──► Service ──► document: merge, delta, metadata ──► store
//	                                    └──► publish: accepted, rejected, delta, documents
//
// It keeps nothing but one lock per thing, which orders the changes of a thing's shadows and what is published of them.
package shadow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Service answers shadow requests. Make it with New; it is safe for concurrent use.
type Service struct {
	store   store.Shadows
	publish func(topic string, payload []byte)
	log     *slog.Logger
	locks   [64]sync.Mutex // by thing: one change of a thing's shadows at a time
}

// New makes a Service that tells subscribers by publish.
func New(st store.Shadows, publish func(topic string, payload []byte), log *slog.Logger) *Service {
	return &Service{store: st, publish: publish, log: log}
}

// Serve implements broker.Service.
func (s *Service) Serve(ctx context.Context, r broker.Request) bool {
	t, ok := wire.ParseShadow(r.Topic)
	if !ok || t.Kind != "" {
		return false
	}
	s.request(ctx, t, r.Payload)
	return true
}

func (s *Service) lock(thing string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(thing)) // never fails
	return &s.locks[h.Sum32()%uint32(len(s.locks))]
}

// request serves a unit's get, update or delete.
func (s *Service) request(ctx context.Context, t wire.ShadowTopic, payload []byte) {
	path := wire.Shadow(t.Thing, t.Name)
	var refusal *wire.ShadowError
	var err error
	mu := s.lock(t.Thing)
	mu.Lock() // also orders what is published about a thing's shadows
	defer mu.Unlock()
	switch t.Op {
	case wire.ShadowUpdate:
		_, err = s.change(ctx, t.Thing, t.Name, payload)
	default:
		err = s.read(ctx, t, payload)
	}
	if err == nil {
		return
	}
	if !errors.As(err, &refusal) {
		s.log.Error("shadow failed", logkey.Thing, t.Thing, logkey.Err, err)
		refusal = &wire.ShadowError{Code: 500, Message: "Internal service failure"}
	}
	refusal.Timestamp = time.Now().Unix()
	s.publish(path.Rejected(t.Op), mustJSON(refusal))
}

func (s *Service) load(ctx context.Context, thing, name string) (*shadowDoc, error) {
	sh, err := s.store.Shadow(ctx, thing, name)
	if err != nil {
		return nil, fmt.Errorf("read shadow: %w", err)
	}
	return decodeShadowDoc(sh.Doc, sh.Version)
}

// read serves get and delete.
func (s *Service) read(ctx context.Context, t wire.ShadowTopic, payload []byte) error {
	req, err := wire.DecodeShadowRequest(payload)
	if err != nil {
		return bad("Payload is not valid JSON")
	}
	d, err := s.load(ctx, t.Thing, t.Name)
	if err != nil {
		return err
	}
	if !d.exists {
		name := t.Name
		if name == "" {
			name = t.Thing
		}
		return &wire.ShadowError{Code: wire.ShadowNotFound, Message: fmt.Sprintf("No shadow exists with name: '%s'", name), ClientToken: req.ClientToken}
	}
	path, now := wire.Shadow(t.Thing, t.Name), time.Now().Unix()
	if t.Op == wire.ShadowGet {
		s.publish(path.Accepted(t.Op), mustJSON(d.get(now, req.ClientToken)))
		return nil
	}
	if err := s.store.PutShadow(ctx, t.Thing, t.Name, store.Shadow{Version: d.Version}); err != nil {
		return fmt.Errorf("delete shadow: %w", err)
	}
	s.publish(path.Accepted(t.Op), mustJSON(withToken(map[string]any{"version": d.Version, "timestamp": now}, req.ClientToken)))
	return nil
}

// change applies an update, stores it, then tells subscribers. The thing's lock is held.
func (s *Service) change(ctx context.Context, thing, name string, payload []byte) (int64, error) {
	c, refusal := parseChange(payload)
	if refusal != nil {
		return 0, refusal
	}
	sh, err := s.store.Shadow(ctx, thing, name)
	if err != nil {
		return 0, fmt.Errorf("read shadow: %w", err)
	}
	before, err := decodeShadowDoc(sh.Doc, sh.Version)
	if err != nil {
		return 0, err
	}
	d, err := decodeShadowDoc(sh.Doc, sh.Version)
	if err != nil {
		return 0, err
	}
	now := time.Now().Unix()
	meta, refusal := d.apply(c, now)
	if refusal != nil {
		return 0, refusal
	}
	if err := s.store.PutShadow(ctx, thing, name, store.Shadow{Doc: mustJSON(d), Version: d.Version}); err != nil {
		return 0, fmt.Errorf("store shadow: %w", err)
	}
	path := wire.Shadow(thing, name)
	state := map[string]any{}
	for n, sec := range c.sections {
		state[n] = sec
	}
	s.publish(path.Accepted(wire.ShadowUpdate), mustJSON(withToken(map[string]any{
		"state": state, "metadata": meta, "version": d.Version, "timestamp": now,
	}, c.token)))
	if diff, stamps := d.delta(); diff != nil {
		s.publish(path.Delta(), mustJSON(withToken(map[string]any{
			"state": diff, "metadata": stamps, "version": d.Version, "timestamp": now,
		}, c.token)))
	}
	s.publish(path.Documents(), mustJSON(withToken(map[string]any{
		"previous": before.document(), "current": d.document(), "timestamp": now,
	}, c.token)))
	return d.Version, nil
}

// SetState changes a shadow on behalf of the cloud. state is the "state" object of an update request, for example
// {"desired":{…}}. Subscribed units see accepted, delta and documents as on AWS. It returns the new version.
func (s *Service) SetState(ctx context.Context, thing, name string, state []byte) (int64, error) {
	if err := errors.Join(wire.CheckThing(thing), wire.CheckShadowName(name)); err != nil {
		return 0, fmt.Errorf("update shadow: %w", err)
	}
	mu := s.lock(thing)
	mu.Lock()
	defer mu.Unlock()
	v, err := s.change(ctx, thing, name, append(append([]byte(`{"state":`), state...), '}'))
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

// mustJSON encodes what is made of plain structs, maps and numbers.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: no channels, functions or cycles
	}
	return b
}
