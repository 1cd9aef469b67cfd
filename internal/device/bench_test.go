//go:build linux

package device

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal/rigfile"
	"fountain/hal/sim"
	"fountain/hal/sim/lines"
)

// rigPath is where the emulated unit has its rig files.
func rigPath(name string) string { return filepath.Join("/rig", name) }

// newBoard makes the machine of a rig file behind the kernel's lines and lets its physics run until the test ends.
func newBoard(t *testing.T, path string) *lines.Board {
	t.Helper()
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0))) // the plant's thread must not wait for a P
	runtime.GC()                                      // between the tests, and not while the plant runs: 20 ms of pause are two pulses
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(400 << 20)
	rig, err := rigfile.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	plant, err := sim.NewPlant(sim.Config{
		Rig: rig, Seed: *seed, Live: true,
		Cartridges: []sim.Cartridge{{Slot: "s01", Ingredient: "tea.green", VolumeUL: 5_000_000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := lines.New(plant, "", slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		t.Logf("the plant: longest step %v", b.Late())
		if err := <-done; err != nil {
			t.Errorf("the plant broke: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("close the board: %v", err)
		}
	})
	return b
}

// eventually waits for cond.
func eventually(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// monotonic is the clock of the kernel's trace, of the guard's last beat and of the plant.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(ts.Nano())
}
