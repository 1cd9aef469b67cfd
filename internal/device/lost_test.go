//go:build linux

package device

import (
	"syscall"
	"testing"
	"time"

	"fountain/hal"
)

// TestLostPulses makes the kernel lose edges, by a burst and by a reader that is held up: a count that is not whole says
// so, by Lost or in Health. It is never silently low.
func TestLostPulses(t *testing.T) {
	const rig = "emulator-short.yaml"
	for _, tt := range []struct {
		name string
		send func(*testing.T, *outside, *remote)
		want string // what has to come of it: whole, lost, or either
	}{
		{"burst", func(t *testing.T, b *outside, _ *remote) {
			for range 8 {
				if err := b.Burst("flow_still", 500); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, "either"},
		{"reader held up", func(t *testing.T, b *outside, r *remote) {
			r.signal(syscall.SIGSTOP)
			b.Pulse("flow_still", 2500, time.Millisecond)
			time.Sleep(2700 * time.Millisecond)
			r.signal(syscall.SIGCONT)
		}, "lost"},
		{"two meters, reader held up", func(t *testing.T, b *outside, r *remote) {
			r.signal(syscall.SIGSTOP)
			b.Pulse("flow_still", 1000, 2*time.Millisecond)
			b.Pulse("flow_sparkling", 1000, 2*time.Millisecond)
			time.Sleep(2200 * time.Millisecond)
			r.signal(syscall.SIGCONT)
		}, "lost"},
		{"as fast as a turbine turns", func(t *testing.T, b *outside, _ *remote) {
			b.Pulse("flow_still", 200, 5*time.Millisecond)
			time.Sleep(1200 * time.Millisecond)
		}, "whole"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &outside{newBoard(t, rigPath(rig)), t}
			r, err := openRemote(t, rigPath(rig), hal.OwnerAgent)
			if err != nil {
				t.Fatal(err)
			}
			tt.send(t, b, r)
			time.Sleep(600 * time.Millisecond) // the account is settled when nothing came for a while
			for _, id := range []string{"flow_still", "flow_sparkling"} {
				m, err := r.Meter(id)
				if err != nil {
					t.Fatal(err)
				}
				c, sent := m.Count(), b.Pulses(id)
				told := c.Lost > 0
				for _, f := range r.Health() {
					told = told || f.Kind == hal.FaultLost
				}
				t.Logf("figure: %s: %d pulses sent, %d counted, of them %d told lost", id, sent, c.Pulses, c.Lost)
				if c.Pulses != sent && !told {
					t.Errorf("%s: counts %d of %d pulses and says nothing", id, c.Pulses, sent)
				}
				switch {
				case tt.want == "whole" && (c.Pulses != sent || told):
					t.Errorf("%s: %d of %d pulses at an ordinary rate, told lost: %v", id, c.Pulses, sent, told)
				case tt.want == "lost" && sent > 0 && !told:
					t.Errorf("%s: nothing was lost of %d pulses: the test proves nothing", id, sent)
				}
			}
		})
	}
}
