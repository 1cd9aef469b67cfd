package awsiot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"hash/fnv"
	"log/slog"
	"math"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// brokerState is what a Broker owns.
type brokerState struct {
	ctx    context.Context // ends with Close; the only context that outlives a call
	cancel context.CancelFunc
	log    *slog.Logger
	mqtt   *mqtt.Server
	tls    *tls.Config
	pool   *x509.CertPool
	hook   ProvisioningHook

	provisioning sync.Mutex     // one registration at a time
	shadows      [64]sync.Mutex // by thing: one change of a thing's shadows at a time

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
	case cfg.Stack == nil, cfg.Authority == nil, cfg.Store == nil, cfg.Deliver == nil:
		return nil, errors.New("make broker: Stack, Authority, Store and Deliver are needed")
	}
	b := &Broker{cfg: cfg}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.log = cfg.Log
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.hook = cfg.Hook
	if b.hook == nil {
		b.hook = ClaimOnce{cfg.Store}
	}
	b.listeners, b.conns, b.clients = map[net.Listener]bool{}, map[net.Conn]bool{}, map[string]*session{}
	b.pool = x509.NewCertPool()
	b.pool.AddCert(cfg.Authority.cert)
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

func (b *Broker) serve(l net.Listener) error {
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
		go b.serveConn(c) // waited for by Close
	}
}

func (b *Broker) serveConn(c net.Conn) {
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

// kick ends the connection of a thing, if there is one.
func (b *Broker) kick(thing, reason string) {
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

func (b *Broker) shadowLock(thing string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(thing)) // never fails
	return &b.shadows[h.Sum32()%uint32(len(b.shadows))]
}
