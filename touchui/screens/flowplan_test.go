package screens

import "testing"

// Number and name have room on the screen, apart from each other, at every level of every panel, in the languages and text
// modes that need most. Digits are lower than their line.
func TestFlowHasRoomAtEveryLevel(t *testing.T) {
	for _, s := range panels {
		inBubble(t, s.w, s.h, func(t *testing.T, r *rig) {
			r.waitPage("home")
			for _, tag := range []string{"en", "ar", "ja"} {
				for _, m := range []textMode{textNormal, textLarge} {
					r.at(func() {
						u := r.ui
						u.setLanguage(tag)
						u.setText(m)
						drinkPage("pouring").show(u)
						f := u.page.(*pourPage).flow
						for level := f.plan.top; level <= f.plan.bottom; level++ {
							number, name, _, _ := f.plan.place(level)
							if number < -f.l.Geo.I(12) || name < 0 || number+f.plan.numberH > f.plan.limit || name+f.plan.nameH > f.plan.limit+f.l.Geo.I(8) {
								t.Errorf("%dx%d %s %v at %d: number at %d, name at %d to %d", s.w, s.h, tag, m, level, number, name, name+f.plan.nameH)
								break
							}
							if name < number+f.plan.numberH && number < name+f.plan.nameH {
								t.Errorf("%dx%d %s %v at %d: number at %d runs into the name at %d", s.w, s.h, tag, m, level, number, name)
								break
							}
						}
						atRest(u)
					})
				}
			}
		})
	}
}
