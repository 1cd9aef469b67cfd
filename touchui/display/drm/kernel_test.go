//go:build linux

package drm

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFlipsIn(t *testing.T) {
	event := func(kind, length uint32) []byte {
		b := make([]byte, 32)
		binary.NativeEndian.PutUint32(b, kind)
		binary.NativeEndian.PutUint32(b[4:], length)
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want int
	}{
		"none":            {nil, 0},
		"one":             {event(eventFlip, 32), 1},
		"another kind":    {event(1, 32), 0},
		"two":             {slices.Concat(event(eventFlip, 32), event(1, 32), event(eventFlip, 32)), 2},
		"cut":             {event(eventFlip, 64), 0},
		"without an end":  {event(eventFlip, 0), 0},
		"too long by far": {event(eventFlip, 0xffffffff), 0},
	} {
		if got := flipsIn(c.b); got != c.want {
			t.Errorf("%s: %d flips, want %d", name, got, c.want)
		}
	}
}

func TestAboutDisplays(t *testing.T) {
	for m, want := range map[string]bool{
		"change@/devices/pci0/drm/card0\x00ACTION=change\x00DEVPATH=/devices/pci0/drm/card0\x00SUBSYSTEM=drm\x00HOTPLUG=1\x00": true,
		"add@/devices/pci0/drm/card0\x00ACTION=add\x00SUBSYSTEM=drm\x00":                                                       false,
		"change@/devices/battery\x00ACTION=change\x00SUBSYSTEM=power_supply\x00":                                               false,
		"": false,
	} {
		if aboutDisplays(m) != want {
			t.Errorf("%q: %v", m, !want)
		}
	}
}

func TestConnected(t *testing.T) {
	dir := t.TempDir()
	put := func(name, status string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "status"), []byte(status+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if p, ok := connectedIn(dir, "/dev/dri"); ok {
		t.Errorf("%s without a card", p)
	}
	put("card0-HDMI-A-1", "disconnected")
	put("card1-DSI-1", "unknown")
	if p, ok := connectedIn(dir, "/dev/dri"); ok {
		t.Errorf("%s without a panel", p)
	}
	put("card1-HDMI-A-2", "connected")
	if p, ok := connectedIn(dir, "/dev/dri"); !ok || p != "/dev/dri/card1" {
		t.Errorf("%s %v", p, ok)
	}
}

func TestHolders(t *testing.T) {
	proc := t.TempDir()
	for pid, name := range map[string]string{"812": "Xorg\n", "900": "plymouthd\n"} {
		if err := os.MkdirAll(filepath.Join(proc, pid, "fd"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "comm"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []struct{ from, to string }{{"812/fd/4", "/dev/dri/card0"}, {"812/fd/9", "/dev/dri/card0"}, {"900/fd/1", "/dev/null"}} {
		if err := os.Symlink(l.to, filepath.Join(proc, l.from)); err != nil {
			t.Fatal(err)
		}
	}
	if got := holders(proc, "/dev/dri/card0"); !slices.Equal(got, []string{"Xorg (process 812)"}) {
		t.Errorf("%q", got)
	}
}

func TestConnectorName(t *testing.T) {
	for want, n := range map[string][2]uint32{"HDMI-A-1": {11, 1}, "DSI-1": {16, 1}, "Virtual-1": {15, 1}, "eDP-2": {14, 2}, "Unknown-1": {77, 1}} {
		if got := connectorName(n[0], n[1]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
