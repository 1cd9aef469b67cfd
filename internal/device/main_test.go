//go:build linux

package device

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	seed   = flag.Uint64("seed", 1, "seed of the random moments")
	quick  = flag.Bool("quick", false, "fewer repetitions")
	holder = flag.String("holder", "", "be the holder of this owner's lines")
	rigArg = flag.String("rig", "", "the holder's rig file")
)

// inGuest tells whether this is the emulated unit: PID 1 says so.
func inGuest() bool { return os.Getenv("FOUNTAIN_DEVICE") == "guest" }

func TestMain(m *testing.M) {
	flag.Parse()
	if !inGuest() {
		fmt.Println("internal/device runs in the emulator only: make test-device")
		return
	}
	if *holder != "" {
		if err := hold(*holder, *rigArg); err != nil {
			fmt.Fprintln(os.Stderr, "holder:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// The guest is what the other tests take it for: a real kernel with the lines they need.
func TestGuest(t *testing.T) {
	if os.Getppid() != 1 {
		t.Errorf("the parent is %d, not PID 1", os.Getppid())
	}
	for _, p := range []string{"/sys/kernel/config/gpio-sim", "/dev/cuse", "/sys/kernel/tracing/events/gpio"} {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
	v, err := os.ReadFile("/proc/version")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", v)
}
