package panel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"fountain/hal/sim"
	"fountain/internal/localhttp"
	"fountain/internal/problem"
)

// Control observes and disturbs a fountain-plant over its socket. It is no owner of lines.
type Control struct {
	client *http.Client
	socket string
}

// DialControl returns a control of the plant at socket; it connects with the first call. Close it when done.
func DialControl(socket string) *Control {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		MaxIdleConns: 2,
	}
	return &Control{client: &http.Client{Transport: tr}, socket: socket}
}

// Close drops idle connections.
func (c *Control) Close() { c.client.CloseIdleConnections() }

// State observes the plant now.
func (c *Control) State(ctx context.Context) (sim.State, error) {
	return c.call(ctx, http.MethodGet, "/v1/state", nil)
}

// Inject makes f so and returns the state right after.
func (c *Control) Inject(ctx context.Context, f sim.Fault) (sim.State, error) {
	return c.call(ctx, http.MethodPost, "/v1/faults", faultRequest{Fault: f, On: true})
}

// Clear ends f.
func (c *Control) Clear(ctx context.Context, f sim.Fault) (sim.State, error) {
	return c.call(ctx, http.MethodPost, "/v1/faults", faultRequest{Fault: f})
}

// ClearAll ends every fault.
func (c *Control) ClearAll(ctx context.Context) (sim.State, error) {
	return c.call(ctx, http.MethodPost, "/v1/faults/clear", doRequest{Do: "all"})
}

// NewCup puts an empty cup in place.
func (c *Control) NewCup(ctx context.Context) (sim.State, error) {
	return c.call(ctx, http.MethodPost, "/v1/cup", doRequest{Do: "new"})
}

// EmptyTray drains the drip tray.
func (c *Control) EmptyTray(ctx context.Context) (sim.State, error) {
	return c.call(ctx, http.MethodPost, "/v1/tray", doRequest{Do: "empty"})
}

// SetCartridge puts a cartridge into its slot.
func (c *Control) SetCartridge(ctx context.Context, cart sim.Cartridge) (sim.State, error) {
	return c.call(ctx, http.MethodPost, "/v1/cartridges", cart)
}

func (c *Control) call(ctx context.Context, method, path string, body any) (sim.State, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return sim.State{}, fmt.Errorf("ask plant: %w", err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+localhttp.UnixHost+path, in)
	if err != nil {
		return sim.State{}, fmt.Errorf("ask plant: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return sim.State{}, &problem.Problem{Code: problem.CodeUnreachable, Where: c.socket, What: "the plant does not answer: " + err.Error(), Remedy: "start fountain-plant with this --socket", Retry: true}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return sim.State{}, fmt.Errorf("ask plant: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var p problem.Problem
		if err := json.Unmarshal(b, &p); err != nil || p.What == "" {
			return sim.State{}, fmt.Errorf("ask plant: %s %s: %s", method, path, resp.Status)
		}
		return sim.State{}, &p
	}
	var s sim.State
	if err := json.Unmarshal(b, &s); err != nil {
		return sim.State{}, fmt.Errorf("ask plant: %w", err)
	}
	return s, nil
}
