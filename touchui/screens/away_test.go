package screens

import (
	"testing"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// A reason this screen has never heard of takes the beverage away like any other, and is not called run out.
func TestUnknownReasonIsShownPlainly(t *testing.T) {
	cat, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	id := cat.Brands[0].Beverages[0].ID
	book := english(t)
	for why, want := range map[string]string{
		"sold_out": "It has run out", "too_warm": "It is not cold yet", "line_fault": "It takes a break", "something_new": "It takes a break",
	} {
		m := NewMenu(cat, api.Snapshot{Blocked: map[beverage.ID]string{id: why}})
		o, ok := m.Offer(id)
		if !ok || o.Pourable() || o.Why != why {
			t.Errorf("%s: offer %+v, %v", why, o.Why, ok)
		}
		if got := away(book, "It", why); got != want {
			t.Errorf("%s: %q, want %q", why, got, want)
		}
	}
}
