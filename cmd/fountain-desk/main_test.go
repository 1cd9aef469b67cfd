package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/internal/desk"
)

// TestAnnounce: what is printed is all one needs, and can be typed where the desk was started.
func TestAnnounce(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "cloud"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cloud", "endpoints.json"), []byte(`{"console":"http://localhost:1","control":"http://localhost:2"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	d := &desk.Desk{Units: []*desk.Unit{{Serial: "DESK-ABC-1", Dir: filepath.Join(dir, "unit-1"), Plant: &desk.Child{}}}}
	var out strings.Builder
	announce(&out, desk.Config{Dir: dir}, d, "bin/", 1200*time.Millisecond)
	for _, want := range []string{
		"ready in 1.2 s", "unit 1  DESK-ABC-1", "bin/fountainctl --socket " + dir + "/unit-1/run/service.sock pour kolvane.zero --ml 240",
		"console    http://localhost:1\n", "control    http://localhost:2 (aws iot --endpoint-url", "state      " + dir,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
