package screens

import (
	"syscall"
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
		began := worked(t)
		p.down()
		r.app.RenderNow()
		took = worked(t) - began
		p.up()
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("press to frame: %v of work", took)
	if took > api.LeaseLimit {
		t.Errorf("a press takes %v to show: the lease would be lost", took)
	}
	r.rest()
}

// worked is how long this process has had a processor: what else a busy host does is not counted.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
