package main

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"fountain/agent/config"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv(asOwner); socket != "" {
		os.Exit(owner(socket))
	}
	testscript.Main(m, map[string]func(){"fountaind": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// exits CODE COMMAND ARGS… runs a command and asserts its exit code.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits CODE COMMAND [ARGS…]")
				}
				code := "0"
				if err := ts.Exec(args[1], args[2:]...); err != nil {
					code = strings.TrimPrefix(err.Error(), "exit status ")
				}
				if code != args[0] {
					ts.Fatalf("exit code %s, want %s", code, args[0])
				}
			},
		},
	})
}

// A rig that does not answer is named with its socket; SIGTERM while waiting for it does not hang.
func TestRigUnreachable(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var out, errs bytes.Buffer
	state := t.TempDir()
	if code := run(ctx, []string{"--state", state, "--rig", "sim"}, nil, nil, &out, &errs); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if s := errs.String(); !strings.Contains(s, "rig does not answer") || !strings.Contains(s, filepath.Join(state, "run", "plant.sock")) {
		t.Errorf("stderr = %s", s)
	}
}

func TestLogRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "fountaind.log")
	now := time.Now()
	r := &rotating{path: path, rot: config.Rotation{MaxSizeMB: 1, Keep: 2, MaxAge: time.Hour}, now: func() time.Time { return now }}
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	line := bytes.Repeat([]byte("x"), 300<<10)
	for range 12 { // 3 fit into a file
		if _, err := r.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{path: true, path + ".1": true, path + ".2": true, path + ".3": false} {
		fi, err := os.Stat(name)
		if (err == nil) != want {
			t.Errorf("%s: %v, want it: %v", name, err, want)
		}
		if err == nil && fi.Size() > 1<<20 {
			t.Errorf("%s has %d bytes", name, fi.Size())
		}
	}
	now = now.Add(2 * time.Hour) // all old ones are too old at the next rotation
	for range 4 {
		if _, err := r.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path + ".2"); err == nil {
		t.Error("a file older than max_age is still there")
	}
	_ = r.f.Close()
}
