package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fountain/agent/config"
	"fountain/agent/store"
)

// The program verifies a file for the agent: sound is 0, damage is 1 and a line that says what.
func TestVerifyStore(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "", func(string, uint64) ([]byte, error) { return []byte("{}"), nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verify := func(path string) (int, string) {
		var out bytes.Buffer
		return run(t.Context(), []string{verifyStore, path}, nil, nil, &out, io.Discard), out.String()
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		if code, out := verify(f); code != 0 {
			t.Errorf("%s: %d %s", f, code, out)
		}
		if err := os.Truncate(f, 8192); err != nil {
			t.Fatal(err)
		}
		if code, out := verify(f); code != 1 || !strings.Contains(out, `{"damage":`) {
			t.Errorf("%s cut short: %d %s", f, code, out)
		}
	}
}

// Old log files go when the disk fills up, the present one stays.
func TestOldLogFilesAreGivenUp(t *testing.T) {
	dir := t.TempDir()
	out, closeLog, err := openLog(config.Log{File: filepath.Join(dir, "log"), Rotation: config.Rotation{MaxSizeMB: 1, Keep: 3}}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog()
	line := bytes.Repeat([]byte("x"), 600<<10)
	for range 4 {
		if _, err := out.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	rules := shedders(out)
	if len(rules) != 1 || len(shedders(io.Discard)) != 0 {
		t.Fatalf("%d rules", len(rules))
	}
	for range 2 {
		if err := rules[0].Shed(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "log" {
		t.Errorf("left %v, %v", left, err)
	}
	if _, err := out.Write(line); err != nil {
		t.Error(err)
	}
	if checkStore(slog.New(slog.DiscardHandler)) == nil {
		t.Error("no file is verified in a process of its own")
	}
}
