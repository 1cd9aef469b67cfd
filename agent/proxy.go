package agent

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"fountain/internal/problem"
)

// dialer is how the unit gets to the cloud: as a test says, through the proxy that is configured, or directly (nil).
func (c *cloud) dialer() Dialer {
	proxy := c.a.cfg.Config.Cloud.Proxy
	if c.a.deps.Dial != nil || proxy == "" {
		return c.a.deps.Dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, fmt.Errorf("read cloud.proxy: %w", err) // checked by config
		}
		return connect(ctx, u, addr)
	}
}

// connect opens a way to addr through an HTTP proxy (RFC 9110, section 9.3.6).
func connect(ctx context.Context, proxy *url.URL, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", proxy.Host)
	if err != nil {
		return nil, unreached(proxy.Host, "the proxy does not answer: "+err.Error(), "check cloud.proxy and the network")
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // unblocks the exchange below
	r, err := exchange(conn, proxy, addr)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close() // the first error is the one to tell
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return &tunnel{conn, r}, nil
}

// exchange asks the proxy for the way.
func exchange(conn net.Conn, proxy *url.URL, addr string) (*bufio.Reader, error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, fmt.Errorf("ask the proxy: %w", err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, unreached(proxy.Host, "the proxy gives no HTTP answer: "+err.Error(), "check that cloud.proxy names an HTTP proxy")
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return r, nil
	case http.StatusProxyAuthRequired:
		return nil, &problem.Problem{
			Code: problem.CodeUnreachable, Where: proxy.Host, What: "the proxy wants a user and a password, or refuses these", Remedy: "correct cloud.proxy", Retry: true,
		}
	}
	return nil, unreached(proxy.Host, "the proxy does not let the unit through to "+addr+": "+resp.Status, "have the venue allow this address and port")
}

// tunnel is a connection whose first bytes the answer's reader may hold already.
type tunnel struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (t *tunnel) Read(b []byte) (int, error) { return t.r.Read(b) }
