//go:build linux

package device

import (
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNoGlitchAtStart starts, kills and starts again guard and agent: the kernel's trace of every write shows that no
// valve's line ever went to its open level. A careless request of the same lines does glitch, so the trace can tell.
func TestNoGlitchAtStart(t *testing.T) {
	for _, tt := range []struct {
		rig string
		low bool
	}{{"emulator.yaml", false}, {"emulator-low.yaml", true}} {
		t.Run(tt.rig, func(t *testing.T) {
			u := newUnit(t, tt.rig)
			for _, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
				u.guard.start()
				u.agent.start()
				u.ready()
				u.agent.stop(end)
				u.guard.stop(end)
			}
			edges := u.trace.edges()
			writes := 0
			for _, e := range edges {
				if e.line <= lineSparkling {
					writes++
				}
			}
			if writes == 0 {
				t.Fatal("the trace shows no write to any valve: it proves nothing")
			}
			for line, id := range []string{"master", "still", "sparkling"} {
				if n := opened(edges, line, tt.low); n != 0 {
					t.Errorf("%s went to its open level %d times: %v", id, n, edges)
				}
			}
			t.Logf("figure: %d writes to valves in two starts, none to an open level", writes)

			// the control: an output requested without a level starts low, then is set high
			u.trace.clear()
			dev, _, err := chipByLabel("rig")
			if err != nil {
				t.Fatal(err)
			}
			fd, err := requestLines(dev, flagOutput, nil, lineStill)
			if err != nil {
				t.Fatal(err)
			}
			if tt.low {
				err = setLines(fd, 1, 1)
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			if n := opened(u.trace.edges(), lineStill, tt.low); tt.low != (n > 0) {
				t.Errorf("a careless request: %d openings (active low %v)", n, tt.low)
			}
			if err := unix.Close(fd); err != nil {
				t.Error(err)
			}
		})
	}
}
