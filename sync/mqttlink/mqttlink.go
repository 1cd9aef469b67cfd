// Package mqttlink keeps a unit connected to AWS IoT Core, or whatever speaks like it. It alone imports paho.
//
//	endpoints, ranked ─► Link.Run ──► dial ──► Conn (one paho client, one connection) ──► Sessions, a goroutine each
//	Try(new list) ─────────┘ ▲                   │ lost, or a Session failed                  │ Send: urgent
//	                         └── full-jitter backoff 1 s → 128 s, ≥ 1.1 s between CONNECTs ──┘ Bulk().Send: the rest
//
// It may import wire and internal packages. A Conn is one connection life: what it reports as acknowledged was
// acknowledged on this very connection. paho's own reconnect is off because it reports success for messages no broker has
// acknowledged (spec/awsiot.md 11). Payload size, topics, filters and rates are checked before anything is sent: the
// service answers a violation by closing the socket.
package mqttlink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"fountain/sync/wire"
)

// Timing of a connection (spec/awsiot.md 11).
const (
	KeepAlive      = 60 * time.Second
	PingTimeout    = 20 * time.Second
	ConnectTimeout = 15 * time.Second
	WriteTimeout   = 15 * time.Second
	AckTimeout     = 30 * time.Second // without PUBACK or SUBACK the connection is closed
	ConnectGap     = 1100 * time.Millisecond
	BackoffMin     = 1 * time.Second
	BackoffMax     = 128 * time.Second
	StableAfter    = 60 * time.Second // a connection this old resets the backoff
)

// ALPN is the protocol name that port 443 needs.
const ALPN = "x-amzn-mqtt-ca"

// MaxSubscriptions is how many filters one connection may have here, half of what AWS allows.
const MaxSubscriptions = 25

// DialFunc opens a transport.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Config of a connection.
type Config struct {
	Addrs    []string // endpoints, host:port, best first (ParseAddrs); Dial uses the first only
	ClientID string   // the thing's name
	// TLS is made by TLSConfig; server name and ALPN follow the endpoint. It may be nil only together with Dial, whose
	// connections are then used as they are.
	TLS *tls.Config
	// Dial opens the transport in front of TLS: a proxy (Proxy), or what a test wants; nil means TCP.
	Dial DialFunc
	// MessageRate and ByteRate bound the messages of both directions over all of a Link's connections; defaults 90/s and
	// 448 KiB/s.
	MessageRate float64
	ByteRate    float64
	// DropSpread is the time over which units come back that were dropped together after StableAfter; default 15 s.
	DropSpread time.Duration
	Log        *slog.Logger
}

// TLSConfig returns the client side of mutual TLS: at least 1.2, no session tickets, server name from addr, ALPN on
// port 443. now may be nil; a unit without a trusted clock passes its own.
func TLSConfig(addr string, cert tls.Certificate, roots *x509.CertPool, now func() time.Time) (*tls.Config, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("read endpoint %q: %w", addr, err)
	}
	return forEndpoint(&tls.Config{
		MinVersion:             tls.VersionTLS12,
		RootCAs:                roots,
		Certificates:           []tls.Certificate{cert},
		SessionTicketsDisabled: true,
		Time:                   now,
	}, addr), nil
}

// forEndpoint returns cfg as the endpoint wants it. addr was checked.
func forEndpoint(cfg *tls.Config, addr string) *tls.Config {
	host, port, _ := net.SplitHostPort(addr)
	cfg = cfg.Clone()
	cfg.ServerName, cfg.NextProtos = host, nil
	if port == "443" {
		cfg.NextProtos = []string{ALPN}
	}
	return cfg
}

// Errors of a Conn.
var (
	ErrLost      = errors.New("connection lost")          // before the answer came; wrapped by *ConnError
	ErrNoAck     = errors.New("no acknowledgement")       // for AckTimeout; the connection is closed then
	ErrForbidden = errors.New("subscription was refused") // SUBACK 0x80; the policy does not grant the filter
	ErrRefused   = errors.New("the service does not take the client (certificate, policy or client id)")
)

// ConnError says why a connection ended.
type ConnError struct {
	Err    error
	hungUp bool
}

// Error implements error.
func (e *ConnError) Error() string { return fmt.Sprintf("%v: %v", ErrLost, e.Err) }

// Unwrap makes both ErrLost and the cause visible.
func (e *ConnError) Unwrap() []error { return []error{ErrLost, e.Err} }

// HungUp reports whether the peer closed the connection, as AWS does on a violation, rather than the line dying.
func (e *ConnError) HungUp() bool { return e.hungUp }

// Session is work on one connection. It returns when its work is done (nil: the others go on), when it failed (the
// connection ends), or when ctx ends because the connection did.
type Session func(ctx context.Context, c *Conn) error

// Phase of a Link.
type Phase string

// Phases of a Link.
const (
	Connecting Phase = "connecting"
	Online     Phase = "online"
	Offline    Phase = "offline" // waiting for the next attempt, or not running
)

// State is what a Link is doing.
type State struct {
	Phase    Phase
	Since    time.Time
	Addr     string   // endpoint in use
	Addrs    []string // all of them, best first; the list that Try brought once it has proved itself
	LastErr  string   // of the last connection or attempt; stays while online
	Connects uint64   // CONNECTs sent since start
	Refused  int      // attempts in a row that ended with ErrRefused; of others, and of none, 0
}

func (c *Config) check() error {
	if err := wire.CheckClientID(c.ClientID); err != nil {
		return err
	}
	if c.TLS == nil && c.Dial == nil {
		return errors.New("mqttlink: no TLS configuration")
	}
	if err := checkAddrs(c.Addrs); err != nil {
		return err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MessageRate == 0 {
		c.MessageRate = 90
	}
	if c.ByteRate == 0 {
		c.ByteRate = 448 * 1024
	}
	if c.DropSpread == 0 {
		c.DropSpread = 15 * time.Second
	}
	return nil
}
