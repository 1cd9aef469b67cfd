package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"fountain/agent/beverage"
	"fountain/internal/localhttp"
	"fountain/internal/problem"
)

// maxAnswer bounds what a client reads of one answer: the catalogue is the largest, about 1 MiB.
const maxAnswer = 16 << 20

// Client talks to one agent over a unix socket. Safe for concurrent use. Errors of the agent, and an agent that does
// not answer, come back as *problem.Problem.
//
// Calls that carry a lease (StartPour, Beat) share one connection, which the agent watches: when this process dies,
// the kernel closes it and the pour stops. Everything else goes over other connections.
type Client struct {
	socket  string
	session string // id; empty: none
	lease   *http.Client
	plain   *http.Client
}

// NewClient makes a client of the agent at socket. It connects at the first call.
func NewClient(socket string) *Client {
	var d net.Dialer
	c := NewClientOver(func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) })
	c.socket = socket
	return c
}

// NewClientOver makes a client whose connections dial makes: an agent in the same process, without a socket.
func NewClientOver(dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{lease: httpClient(dial, 1), plain: httpClient(dial, 0)}
}

func httpClient(dial func(context.Context) (net.Conn, error), conns int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		MaxConnsPerHost:     conns,
		MaxIdleConnsPerHost: 4, // status calls beside the event stream
		DisableCompression:  true,
	}}
}

// Socket is the path this client talks to.
func (c *Client) Socket() string { return c.socket }

// Close closes idle connections. A pour held over this client stops.
func (c *Client) Close() {
	c.lease.CloseIdleConnections()
	c.plain.CloseIdleConnections()
}

// Status returns the state of the unit for a technician.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.do(ctx, c.plain, http.MethodGet, "/v1/status", nil, &s)
}

// Snapshot returns the state of the unit for a screen.
func (c *Client) Snapshot(ctx context.Context) (Snapshot, error) {
	var s Snapshot
	return s, c.do(ctx, c.plain, http.MethodGet, "/v1/snapshot", nil, &s)
}

// Brands lists every brand of the catalogue and whether it can be poured.
func (c *Client) Brands(ctx context.Context) ([]Brand, error) {
	var b []Brand
	return b, c.do(ctx, c.plain, http.MethodGet, "/v1/brands", nil, &b)
}

// Catalogue returns the unit's catalogue. Its digest is the agent's: that of the file the agent loaded and checked.
func (c *Client) Catalogue(ctx context.Context) (*beverage.Catalogue, error) {
	var cat beverage.Catalogue
	h, err := c.exchange(ctx, c.plain, http.MethodGet, "/v1/catalogue", nil, &cat)
	if err != nil {
		return nil, err
	}
	cat.Digest = strings.Trim(h.Get("ETag"), `"`)
	return &cat, nil
}

// StartPour begins a pour and its lease: Beat has to follow within LeaseLimit. Most callers want Hold or Lease.
func (c *Client) StartPour(ctx context.Context, req StartPour) (Pour, error) {
	var p Pour
	return p, c.do(ctx, c.lease, http.MethodPost, "/v1/pours", req, &p)
}

// Beat renews the lease of pour id. The error is a *problem.Problem with CodeConflict when the pour has ended.
func (c *Client) Beat(ctx context.Context, id string) error {
	return c.do(ctx, c.lease, http.MethodPost, "/v1/pours/"+id+"/beat", nil, nil)
}

// Pause shuts pour id and keeps its count; its beats have to go on. The error is a *problem.Problem with CodeConflict when
// it cannot be paused any more.
func (c *Client) Pause(ctx context.Context, id string) error {
	return c.do(ctx, c.plain, http.MethodPost, "/v1/pours/"+id+"/pause", nil, nil)
}

// Resume lets a paused pour flow again; refused with CodeUnsafe while there is no cup or anything else forbids it.
func (c *Client) Resume(ctx context.Context, id string) error {
	return c.do(ctx, c.plain, http.MethodPost, "/v1/pours/"+id+"/resume", nil, nil)
}

// Rinse rinses the nozzle into the tray; Beat has to follow within LeaseLimit until it is done, which the next beat's
// CodeNotFound tells.
func (c *Client) Rinse(ctx context.Context) (Rinse, error) {
	var r Rinse
	return r, c.do(ctx, c.lease, http.MethodPost, "/v1/rinse", nil, &r)
}

// Stop stops pour id; a pour that already ended is no error.
func (c *Client) Stop(ctx context.Context, id string) error { return c.StopFor(ctx, id, StopReleased) }

// StopFor is Stop with a reason, one of Stop….
func (c *Client) StopFor(ctx context.Context, id, reason string) error {
	path := "/v1/pours/" + id
	if reason != StopReleased {
		path += "?reason=" + url.QueryEscape(reason)
	}
	return c.do(ctx, c.plain, http.MethodDelete, path, nil, nil)
}

// Pour returns one pour, with its record once it is settled.
func (c *Client) Pour(ctx context.Context, id string) (Pour, error) {
	var p Pour
	return p, c.do(ctx, c.plain, http.MethodGet, "/v1/pours/"+id, nil, &p)
}

// UIAlive tells the agent that the screen has drawn a frame.
func (c *Client) UIAlive(ctx context.Context) error {
	return c.do(ctx, c.plain, http.MethodPut, "/v1/ui/alive", nil, nil)
}

func (c *Client) do(ctx context.Context, hc *http.Client, method, path string, in, out any) error {
	_, err := c.exchange(ctx, hc, method, path, in, out)
	return err
}

// exchange makes one call and returns the answer's header; in and out may be nil.
func (c *Client) exchange(ctx context.Context, hc *http.Client, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+localhttp.UnixHost+path, body)
	if err != nil {
		return nil, fmt.Errorf("call %s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.session != "" {
		req.Header.Set(SessionHeader, c.session)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return nil, readProblem(resp, path)
	}
	if out == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection is used again
		return resp.Header, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return nil, fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // the newline after the document
	return resp.Header, nil
}

// bytes gets a document that is no JSON.
func (c *Client) bytes(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+localhttp.UnixHost+path, nil)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", path, err)
	}
	if c.session != "" {
		req.Header.Set(SessionHeader, c.session)
	}
	resp, err := c.plain.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, readProblem(resp, path)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer of GET %s: %w", path, err)
	}
	return b, nil
}

// unreachable says in a technician's words why there is no answer. A context that ended stays what it is.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p := &problem.Problem{
		Code: problem.CodeUnreachable, Where: c.socket, What: "the agent does not answer",
		Remedy: "start fountaind, or name its socket with --socket", Retry: true,
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.What = "there is no agent at this socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		p.What = "the agent of this socket is not running"
	case errors.Is(err, fs.ErrPermission):
		p.What, p.Remedy, p.Retry = "this user may not use the agent's socket", "join the group that owns it, or use sudo", false
	case errors.Is(err, syscall.EINVAL):
		p.What, p.Remedy, p.Retry = "this is no usable socket path", "a unix socket path has at most 107 bytes", false
	}
	return p
}

// readProblem turns an error answer into a *problem.Problem, also one that no agent wrote.
func readProblem(resp *http.Response, path string) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a cut answer is judged by what arrived
	var p problem.Problem
	if json.Unmarshal(b, &p) == nil && p.Code != "" {
		return &p
	}
	return &problem.Problem{
		Code: problem.CodeInternal, Where: path, What: "unexpected answer " + resp.Status, Status: resp.StatusCode,
	}
}

// callTimeout bounds calls that end a lease: they must get through although the caller's context is gone.
const callTimeout = 2 * time.Second

// settleTimeout bounds how long Hold waits for the record: settling takes about a second, an agent that starts again
// about three.
const settleTimeout = 8 * time.Second
