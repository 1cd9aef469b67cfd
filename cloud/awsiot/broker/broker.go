// Package broker is the MQTT side of the imitation of AWS IoT Core: connections, identities, sessions, limits, policies.
// It alone imports mochi; besides that it imports cloud/store, awsiot/{authority,policy}, sync/wire and internal packages.
//
//	unit ──TLS, own CA──► session ──► mochi ──► hook: limits, policy ──► reserved topics ──► Service
//	                                                                └──► Basic Ingest ──► Config.Ingest
//
// Topic, filter and size violations close the connection without a word; the reason is in the log.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Store is what the broker keeps.
type Store interface {
	store.Registry
}

// Presence is a unit that came or went. It is only told for connections whose client id is their thing's name.
type Presence struct {
	Thing  string
	Online bool
	At     time.Time
	Reason string // as AWS names it, for Online false: CONNECTION_LOST, AUTH_ERROR, …
}

// Config of a Broker.
type Config struct {
	ARN       string // "arn:aws:iot:REGION:ACCOUNT:"
	Authority *authority.Authority
	Store     Store
	// Policies finds a policy by name; nil when there is none: it grants nothing.
	Policies func(name string) *policy.Policy

	// Ingest takes Basic Ingest; ok is false when the topic is none. An error closes the connection before PUBACK.
	Ingest func(ctx context.Context, topic, clientID string, payload []byte) (ok bool, err error)
	// Published is told of every message on an ordinary topic. May be nil.
	Published func(ctx context.Context, topic, clientID string, payload []byte)
	// OnPresence is called in order for one thing; it must not block for long. May be nil.
	OnPresence func(Presence)
	// OnDenied is a test seam: it is told the reason of every connection this side closes. May be nil.
	OnDenied func(clientID, reason string)

	Log *slog.Logger
}

// Broker is the running broker. Make it with New, feed it with Serve or ServeConn, end it with Close.
type Broker struct {
	cfg    Config
	ctx    context.Context // ends with Close; the only context that outlives a call
	cancel context.CancelFunc
	log    *slog.Logger
	mqtt   *mqtt.Server
	tls    *tls.Config

	services []Service // set before Serve

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[net.Conn]bool
	clients   map[string]*session // by client id; the newest
	wg        sync.WaitGroup      // connections
}

// New makes a broker. It serves nobody until Serve or ServeConn.
func New(cfg Config) (*Broker, error) {
	switch {
	case cfg.Authority == nil, cfg.Store == nil, cfg.Policies == nil:
		return nil, errors.New("make broker: Authority, Store and Policies are needed")
	}
	b := &Broker{cfg: cfg}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.log = cfg.Log
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.listeners, b.conns, b.clients = map[net.Listener]bool{}, map[net.Conn]bool{}, map[string]*session{}
	b.tls = b.tlsConfig()

	caps := mqtt.NewDefaultServerCapabilities()
	caps.MaximumSessionExpiryInterval = 3600 // a persistent session lives one hour
	caps.MaximumMessageExpiryInterval = 604800
	caps.MaximumPacketSize = wire.MaxPayload + wire.MaxTopic + 1024 // the exact limit is checked by the hook
	caps.MaximumClientWritesPending = 1024                          // a pointer each, made at connect
	caps.MaximumInflight = 1024
	caps.ReceiveMaximum = wire.MaxInFlight
	caps.MaximumQos = 1
	caps.TopicAliasMaximum = 0
	caps.SubIDAvailable = 0
	caps.MinimumProtocolVersion = 4
	b.mqtt = mqtt.New(&mqtt.Options{
		Capabilities: caps, InlineClient: true, SysTopicResendInterval: math.MaxInt32,
		Logger: slog.New(slog.DiscardHandler), // it logs whole packets; what matters is logged here
	})
	if err := b.mqtt.AddHook(&hook{b: b}, nil); err != nil {
		return nil, err
	}
	if err := b.mqtt.Serve(); err != nil {
		return nil, err
	}
	return b, nil
}

// Serve accepts connections from l (plain TCP or in memory; TLS is added here) until Close. It closes l.
func (b *Broker) Serve(l net.Listener) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		_ = l.Close() // nobody will accept from it
		return net.ErrClosed
	}
	b.listeners[l] = true
	b.mu.Unlock()
	for {
		c, err := l.Accept()
		if err != nil {
			_ = l.Close() // closed already, or broken
			if b.ctx.Err() != nil {
				return nil
			}
			return err
		}
		go b.ServeConn(c) // waited for by Close
	}
}

// ServeConn serves one connection, the server end of a net.Pipe for instance, until it ends.
func (b *Broker) ServeConn(c net.Conn) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		_ = c.Close() // the broker is gone
		return
	}
	b.conns[c] = true
	b.wg.Add(1)
	b.mu.Unlock()
	defer func() {
		_ = c.Close() // closed already in most cases
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
		b.wg.Done()
	}()
	s, err := b.handshake(c)
	if err != nil {
		b.log.Info("connection refused", logkey.Addr, c.RemoteAddr().String(), logkey.Reason, err.Error())
		return
	}
	err = b.mqtt.EstablishConnection("tls", s)
	close(s.done)
	b.mu.Lock()
	if id := s.clientID(); b.clients[id] == s {
		delete(b.clients, id)
	}
	b.mu.Unlock()
	b.log.Debug("connection ended", logkey.Thing, s.clientID(), logkey.Reason, s.endReason(err))
}

// Close ends every connection and listener and waits for them.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.cancel()
	for l := range b.listeners {
		_ = l.Close() // its accept loop sees the error
	}
	for _, s := range b.clients {
		s.setReason(reasonServer)
	}
	for c := range b.conns {
		_ = c.Close() // its reader sees the error
	}
	b.mu.Unlock()
	b.wg.Wait()
	return b.mqtt.Close()
}

// takeOver makes s the holder of its client id and ends the connection that held it, waiting until that one is gone:
// then the order of presence events is right and mochi cannot delete the newcomer in place of the old one.
func (b *Broker) takeOver(s *session) {
	id := s.clientID()
	b.mu.Lock()
	old := b.clients[id]
	b.clients[id] = s
	b.mu.Unlock()
	if old == nil {
		return
	}
	old.setReason(reasonDuplicate)
	_ = old.Close() // its reader sees the error
	<-old.done
}

// Kick ends the connection of a client, if there is one.
func (b *Broker) Kick(thing, reason string) {
	b.mu.Lock()
	s := b.clients[thing]
	b.mu.Unlock()
	if s != nil {
		s.setReason(reason)
		_ = s.Close() // its reader sees the error
	}
}

// Connected lists the things that are connected now.
func (b *Broker) Connected() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for id, s := range b.clients {
		if s.principal().Thing == id {
			out = append(out, id)
		}
	}
	return out
}
