package screens

import (
	"testing"

	"fountain/touchui/input"
)

// A portion goes on without a finger: it stops with the touch screen on which it could be stopped.
func TestPortionEndsWithTheTouchScreen(t *testing.T) {
	r := atBeverage(t)
	r.tap("beverage.tap")
	r.until("tap mode", func() bool { e, ok := r.find("beverage.tap"); return ok && e.Value == "on" })
	r.tap("beverage.pour")
	r.until("it flows", func() bool { return r.volume() > 20 })
	r.finger.Cancel(input.Gone)
	r.rest()
	if p := r.agent.last(); p.Reason != "screen_lost" {
		t.Errorf("ended by %q, not by the loss", p.Reason)
	}
}

// Nor does it go on behind another page, where nobody sees it.
func TestPortionEndsWithItsPage(t *testing.T) {
	r := atBeverage(t)
	r.tap("beverage.tap")
	r.until("tap mode", func() bool { e, ok := r.find("beverage.tap"); return ok && e.Value == "on" })
	r.tap("beverage.pour")
	r.until("it flows", func() bool { return r.volume() > 20 })
	if err := r.app.Call(t.Context(), r.ui.goHome); err != nil {
		t.Fatal(err)
	}
	r.rest()
}
