//go:build linux

package device

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// watched is longer than the rig's watchdog waits: 5 s and the kernel's own slack.
const watched = 12 * time.Second

// startGuarded starts plant and guard and waits until the guard holds the watchdog.
func startGuarded(t *testing.T) *unit {
	t.Helper()
	u := newUnit(t, "emulator.yaml")
	u.guard.start()
	eventually(t, 20*time.Second, "the watchdog runs", func() bool {
		b, err := os.ReadFile("/sys/class/watchdog/watchdog0/state")
		return err == nil && strings.TrimSpace(string(b)) == "active"
	})
	return u
}

// TestGuardHealthy is the control of TestGuardHangs: as long a time with a guard that lives resets nothing.
func TestGuardHealthy(t *testing.T) {
	u := startGuarded(t)
	time.Sleep(watched)
	u.guard.stop(syscall.SIGTERM)
	time.Sleep(watched) // an orderly stop disarms it
}

// TestGuardHangs stops the guard and waits for the kernel's watchdog to reset the unit. Coming back from the wait is the
// failure: the runner wants a reset that the watchdog announces, and no end of this test.
func TestGuardHangs(t *testing.T) {
	u := startGuarded(t)
	time.Sleep(2 * time.Second)
	u.guard.signal(syscall.SIGSTOP)
	os.Stdout.WriteString("device: the guard is stopped\n")
	time.Sleep(watched)
	t.Fatal("the unit still runs: no watchdog reset it")
}
