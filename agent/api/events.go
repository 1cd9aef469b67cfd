package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"fountain/internal/localhttp"
)

// Stream timing.
const (
	// SilenceLimit is how long a reader waits for the next snapshot (the agent sends one a second) before it connects
	// again.
	SilenceLimit = 3 * time.Second
	retryFirst   = 50 * time.Millisecond
	retryMost    = 2 * time.Second
)

// Events calls fn with every snapshot the agent sends until ctx ends or fn returns an error, which it returns. A lost
// connection is made again with growing pauses; lost, if not nil, is told each time why (then a screen shows that the
// machine is away). fn and lost run on Events's goroutine.
func (c *Client) Events(ctx context.Context, fn func(Snapshot) error, lost func(error)) error {
	pause := retryFirst
	for {
		got, err := c.stream(ctx, fn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if stop, ok := err.(stopError); ok {
			return stop.error
		}
		if lost != nil {
			lost(err)
		}
		if got {
			pause = retryFirst
		}
		t := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		pause = min(2*pause, retryMost)
	}
}

// stopError marks an error of the caller's fn.
type stopError struct{ error }

func (c *Client) stream(ctx context.Context, fn func(Snapshot) error) (got bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(SilenceLimit, cancel)
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+localhttp.UnixHost+"/v1/events", nil)
	if err != nil {
		return false, fmt.Errorf("call /v1/events: %w", err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.plain.Do(req)
	if err != nil {
		return false, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, readProblem(resp, "/v1/events")
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 64<<10), maxAnswer)
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		if d, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(d, []byte(" "))...)
			continue
		}
		if len(line) > 0 || len(data) == 0 {
			continue // event:, id:, comments
		}
		var s Snapshot
		if err := json.Unmarshal(data, &s); err != nil {
			return got, fmt.Errorf("read snapshot: %w", err)
		}
		data = data[:0]
		got = true
		silence.Stop() // fn may take its time
		if err := fn(s); err != nil {
			return got, stopError{err}
		}
		silence.Reset(SilenceLimit)
	}
	if err := lines.Err(); err != nil {
		return got, c.unreachable(ctx, err)
	}
	return got, c.unreachable(ctx, http.ErrServerClosed)
}
