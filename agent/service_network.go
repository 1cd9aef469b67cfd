package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"fountain/internal/problem"
	"fountain/sync/mqttlink"
	"fountain/sync/provision"
)

// Patience of the network check.
const (
	resolvePatience = 3 * time.Second
	dialPatience    = 5 * time.Second
	tlsPatience     = 5 * time.Second
)

// reach proves the way to the cloud step by step: the name, a connection, the server's certificate. It returns what it
// found in one sentence; errors are problems that say what a person can do.
func (c *cloud) reach(ctx context.Context, ep endpoints) (string, error) {
	host, port, err := net.SplitHostPort(ep.MQTT)
	if err != nil {
		return "", unreached(ep.MQTT, "this is no host:port", "correct cloud.mqtt")
	}
	roots, err := readRoots(ep.CA)
	if err != nil {
		return "", err
	}
	cfg, err := mqttlink.TLSConfig(ep.MQTT, c.certificate(ep), roots, c.clock)
	if err != nil {
		return "", err
	}
	dial := c.dialer()
	if dial == nil {
		if err := resolve(ctx, host); err != nil {
			return "", err
		}
		dial = (&net.Dialer{}).DialContext
	}
	dctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	conn, err := dial(dctx, "tcp", ep.MQTT)
	var known *problem.Problem // the proxy's
	if errors.As(err, &known) {
		return "", known
	}
	if err != nil {
		return "", dialProblem(ep.MQTT, port, err)
	}
	defer conn.Close()
	tctx, cancel := context.WithTimeout(ctx, tlsPatience)
	defer cancel()
	began := time.Now()
	if err := tls.Client(conn, cfg).HandshakeContext(tctx); err != nil {
		return "", tlsProblem(ep.MQTT, c.clock(), err)
	}
	return fmt.Sprintf("%s answers and proves who it is (%d ms)", ep.MQTT, time.Since(began).Milliseconds()), nil
}

// certificate is what the unit shows: its identity, else the claim certificate; none when neither can be read, for some
// servers do not ask before the handshake is over.
func (c *cloud) certificate(ep endpoints) tls.Certificate {
	if id, err := provision.LoadIdentity(c.dir()); err == nil {
		if cert, err := id.Certificate(); err == nil {
			return cert
		}
	}
	cert, err := tls.LoadX509KeyPair(ep.ClaimCert, ep.ClaimKey)
	if err != nil {
		return tls.Certificate{}
	}
	return cert
}

func unreached(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeUnreachable, Where: where, What: what, Remedy: remedy, Retry: true}
}

func resolve(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, host)
	var dns *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &dns) && dns.IsNotFound:
		return unreached(host, "no name server knows this name", "check the spelling of cloud.mqtt, and that the venue's network resolves outside names")
	default:
		return unreached(host, "the name cannot be looked up: no name server answers", "check the network cable or Wi-Fi, and the name server (resolvectl status)")
	}
}

func dialProblem(addr, port string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreached(addr, "the host refuses connections on port "+port, "check the port of cloud.mqtt; a firewall may refuse it")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return unreached(addr, "there is no route to the host", "check the network cable or Wi-Fi, the address and the gateway (ip route)")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return unreached(addr, fmt.Sprintf("no answer within %s", dialPatience), "let outgoing TCP port "+port+" through the venue's firewall; AWS IoT also listens on port 443")
	}
	return unreached(addr, "no connection: "+err.Error(), "check the network")
}

func tlsProblem(addr string, now time.Time, err error) error {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	switch {
	case errors.As(err, &authority):
		return unreached(addr, "the server's certificate comes from an unknown authority", "check cloud.ca; or a proxy of the venue opens the connection: let this address pass unopened")
	case errors.As(err, &host):
		return unreached(addr, "the server's certificate is for another name", "check cloud.mqtt; or a proxy of the venue answers instead")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return unreached(addr, "the server's certificate is not valid at the unit's time, "+now.UTC().Format(time.RFC3339), "check the unit's clock (timedatectl) and the venue's NTP")
	case errors.As(err, &alert):
		return unreached(addr, "the server refuses this unit: "+err.Error(), "check cloud.claim_cert and cloud.claim_key; a unit that was released has to be claimed again")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return unreached(addr, fmt.Sprintf("connected, but no TLS answer within %s", tlsPatience), "a firewall may hold TLS back, or the port speaks something else")
	}
	return unreached(addr, "the TLS handshake fails: "+err.Error(), "check that cloud.mqtt names the MQTT port; a firewall may interfere")
}
