package screens

import (
	"fountain/touchui/display"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
)

var _ kiosk.Holdable = (*dome)(nil)

// KeyDown implements kiosk.Holdable: who has keys pours by tapping, and by holding if they like. The next three belong to
// it.
func (d *dome) KeyDown() {
	if d.disabled {
		return
	}
	if d.tap != nil {
		d.tap()
		return
	}
	if d.down != nil {
		d.keyed, d.ui.tap = true, true
		d.down()
	}
}

// KeyUp lets go of what was held.
func (d *dome) KeyUp(held bool) {
	if held && d.KeyHolding() {
		d.ui.pour.release(false)
	}
}

// KeyLost lets go as a screen that lost its keys.
func (d *dome) KeyLost() {
	if d.KeyHolding() {
		d.ui.pour.release(true)
	}
}

// KeyHolding reports whether something pours because of a key.
func (d *dome) KeyHolding() bool { return d.keyed && d.ui.pour.active() }

// keyed is the part of a key that belongs to the page: any key ends the attract page and nothing else; back stops what
// pours, and leaves.
func (u *UI) keyed(k input.Key) bool {
	switch _, resting := u.page.(*attractPage); {
	case u.veiled:
		u.undim()
	case resting:
		u.goHome()
	case k.Code != input.KeyBack || isPage[*servicePage](u.page):
		return false
	case u.pour.active():
		u.pour.release(false)
	case u.stage.Press("nav.back") || u.stage.Press("pour.done"):
	case u.menu != nil && !isPage[*outagePage](u.page) && !isPage[*homePage](u.page):
		u.goHome()
	}
	return true
}

// focused says what has the keys' focus.
func (u *UI) focused(e display.Element) {
	if u.speech.On() {
		u.speech.Say(u.Words.Tag(), u.said.Focus(u.Words, e))
	}
}

// narrate says what is new on the screen. It is called whenever something may be.
func (u *UI) narrate() {
	if !u.speech.On() {
		return
	}
	if text := u.said.Look(u.Words, u.page.name(), u.stage.Elements()); text != "" {
		u.speech.Say(u.Words.Tag(), text)
	}
}
