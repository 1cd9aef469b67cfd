//go:build linux

package device

import (
	"testing"
	"time"
)

// TestPanel: the shipping screen on the kernel's own display. A finger on the emulated touch panel goes from the first
// page to a drink, as the plant behind the lines sees it, and the panel shows to the last pixel what the screen drew.
func TestPanel(t *testing.T) {
	u := newUnit(t, "emulator.yaml", strong...)
	u.guard.start()
	u.agent.start()
	u.ready()
	p := newPerson(t, u, "--display", "drm")
	if p.w != 1080 || p.h != 1920 {
		t.Fatalf("the panel has %dx%d", p.w, p.h)
	}
	p.home()
	p.picture("home")
	p.tap("home.brand.orchard-clock")
	p.tap("brand.beverage.orchard-clock.apple")
	p.middle("beverage.pour")
	p.picture("beverage")
	p.newCup()
	p.press("beverage.pour")
	p.pours(80_000)
	p.glance("pouring")
	p.release()
	cup := p.shut()
	time.Sleep(time.Second)
	if later := u.state().Cup.TotalUL; later != cup {
		t.Errorf("%d µL flowed after the finger was lifted", later-cup)
	}
	p.picture("done")
	p.leave()
}

// TestFrameBuffer is the same where the kernel has only a frame buffer to offer.
func TestFrameBuffer(t *testing.T) {
	u := newUnit(t, "emulator.yaml", strong...)
	u.guard.start()
	u.agent.start()
	u.ready()
	p := newPerson(t, u, "--display", "fbdev")
	p.home()
	p.picture("fbdev-home")
	p.tap("home.water")
	p.newCup()
	p.press("beverage.pour")
	p.pours(50_000)
	p.glance("fbdev-pouring")
	p.release()
	p.shut()
	p.leave()
}
