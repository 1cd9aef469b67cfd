//go:build linux

package vt

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// A machine without a console, or with something else in its place, is no error. What a real one does is proved by
// internal/device (TestPanel, TestFrameBuffer).
func TestNoConsole(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none"), file} {
		restore := graphics(path, slog.New(slog.NewTextHandler(t.Output(), nil)))
		restore()
		restore()
	}
}
