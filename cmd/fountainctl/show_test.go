package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// TestAnAgentThatHangsIsTold: the socket takes the call and nobody answers it.
func TestAnAgentThatHangsIsTold(t *testing.T) {
	dir, err := os.MkdirTemp("", "ctl") // short: socket paths have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	tl := &tool{socket: socket, limit: 50 * time.Millisecond}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	err = tl.read(func(ctx context.Context, c *api.Client, _ []string) error {
		_, err := c.Status(ctx)
		return err
	})(cmd, nil)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != problem.CodeUnreachable || p.What != "the agent does not answer" {
		t.Errorf("got %v", err)
	}
}

// TestPlainWords: what a technician reads is neither a code nor bad grammar.
func TestPlainWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		10 * time.Second: "less than a minute ago", 61 * time.Second: "1 minute ago", 5 * time.Minute: "5 minutes ago",
		3 * time.Hour: "3 hours ago", 49 * time.Hour: "2 days ago",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for _, s := range []struct {
		step api.OpStep
		want string
	}{
		{api.OpStep{Name: "dry test", State: stepFailed, Proof: "found"}, "  1/2  failed  dry test: it found what has to be mended"},
		{api.OpStep{Name: "purge", State: stepFailed, Proof: "not_empty"}, "  1/2  failed  purge: not empty"},
		{api.OpStep{Name: "rinse", State: stepDone, Proof: "flow_still counted"}, "  1/2  done    rinse: flow_still counted"},
	} {
		if got := stepLine(0, 2, s.step); got != s.want {
			t.Errorf("%q, want %q", got, s.want)
		}
	}
}
