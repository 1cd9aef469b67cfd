package kiosk_test

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowTapIsATap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400, 300)
		p := newPad("a", 100, 100)
		r.app.SetContent(row(placed(p, 50, 50, 100, 100)))
		r.run(func() {
			r.finger.Tap(1, 80, 90, 5*time.Second)
			r.on(func() {
				if got := p.counts(); got != "down 1 up 1 cancel 0 taps 1" {
					t.Errorf("after a slow tap: %s", got)
				}
			})
		})
	})
}
