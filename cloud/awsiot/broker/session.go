package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/time/rate"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// Reasons why a connection ended, as AWS names them in lifecycle events.
const (
	ReasonAuth      = "AUTH_ERROR"
	reasonClient    = "CLIENT_ERROR"
	reasonInitiated = "CLIENT_INITIATED_DISCONNECT"
	reasonLost      = "CONNECTION_LOST"
	reasonDuplicate = "DUPLICATE_CLIENTID"
	reasonKeepAlive = "MQTT_KEEP_ALIVE_TIMEOUT"
	reasonServer    = "SERVER_INITIATED_DISCONNECT"
	reasonForbidden = "FORBIDDEN_ACCESS"
	ReasonAPI       = "API_INITIATED_DISCONNECT"
)

// handshakeLimit is how long a TLS handshake may take.
const handshakeLimit = 10 * time.Second

// session is one TLS connection: its identity, its policies and its budgets. It is the net.Conn that mochi serves, so
// every hook finds it at cl.Net.Conn.
type session struct {
	net.Conn
	cert     store.Certificate
	policies []*policy.Policy
	done     chan struct{} // closed when mochi has let go of the client
	bytes    *rate.Limiter // delays reads
	messages *rate.Limiter // in and out together; what is above is dropped

	aside *packets.Packet // see setAside; of the reading goroutine only

	mu      sync.Mutex
	who     policy.Principal
	pending map[string]bool // filters of the SUBSCRIBE being handled: accepted or over the quota
	reason  string
	online  bool // presence was told
}

func newSession(c net.Conn, cert store.Certificate, policies []*policy.Policy) *session {
	return &session{
		Conn: c, cert: cert, policies: policies, done: make(chan struct{}),
		bytes:    rate.NewLimiter(wire.MaxByteRate, wire.MaxByteRate),
		messages: rate.NewLimiter(wire.MaxMessageRate, wire.MaxMessageRate),
	}
}

// Read delays what comes faster than the quota; nothing is dropped.
func (s *session) Read(p []byte) (int, error) {
	if len(p) > wire.MaxByteRate {
		p = p[:wire.MaxByteRate]
	}
	n, err := s.Conn.Read(p)
	if n > 0 {
		if r := s.bytes.ReserveN(time.Now(), n); r.Delay() > 0 {
			time.Sleep(r.Delay())
		}
	}
	return n, err
}

func (s *session) principal() policy.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.who
}

func (s *session) clientID() string { return s.principal().ClientID }

// setReason keeps the first reason.
func (s *session) setReason(r string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason == "" {
		s.reason = r
	}
}

// endReason says why the session ended, from what was noted or from the read error.
func (s *session) endReason(err error) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.reason != "":
		return s.reason
	case err == nil:
		return reasonInitiated
	case errors.Is(err, os.ErrDeadlineExceeded):
		return reasonKeepAlive
	}
	return reasonLost
}

func (s *session) setPending(p map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = p
}

func (s *session) subscribing(filter string) (granted, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	granted, ok = s.pending[filter]
	return granted, ok
}

// tlsConfig is the server side: the unit must show a certificate of our authority that is registered and active, and
// must name the server it wants (SNI), as AWS asks.
func (b *Broker) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: b.cfg.Authority.Pool(),
		NextProtos: []string{"x-amzn-mqtt-ca"}, SessionTicketsDisabled: true,
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.ServerName == "" {
				return nil, errors.New("no server name (SNI): dial a name, not an address, or set ServerName")
			}
			return b.cfg.Authority.Server(), nil
		},
	}
}

// handshake turns a plain connection into a session.
func (b *Broker) handshake(c net.Conn) (*session, error) {
	ctx, cancel := context.WithTimeout(b.ctx, handshakeLimit)
	defer cancel()
	t := tls.Server(c, b.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	leaf := t.ConnectionState().PeerCertificates[0]
	cert, err := b.cfg.Store.Certificate(ctx, authority.ID(leaf.Raw))
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", authority.ID(leaf.Raw)[:12], err)
	}
	if cert.Status != store.CertActive {
		return nil, fmt.Errorf("certificate %s is %s", cert.ID[:12], cert.Status)
	}
	var policies []*policy.Policy
	for _, name := range cert.Policies {
		if p := b.cfg.Policies(name); p != nil { // a policy deleted from the stack grants nothing
			policies = append(policies, p)
		}
	}
	return newSession(t, cert, policies), nil
}

// MatchFilter tells whether a topic is below a filter. Unlike standard MQTT, and like AWS, "x/#" does not match "x".
func MatchFilter(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && f[0] != t[0] { // wildcards do not reach reserved topics
		return false
	}
	for i, l := range f {
		if l == "#" {
			return len(t) > i
		}
		if i >= len(t) || l != "+" && l != t[i] {
			return false
		}
	}
	return len(f) == len(t)
}
