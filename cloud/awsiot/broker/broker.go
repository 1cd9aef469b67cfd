// Package broker is the MQTT side of the imitation of AWS IoT Core: connections, identities, sessions, limits, policies,
// retained messages, lifecycle events (spec/awsiot.md 2 to 5). It uses mochi's packet codec, and of mochi nothing else:
// its server keeps one list of packet ids for both directions, replays at once and says goodbye to MQTT 3.1.1. Besides
// that it imports cloud/store, awsiot/{authority,policy}, sync/wire and internal packages.
//
//	client ──TLS, certificate──► conn: limits, policy ──► $ topics: Config.Ingest, Service
//	   ▲                                            └──► others: retained, Config.Published, topics
//	   └──────────── conn ◄── session: queue, in flight, stored ◄──────────────────────────┘
//
// A conn belongs to the goroutine that reads it; a session and the index of topics have a lock each, and nobody holds one
// while reading, writing or calling out. Sessions are in memory: when the process ends, so do they, and clients see
// "session present" unset. Retained messages and identities are in the store.
//
// What AWS leaves open is decided here: an empty client id with a clean start gets "$GEN/" and a random part, which the
// policy must allow; a third party's certificate counts when it is registered; a refused MQTT 3.1.1 client hears nothing;
// an MQTT 5 client stays connected after a refused QoS 1 PUBLISH (PUBACK) or filter (SUBACK), everything else that is
// forbidden disconnects it with the reason.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/internal/logkey"
)

// Store is what the broker keeps.
type Store interface {
	store.Registry
	store.RetainedMessages
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
	// Policies lists what decides about a certificate.
	Policies func(ctx context.Context, certificateID string) ([]*policy.Policy, error)

	// Ingest takes Basic Ingest; ok is false when the topic is none. An error closes the connection before PUBACK.
	Ingest func(ctx context.Context, topic, clientID string, payload []byte) (ok bool, err error)
	// Published is told of every message that subscribers may get, lifecycle events and what services publish included:
	// of a client's before its PUBACK, of the cloud's own in order and soon. May be nil.
	Published func(ctx context.Context, topic, clientID string, payload []byte)
	// OnPresence is called in order for one thing; it must not block for long. May be nil.
	OnPresence func(Presence)
	// OnDenied is a test seam: it is told the reason of every request this side refuses, most of which end the connection.
	// May be nil.
	OnDenied func(clientID, reason string)
	// ConnectBurst is how many CONNECTs of one client id may come at once; after that it is one a second, as AWS allows.
	// 0 means DefaultConnectBurst.
	ConnectBurst int

	Log *slog.Logger
}

// DefaultConnectBurst lets a client in again that restarts, is taken over or is driven by tests; one that reconnects in a
// loop is refused.
const DefaultConnectBurst = 10

// Broker is the running broker. Make it with New, feed it with Serve or ServeConn, end it with Close.
type Broker struct {
	cfg    Config
	ctx    context.Context // ends with Close; the only context that outlives a call
	cancel context.CancelFunc
	log    *slog.Logger
	tls    *tls.Config

	services   []Service // set before Serve
	topics     topics
	generation atomic.Uint64 // of identities: Refresh moves it

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	live      map[string]*conn    // by client id
	sessions  map[string]*session // by client id
	known     map[string]*acquaintance
	wg        sync.WaitGroup // connections, and what runs beside them

	arrivals line[Presence]
	ruled    line[*Message] // what the cloud itself published, on its way to the rules
}

// acquaintance is what is remembered of a client id for an hour.
type acquaintance struct {
	number int64 // versionNumber of the next connection
	pace   *rate.Limiter
	left   time.Time // zero while it is connected
}

// New makes a broker. It serves nobody until Serve or ServeConn.
func New(cfg Config) (*Broker, error) {
	switch {
	case cfg.Authority == nil, cfg.Store == nil, cfg.Policies == nil:
		return nil, errors.New("make broker: Authority, Store and Policies are needed")
	}
	if cfg.ConnectBurst == 0 {
		cfg.ConnectBurst = DefaultConnectBurst
	}
	b := &Broker{
		cfg: cfg, log: cfg.Log, listeners: map[net.Listener]bool{}, conns: map[*conn]bool{},
		live: map[string]*conn{}, sessions: map[string]*session{}, known: map[string]*acquaintance{},
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.tls = b.tlsConfig()
	b.arrivals.work, b.ruled.work = b.tell, b.rule
	b.wg.Go(b.watch)
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
func (b *Broker) ServeConn(raw net.Conn) {
	c := newConn(b, raw)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		_ = raw.Close() // the broker is gone
		return
	}
	b.conns[c] = true
	b.wg.Add(1)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
		b.wg.Done()
	}()
	c.run()
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
	for c := range b.conns {
		c.stop(faultf(reasonServer, codeShutdown, "the cloud ends"), false)
	}
	b.mu.Unlock()
	b.wg.Wait()
	b.arrivals.close()
	b.ruled.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		s.stopTimers()
	}
	return nil
}

// enter makes c the holder of its client id. The connection that held it ends first, and is waited for: then events come
// in order. It reports whether c goes on with a session that was there.
func (b *Broker) enter(c *conn, clean bool) (present bool, f *fault) {
	id := c.clientID()
	b.mu.Lock()
	who := b.known[id]
	if who == nil {
		who = &acquaintance{pace: rate.NewLimiter(1, b.cfg.ConnectBurst), left: time.Now()}
		b.known[id] = who
	}
	if !who.pace.Allow() {
		b.mu.Unlock()
		return false, faultf(reasonThrottled, codeQuota, "more than one CONNECT a second")
	}
	for old := b.live[id]; old != nil; old = b.live[id] {
		b.mu.Unlock()
		old.stop(faultf(reasonDuplicate, codeTakenOver, "another connection has the same client id"), false)
		select {
		case <-old.left:
		case <-b.ctx.Done():
			return false, faultf(reasonServer, codeShutdown, "the cloud ends")
		}
		b.mu.Lock()
	}
	s := b.sessions[id]
	var ended *session
	if s != nil && (clean || s.version != c.version) {
		ended, s = s, nil
	}
	present = s != nil
	if s == nil {
		s = newSession(id, c.version)
		b.sessions[id] = s
	}
	c.session, c.number = s, who.number
	who.number++
	who.left = time.Time{}
	b.live[id] = c
	s.attach(c)
	b.mu.Unlock()
	if ended != nil {
		b.end(ended)
	}
	return present, nil
}

// leave takes a connection's client id back and keeps its session for as long as it was asked.
func (b *Broker) leave(c *conn) {
	s := c.session
	b.mu.Lock()
	delete(b.live, s.id)
	if who := b.known[s.id]; who != nil {
		who.left = time.Now()
	}
	shared := s.detach()
	if c.keep > 0 && !b.closed {
		s.expire(c.keep, func() { b.endAway(s) })
	} else {
		delete(b.sessions, s.id)
	}
	b.mu.Unlock()
	if c.keep == 0 {
		b.end(s)
	}
	b.shareAgain(shared)
}

// endAway ends a session whose client did not come back.
func (b *Broker) endAway(s *session) {
	b.mu.Lock()
	if b.sessions[s.id] != s || !s.away() {
		b.mu.Unlock()
		return
	}
	delete(b.sessions, s.id)
	b.mu.Unlock()
	b.end(s)
}

// end takes a session's filters away and publishes its will if that was waiting.
func (b *Broker) end(s *session) {
	filters, lastWords := s.end()
	for _, f := range filters {
		b.topics.remove(f, s)
	}
	if lastWords != nil {
		lastWords()
	}
}

// forget drops what is remembered of clients that were away for an hour, and expired retained messages.
func (b *Broker) forget() {
	now := time.Now()
	b.mu.Lock()
	for id, who := range b.known {
		if b.live[id] == nil && now.Sub(who.left) > time.Hour {
			delete(b.known, id)
		}
	}
	b.mu.Unlock()
	if err := b.cfg.Store.DeleteExpiredRetained(b.storeContext(), now.UnixMilli()); err != nil {
		b.log.Error("cannot delete expired retained messages", logkey.Err, err)
	}
}

// Kick ends the connection of a client, if there is one.
func (b *Broker) Kick(clientID, reason string) {
	b.mu.Lock()
	c := b.live[clientID]
	b.mu.Unlock()
	if c != nil {
		c.stop(faultf(reason, disconnectCode(reason), "ended by the cloud"), false)
	}
}

// Connected lists the things that are connected now, sorted.
func (b *Broker) Connected() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for id, c := range b.live {
		if c.identity.Load().who.Thing == id {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Connection describes a live connection.
func (b *Broker) Connection(clientID string) (Connection, bool) {
	b.mu.Lock()
	c := b.live[clientID]
	b.mu.Unlock()
	if c == nil {
		return Connection{}, false
	}
	id := c.identity.Load()
	return Connection{
		ClientID: clientID, CertificateID: id.cert.ID, Thing: id.who.Thing, Since: c.since, KeepAlive: c.keepAlive,
		Clean: c.session.keepsNothing(), Addr: c.raw.RemoteAddr().String(),
	}, true
}

// Disconnect ends a client's connection with API_INITIATED_DISCONNECT, as iot-data's DeleteConnection does, and waits
// until it is gone; a service must not call it for its own requester. cleanSession also ends its session, preventWill
// keeps the will from being sent. It reports whether there was a connection or, with cleanSession, a session.
func (b *Broker) Disconnect(clientID string, cleanSession, preventWill bool) bool {
	b.mu.Lock()
	c, s := b.live[clientID], b.sessions[clientID]
	b.mu.Unlock()
	if c != nil {
		c.stop(faultf(reasonAPI, codeAdministrative, "ended through the API"), preventWill)
		<-c.left
	}
	if cleanSession && s != nil {
		b.endAway(s)
	}
	return c != nil || cleanSession && s != nil
}
