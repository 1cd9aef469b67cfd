package agent

import (
	"time"

	"fountain/hal"
)

// unhurried lets loops that have nothing to do look every 20 ms instead of every 5: what a test of the cloud waits for
// takes hours of a unit's time. A pour's ticks are kept.
type unhurried struct{ hal.Pacer }

const idleLook = 20 * time.Millisecond

// SleepUntil implements hal.Pacer.
func (u unhurried) SleepUntil(t time.Duration) {
	now := u.Now()
	if t-now >= 5*time.Millisecond {
		t = now + max(t-now, idleLook)
	}
	u.Pacer.SleepUntil(t)
}
