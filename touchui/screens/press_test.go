package screens

import (
	"testing"
	"time"

	"fountain/agent/api"
)

// TestFirstPressIsQuick guards the beat: what a press has to compose must not eat the lease, even on a slow panel.
func TestFirstPressIsQuick(t *testing.T) {
	r := newRig(t, 1080, 1920)
	r.waitPage("home")
	var took time.Duration
	if err := r.app.Call(t.Context(), func() {
		r.ui.open("kolvane.cherry-zero")
	}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // as long as a person takes at least; the page composes ahead meanwhile
	if err := r.app.Call(t.Context(), func() {
		p := r.ui.page.(*pourPage)
		began := time.Now()
		p.down()
		r.app.RenderNow()
		took = time.Since(began)
		p.up()
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("press to frame: %v", took)
	if took > api.LeaseLimit {
		t.Errorf("a press takes %v to show: the lease would be lost", took)
	}
	r.rest()
}
