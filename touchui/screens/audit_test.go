package screens

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/touchui/audit"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// auditing is one way to look at every page.
type auditing struct {
	tag  string
	text textMode
	fest bool // a campaign's theme
}

func (a auditing) String() string {
	s := fmt.Sprintf("%s-%s", a.tag, [...]string{"normal", "large", "contrast"}[a.text])
	if a.fest {
		s += "-campaign"
	}
	return s
}

// TestAudit judges every page in contrast, size of targets and room for text: on four panels, in every language and both
// pseudo languages, in each text mode and in a campaign's colours. The short run takes those that are the hardest.
func TestAudit(t *testing.T) {
	hard := []auditing{
		{words.Pseudo, textNormal, false},
		{"ja", textNormal, true},
		{"en", textContrast, false},
		{"de", textLarge, false},
		{"ar", textNormal, false},
		{words.PseudoRTL, textLarge, false},
	}
	looks := hard
	if os.Getenv("FOUNTAIN_LONG") != "" {
		looks = nil
		tags := []string{words.Pseudo, words.PseudoRTL}
		for _, l := range words.Languages() {
			tags = append(tags, l.Tag)
		}
		for _, tag := range tags {
			for m := range textModes {
				looks = append(looks, auditing{tag, m, false})
			}
			looks = append(looks, auditing{tag, textNormal, true})
		}
	}
	for i, s := range []struct {
		w, h int
		ppmm float64
	}{{1080, 1920, 2.72}, {800, 480, 3.67}, {800, 1280, 5.87}, {1920, 1080, 3.54}} {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) {
			r := newAuditRig(t, s.w, s.h, s.ppmm)
			for j, a := range looks {
				if len(looks) == len(hard) && j != i && j != (i+4)%len(hard) {
					continue // the short run spreads the looks over the panels
				}
				r.audit(a)
			}
		})
	}
}

type auditRig struct {
	*rig
	trace *audit.Trace
}

func newAuditRig(t *testing.T, w, h int, ppmm float64) *auditRig {
	t.Helper()
	r := &auditRig{rig: newRig(t, w, h)}
	r.agent.mu.Lock()
	r.agent.rate = 400_000
	r.agent.mu.Unlock()
	r.agent.set(func(s *api.Snapshot) {
		s.Favourites = []beverage.ID{"night-tram.black-cherry-zero", "lemonpark.raspberry-hedge", "porchlight.peach-porch", "kolvane.original"}
		s.Mixes, s.Phone = true, "https://fountain.example/u/7k3q"
	})
	r.waitPage("home")
	r.get("home.favourite.0")
	began := time.Now()
	r.on(func() {
		r.ui.now = func() time.Time { return began } // nobody is away, however long the audit takes
		r.ui.Geo.PPMM = ppmm
		r.trace = audit.Watch(r.ui.Look)
	})
	return r
}

// audit judges every page in one look.
func (r *auditRig) audit(a auditing) {
	r.t.Helper()
	u := r.ui
	look := func(name string, f func()) {
		r.t.Helper()
		r.on(f)
		r.judge(a, name)
	}
	look("home", func() {
		u.reach = false
		u.show(newHome(u))
		u.setLanguage(a.tag)
		u.setText(a.text)
		u.SetCampaign(nil)
		if a.fest {
			th, err := theme.Named(theme.StarfallName)
			if err != nil {
				r.t.Fatal(err)
			}
			u.SetCampaign(&th)
		}
	})
	look("search", func() { u.show(newSearch(u, "")) })
	look("searched", func() { u.page.(*searchPage).typed("ber") })
	look("language", func() { u.show(newLanguage(u, func() page { return newHome(u) })) })
	look("phone", func() { u.show(newPhone(u)) })
	look("attract", func() { u.show(newAttract(u)) })
	look("no-fizz", func() { u.show(newNoFizz(u)) })
	look("outage", func() { u.show(newOutage(u)) })
	for i := range u.cat.Brands {
		if b := &u.cat.Brands[i]; b.ID == "kolvane" || b.ID == "house-water" || b.ID == "passion-post" {
			look("brand-"+string(b.ID), func() { u.show(newBrand(u, b)) })
		}
	}
	look("mix", func() { u.show(newMix(u)) })
	for _, id := range []beverage.ID{"kolvane.cherry-zero", "morning-shift.sunrise", "house-water.still"} {
		look("beverage-"+string(id), func() { u.open(id) })
	}
	if o, ok := u.menu.Offer("kolvane.cherry-zero"); ok {
		look("sold-out", func() { u.show(newSoldOut(u, o)) })
	}
	r.on(func() { u.open("kolvane.original") })
	x, y := r.press("beverage.pour")
	r.waitPage("pouring")
	r.until("140 ml", func() bool { return r.volume() >= 140 }) // between two figures of the scale
	r.judge(a, "pouring")
	r.finger.Up(1, x, y)
	r.waitPage("done")
	r.judge(a, "done")
	look("reach", func() { u.show(newReach(u)) })
	r.on(func() {
		u.reach = false
		u.goHome()
	})
}

func (r *auditRig) judge(a auditing, name string) {
	r.t.Helper()
	var ppmm float64
	r.on(func() { ppmm = r.ui.Geo.PPMM })
	faults, err := r.trace.Page(r.t.Context(), r.app, r.mem.Image, ppmm)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range faults {
		r.t.Errorf("%v %s: %s", a, name, f)
	}
	if len(faults) > 0 && os.Getenv("FOUNTAIN_LOOK") != "" {
		r.shot(strings.ReplaceAll(filepath.Base(r.t.Name()), "/", "-") + "-" + a.String() + "-" + name)
	}
}
