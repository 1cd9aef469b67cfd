package screens

import (
	"testing"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// TestSoldOutFollowsTheMenu: the page of a drink that ran out says so for as long as it is so, and its dome pours what its
// card shows, also when something closer can be had again.
func TestSoldOutFollowsTheMenu(t *testing.T) {
	const wanted = beverage.ID("kolvane.cherry-zero")
	r := newRig(t, 800, 480)
	r.waitPage("home")
	block := func(ids ...beverage.ID) {
		t.Helper()
		blocked := map[beverage.ID]string{}
		for _, id := range ids {
			blocked[id] = whySoldOut
		}
		r.agent.set(func(s *api.Snapshot) { s.Blocked = blocked })
		r.until("the block", func() (ok bool) {
			_ = r.app.Call(t.Context(), func() { ok = len(r.ui.snap.Blocked) == len(ids) })
			return ok
		})
	}
	poured := func() (id beverage.ID) {
		if err := r.app.Call(t.Context(), func() { id = r.ui.page.(*pourPage).offer.Beverage.ID }); err != nil {
			t.Fatal(err)
		}
		return id
	}
	block(wanted)
	if err := r.app.Call(t.Context(), func() { r.ui.open(wanted) }); err != nil {
		t.Fatal(err)
	}
	r.waitPage("sold_out")
	closest := poured()
	block(wanted, closest)
	r.until("something else", func() bool { return poured() != closest })
	block(wanted)
	if err := r.app.Call(t.Context(), func() { r.ui.setLanguage("de") }); err != nil { // draws the page anew
		t.Fatal(err)
	}
	if card, pours := r.get("sold-out.instead.0").Value, poured(); card != string(pours) || pours != closest {
		t.Errorf("the card shows %s, the dome pours %s, closest is %s", card, pours, closest)
	}
	block()
	r.waitPage("beverage")
	if id := poured(); id != wanted {
		t.Errorf("pours %s", id)
	}
}
