package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"fountain/internal/problem"
)

// askLimit is how long the cloud may take to answer an operator.
const askLimit = 30 * time.Second

// client asks the running cloud through its control plane.
type client struct {
	base string
	http http.Client
}

// reach finds the cloud that runs on a directory.
func reach(dir string) (*client, error) {
	if dir == "" {
		return nil, noDirectory()
	}
	path := filepath.Join(dir, endpointsFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notRunning(path)
	}
	var e Endpoints
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeDamaged, Where: path, What: err.Error(), Remedy: "start fountain-cloud serve again"}
	}
	return &client{base: e.Control, http: http.Client{Timeout: askLimit}}, nil
}

func notRunning(where string) error {
	return &problem.Problem{
		Code: problem.CodeUnreachable, Where: where, What: "no cloud runs on this directory",
		Remedy: "start it: fountain-cloud serve --dir …", Retry: true,
	}
}

// refused is an answer of the cloud that is an error.
type refused struct {
	status        int
	code, message string
}

// Error implements error.
func (e *refused) Error() string { return e.message }

// call sends in as JSON and decodes the answer into out; either may be nil. Errors are problems, or *refused.
func (c *client) call(ctx context.Context, method, path string, header map[string]string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return notRunning(c.base)
	}
	defer res.Body.Close() // read to the end below
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		var e struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(b, &e) != nil || e.Message == "" {
			e.Message = res.Status
		}
		return &refused{res.StatusCode, res.Header.Get("X-Amzn-Errortype"), e.Message}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
