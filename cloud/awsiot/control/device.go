package control

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/internal/logkey"
)

// TLS is the server side of the device's interface: a client certificate may be shown; whether it is good is decided for
// each request, because it may be deactivated while a connection lasts.
func (c *Control) TLS() *tls.Config { return serverTLS(c.cfg.Authority) }

// serverTLS names no application protocol, so that x-amzn-http-ca and http/1.1 may both be offered: net/http would hang up
// on a connection that settled on the first.
func serverTLS(a *authority.Authority) *tls.Config {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{*a.Server()}, SessionTicketsDisabled: true,
	}
	silent := cfg.Clone() // net/http adds its own protocols to the first one
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return silent, nil }
	return cfg
}

// DeviceHandler serves HTTPS. Who shows a client certificate is a device and its policies decide; who shows none must
// sign with SigV4, or bring a presigned URL of an object.
func (c *Control) DeviceHandler() http.Handler {
	admin := c.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("X-Amz-Signature") && c.cfg.Objects != nil:
			c.cfg.Objects.ServeHTTP(w, r)
		case r.TLS != nil && len(r.TLS.PeerCertificates) > 0:
			c.device(w, r)
		case scope(r) != "":
			admin.ServeHTTP(w, r)
		default:
			writeError(w, &failure{status: http.StatusForbidden, code: "MissingAuthenticationTokenException", message: "Missing Authentication Token"})
		}
	})
}

// device serves a request with a client certificate.
func (c *Control) device(w http.ResponseWriter, r *http.Request) {
	id := authority.ID(r.TLS.PeerCertificates[0].Raw)
	cert, err := c.cfg.Store.Certificate(r.Context(), id)
	if err != nil || cert.Status != store.CertActive {
		c.cfg.Log.Warn("HTTPS refused", slog.String("certificate", id[:12]), logkey.Addr, r.RemoteAddr)
		writeError(w, failureOf(forbidden("Forbidden")))
		return
	}
	for _, plane := range []string{planeData, planeJobsData} {
		mux := c.planes[plane]
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r.WithContext(withCertificate(r.Context(), id)))
			return
		}
	}
	writeError(w, c.unserved(r, "ResourceNotFoundException", "there is no such operation for devices"))
}

// may asks the policies of a device; an administrator may everything. Over HTTPS nobody has a client id, so thing
// variables have no value, as on AWS.
func (r *request) may(act policy.Action, name string) error {
	if r.certificateID == "" {
		return nil
	}
	all, err := r.c.cfg.Policies(r.Context(), r.certificateID)
	if err != nil {
		return err
	}
	who := policy.Principal{CertificateID: r.certificateID}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		who.SourceIP = host
	}
	if r.TLS != nil {
		who.DomainName = r.TLS.ServerName
		if len(r.TLS.PeerCertificates) > 0 {
			who.Certificate = policy.CertificateAttributes(r.TLS.PeerCertificates[0])
		}
	}
	if !policy.Allowed(all, r.c.cfg.ARN, who, act, name) {
		return forbidden("Forbidden")
	}
	return nil
}
