package screens

import (
	"fmt"
	"os"
	"testing"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/theme"
)

// TestLooks draws the pages of choosing at every size, in languages of every script and every text mode. With
// FOUNTAIN_LOOK=dir it keeps the pictures to be judged; without it only proves that each page can be drawn.
func TestLooks(t *testing.T) {
	tags, modes := []string{"en"}, []textMode{textNormal}
	if os.Getenv("FOUNTAIN_LOOK") != "" {
		tags, modes = []string{"en", "de", "ar", "ja"}, []textMode{textNormal, textLarge, textContrast}
	}
	for _, s := range panels {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			r := newRig(t, s.w, s.h)
			r.agent.set(func(s *api.Snapshot) {
				s.Favourites = []beverage.ID{"night-tram.black-cherry-zero", "lemonpark.raspberry-hedge", "porchlight.peach-porch", "kolvane.original"}
				s.Mixes, s.Phone = true, "https://fountain.example/u/7k3q"
			})
			r.waitPage("home")
			r.get("home.favourite.0")
			shot := func(name string, f func()) {
				t.Helper()
				if err := r.app.Call(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				r.shot(fmt.Sprintf("look-%s-%dx%d", name, s.w, s.h))
			}
			for _, tag := range tags {
				for _, m := range modes {
					suffix := fmt.Sprintf("-%s-%d", tag, m)
					shot("home"+suffix, func() {
						r.ui.show(newHome(r.ui))
						r.ui.setLanguage(tag)
						r.ui.setText(m)
					})
					shot("search"+suffix, func() { r.ui.show(newSearch(r.ui, "")) })
					shot("searched"+suffix, func() { r.ui.page.(*searchPage).typed("blo") })
					shot("language"+suffix, func() { r.ui.show(newLanguage(r.ui, func() page { return newHome(r.ui) })) })
					shot("phone"+suffix, func() { r.ui.show(newPhone(r.ui)) })
					shot("attract"+suffix, func() { r.ui.show(newAttract(r.ui)) })
					if m == textNormal {
						th := starfall(t)
						shot("campaign"+suffix, func() {
							r.ui.show(newHome(r.ui))
							r.ui.SetCampaign(&th)
						})
						shot("none"+suffix, func() { r.ui.SetCampaign(nil) })
					}
				}
			}
			shot("end", func() { r.ui.reset() })
		})
	}
}

// starfall is the sample campaign.
func starfall(t *testing.T) theme.Theme {
	t.Helper()
	f, err := os.Open("../theme/themes/starfall.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	th, err := theme.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return th
}
