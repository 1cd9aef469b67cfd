package mqttlink

import (
	"bufio"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"

	"fountain/internal/problem"
)

// Proxy returns what opens ways through an HTTP proxy (RFC 9110, section 9.3.6), with the user and password of the
// URL. It names the endpoint to the proxy, which resolves it. Its errors are problems that never hold the password.
func Proxy(proxy *url.URL) DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, proxy.Host)
		if err != nil {
			return nil, unreached(proxy.Host, "the proxy does not answer: "+err.Error(), "check cloud.proxy and the network")
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // unblocks the exchange below
		r, err := askProxy(conn, proxy, addr)
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
}

// askProxy asks for the way to addr.
func askProxy(conn net.Conn, proxy *url.URL, addr string) (*bufio.Reader, error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, unreached(proxy.Host, "the proxy closes: "+err.Error(), "check that cloud.proxy names an HTTP proxy")
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
		return nil, unreached(proxy.Host, "the proxy wants a user and a password, or refuses these", "correct cloud.proxy")
	}
	return nil, unreached(proxy.Host, "the proxy does not let the unit through to "+addr+": "+resp.Status, "have the venue allow this address and port")
}

func unreached(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeUnreachable, Where: where, What: what, Remedy: remedy, Retry: true}
}

// tunnel is a connection whose first bytes the answer's reader may hold already.
type tunnel struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (t *tunnel) Read(b []byte) (int, error) { return t.r.Read(b) }
