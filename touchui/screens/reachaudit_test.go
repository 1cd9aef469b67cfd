package screens

import (
	"fmt"
	"testing"
)

// TestAuditTrays judges what opens on the mix page and in low reach as TestAudit judges pages.
func TestAuditTrays(t *testing.T) {
	for _, s := range []struct {
		w, h int
		ppmm float64
		a    auditing
	}{
		{1080, 1920, 2.72, auditing{"de", textLarge, false}},
		{800, 480, 3.67, auditing{"ar", textContrast, false}},
		{800, 1280, 5.87, auditing{"ja", textNormal, false}},
		{1920, 1080, 3.54, auditing{"en", textNormal, false}},
	} {
		t.Run(s.a.String(), func(t *testing.T) {
			r := newAuditRig(t, s.w, s.h, s.ppmm)
			u := r.ui
			look := func(name string, f func()) {
				t.Helper()
				r.on(f)
				r.judge(s.a, name)
				r.shot(fmt.Sprintf("%dx%d-%v-%s", s.w, s.h, s.a, name))
			}
			look("mix", func() {
				u.setLanguage(s.a.tag)
				u.setText(s.a.text)
				u.show(newMix(u))
			})
			look("mix-moved", func() { u.page.(*pourPage).own.(*mixPage).set(0, 90) })
			look("mix-pick", func() { u.page.(*pourPage).own.(*mixPage).pick(1) })
			look("reach", func() { u.show(newReach(u)) })
			look("reach-mix", func() { u.show(newMix(u)) })
			look("reach-mix-pick", func() { u.page.(*pourPage).own.(*mixPage).pick(0) })
			r.on(func() { u.show(newReach(u)) })
			look("reach-filter", func() { u.page.(*pourPage).own.(*reachPage).open(trayFilter) })
			look("reach-languages", func() { u.page.(*pourPage).own.(*reachPage).open(trayLanguages) })
			x, y := r.press("beverage.pour")
			r.waitPage("pouring")
			r.until("100 ml", func() bool { return r.volume() >= 100 })
			r.judge(s.a, "reach-pouring")
			r.finger.Up(1, x, y)
			r.waitPage("done")
			r.judge(s.a, "reach-done")
		})
	}
}
