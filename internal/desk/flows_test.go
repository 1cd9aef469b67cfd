package desk

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/hal/sim"
)

// TestE2EFlows walks every consumer flow in a real browser, in a language of each kind: short words, long words, and from
// right to left. Elements are found by the ids of GET /tree alone, which no language changes. FOUNTAIN_SHOTS names a
// directory for the pictures.
func TestE2EFlows(t *testing.T) {
	alloc := chromium(t)
	t.Setenv("FOUNTAIN_UNIT_PHONE_URL", "https://example.com/pour/demo")
	rig, err := filepath.Abs("../../testdata/rig/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, u := startDesk(t, func(c *Config) {
		c.NoUI = false
		c.SwapCup = 500 * time.Millisecond
		c.Rig = rig // gas and its sensor: the fizz can run out
	})
	u.awaitReady(t)
	for _, lang := range []string{"en", "de", "ar"} {
		t.Run(lang, func(t *testing.T) {
			f := &flow{tab: newTab(t, alloc, 1080, 1920, u.UI.URL()), u: u, lang: lang}
			f.until("the screen is live", `window.fountain && fountain.live && fountain.frames > 0`)
			f.home()
			f.speak()
			for _, walk := range []struct {
				name string
				f    func(*flow)
			}{
				{"favourite", (*flow).favourite},
				{"search", (*flow).search},
				{"size-tap-foam", (*flow).sizes},
				{"mix", (*flow).mix},
				{"sold-out", (*flow).soldOut},
				{"no-fizz", (*flow).noFizz},
				{"out-of-order", (*flow).outOfOrder},
				{"low-reach", (*flow).reach},
				{"text", (*flow).text},
				{"phone", (*flow).phone},
				{"service", (*flow).service},
			} {
				f.at = walk.name
				began := time.Now()
				walk.f(f)
				f.home()
				t.Logf("%s %-14s %v", lang, walk.name, time.Since(began).Round(100*time.Millisecond))
			}
		})
	}
}

// flow is a person at the screen who speaks a language.
type flow struct {
	*tab
	u        *Unit
	lang, at string
}

func (f *flow) keep(what string) {
	time.Sleep(300 * time.Millisecond) // the page is drawn
	f.shot(fmt.Sprintf("%s-%s-%s.png", f.lang, f.at, what))
}

// home goes back to the wall from wherever the screen is.
func (f *flow) home() {
	f.t.Helper()
	await(f.t, patience, "the wall of brands", func() (bool, string) {
		tree := f.tree()
		if _, ok := tree["home.title"]; ok {
			return true, ""
		}
		for _, id := range []string{"attract.start", "pour.done", "service.leave", "nav.back"} {
			if o, ok := tree[id]; ok && o.Enabled {
				f.touch(o)
				break
			}
		}
		time.Sleep(200 * time.Millisecond)
		return false, fmt.Sprint(len(tree), " objects: ", ids(tree))
	})
}

func ids(tree map[string]object) string {
	var out []string
	for id := range tree {
		out = append(out, id)
	}
	return strings.Join(out, " ")
}

func (f *flow) touch(o object) {
	x, y := o.centre()
	f.mouse(chromedp.MousePressed, x, y)
	time.Sleep(60 * time.Millisecond)
	f.mouse(chromedp.MouseReleased, x, y)
}

// lead touches an element until what it leads to is there.
func (f *flow) lead(id, to string) {
	f.t.Helper()
	f.press(id, id+" leads to "+to, func(tree map[string]object) bool {
		o, ok := tree[to]
		return ok && (o.Enabled || o.Role == "text")
	})
}

// press touches an element until done says so: a browser that a busy host holds up for a moment loses its finger, as it
// must, and a person touches again.
func (f *flow) press(id, what string, done func(map[string]object) bool) {
	f.t.Helper()
	f.wait(id)
	var touched time.Time
	await(f.t, patience, what, func() (bool, string) {
		tree := f.tree()
		if done(tree) {
			return true, ""
		}
		if o, ok := tree[id]; ok && o.Enabled && time.Since(touched) > 8*time.Second {
			f.touch(o)
			touched = time.Now()
		}
		return false, ids(tree)
	})
}

// speak chooses the language and sees that the title is another.
func (f *flow) speak() {
	f.t.Helper()
	before := f.wait("home.title").Name
	f.lead("home.language", "language."+f.lang)
	f.at = "language"
	f.keep("choose")
	f.press("language."+f.lang, "the wall in "+f.lang, func(tree map[string]object) bool {
		now := tree["home.title"].Name
		return now != "" && (f.lang == "en" || now != before)
	})
	f.keep("home")
}

// last is the unit's pour as it is now; its id is empty when there was none.
func (f *flow) last() api.Pour {
	f.t.Helper()
	s, err := f.u.client(f.t).Snapshot(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	if s.Pour == nil {
		return api.Pour{}
	}
	return *s.Pour
}

// pours waits until a pour after the one before has filled ml. It returns false when it ended earlier or never began.
func (f *flow) pours(before string, ml int64) bool {
	f.t.Helper()
	early, pressed := false, time.Now()
	await(f.t, patience, "the cup fills", func() (bool, string) {
		p := f.last()
		if p.ID == before {
			early = time.Since(pressed) > 5*time.Second
			return early, "no pour began"
		}
		early = p.Phase == api.PhaseDone && p.PouredUL < ml*1000
		return early || p.PouredUL >= ml*1000, fmt.Sprint(p.Phase, " ", p.PouredUL, " µL")
	})
	return !early
}

// pour holds the dome until ml are in the cup and lets go.
func (f *flow) pour(dome string, ml int64) {
	f.t.Helper()
	for attempt := 1; ; attempt++ {
		before := f.last().ID
		x, y := f.wait(dome).centre()
		f.mouse(chromedp.MousePressed, x, y)
		flowed := f.pours(before, ml)
		if flowed {
			f.keep("pouring")
		}
		f.mouse(chromedp.MouseReleased, x, y)
		if flowed {
			break
		}
		f.u.stalled(f.t, before, attempt)
	}
	f.wait("pour.done")
	f.keep("done")
}

func (f *flow) favourite() {
	f.lead("home.favourite.0", "beverage.title")
	f.keep("beverage")
	f.pour("beverage.pour", 60)
}

// search finds a drink by three letters of its brand, whatever the keyboard of the language shows first.
func (f *flow) search() {
	f.lead("home.search", "search.title")
	if _, ok := f.tree()["search.key.k"]; !ok {
		f.lead("search.key.script", "search.key.k") // of a language with letters of its own
	}
	for _, typed := range []string{"k", "ko", "kol"} {
		f.press("search.key."+typed[len(typed)-1:], typed+" is typed", func(tree map[string]object) bool {
			return strings.EqualFold(tree["search.query"].Value, typed)
		})
	}
	f.wait("search.result.kolvane.zero")
	f.keep("results")
	f.lead("search.result.kolvane.zero", "beverage.pour")
	f.keep("found")
}

// sizes takes a filter, a brand, a variant, the large cup, taps instead of holding, and waits for the foam.
func (f *flow) sizes() {
	f.tapID("home.filter.no-sugar")
	f.wait("home.brand.kolvane")
	f.keep("filter")
	f.lead("home.brand.kolvane", "brand.beverage.kolvane.cherry-zero")
	f.keep("brand")
	f.lead("brand.beverage.kolvane.cherry-zero", "beverage.pour")
	f.tapID("beverage.size.small")
	f.press("beverage.tap", "tap instead of hold", func(tree map[string]object) bool { return tree["beverage.tap"].Value == "on" })
	before := f.last().ID
	f.tapID("beverage.pour")
	if f.pours(before, 30) {
		f.keep("pouring")
	}
	await(f.t, patience, "the portion ends by itself", func() (bool, string) {
		_, done := f.tree()["pour.done"]
		return done, ""
	})
	f.keep("foam")
	f.tapID("pour.done")
	f.home()
	f.tapID("home.filter.all")
}

func (f *flow) mix() {
	f.lead("home.mix", "mix.title")
	// A person keeps the way they chose until they have gone.
	f.press("beverage.tap", "hold instead of tap", func(tree map[string]object) bool { return tree["beverage.tap"].Value == "off" })
	f.keep("columns")
	f.pour("beverage.pour", 40)
}

// soldOut takes out a cartridge that only some drinks need and follows the substitute.
func (f *flow) soldOut() {
	c := f.u.client(f.t)
	cat, err := beverage.Default()
	if err != nil {
		f.t.Fatal(err)
	}
	slots, err := c.Cartridges(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	gone, drink := needed(cat, slots)
	if gone == "" {
		f.t.Fatal("no cartridge that only some drinks need")
	}
	mend := f.fault(sim.CartridgeGone, gone)
	if _, err := c.ChangeCartridge(f.t.Context(), gone, api.CartridgeChange{Action: "removed", Person: "e2e"}); err != nil {
		f.t.Fatal(err)
	}
	defer func() {
		mend()
		if _, err := c.ChangeCartridge(context.WithoutCancel(f.t.Context()), gone, api.CartridgeChange{Action: "inserted", Person: "e2e"}); err != nil {
			f.t.Error(err)
		}
	}()
	f.reachBrand(drink)
	f.lead("brand.beverage."+string(drink), "sold-out.title")
	f.keep("instead")
	f.pour("beverage.pour", 30)
}

// needed finds a cartridge without which some beverage of a brand is gone and another of the same brand is not.
func needed(cat *beverage.Catalogue, slots []api.Cartridge) (slot string, drink beverage.ID) {
	for _, b := range cat.Brands[:12] { // near the top of the wall
		for _, s := range slots {
			var with, without []beverage.ID
			for _, v := range b.Beverages {
				uses := false
				for _, p := range v.Recipe.Parts {
					uses = uses || string(p.Ingredient) == s.Ingredient
				}
				if uses {
					with = append(with, v.ID)
				} else {
					without = append(without, v.ID)
				}
			}
			if s.Ingredient != "" && len(with) > 0 && len(without) > 0 {
				return s.Slot, with[0]
			}
		}
	}
	return "", ""
}

// reachBrand drags the wall to the brand of a drink and opens it.
func (f *flow) reachBrand(id beverage.ID) {
	f.t.Helper()
	brand, _, _ := strings.Cut(string(id), ".")
	await(f.t, 2*patience, "brand "+brand+" comes into sight", func() (bool, string) {
		if o, ok := f.tree()["home.brand."+brand]; ok && o.Bounds.H > 150 {
			return true, ""
		}
		f.drag(540, 1200, 540, 700)
		time.Sleep(1500 * time.Millisecond)
		return false, ""
	})
	f.lead("home.brand."+brand, "brand.title")
}

func (f *flow) fault(kind sim.FaultKind, part string) (mend func()) {
	f.t.Helper()
	p := f.u.plant(f.t)
	if _, err := p.Inject(f.t.Context(), sim.Fault{Kind: kind, Part: part}); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		if _, err := p.ClearAll(context.WithoutCancel(f.t.Context())); err != nil {
			f.t.Error(err)
		}
	}
}

// noFizz takes the gas away: the screen says so by itself and leads to what pours.
func (f *flow) noFizz() {
	mend := f.fault(sim.CO2Out, "")
	defer mend()
	await(f.t, 2*patience, "the screen says that there is no fizz", func() (bool, string) { // the gas falls for some seconds
		tree := f.tree()
		_, ok := tree["no-fizz.title"]
		return ok, ids(tree)
	})
	f.keep("page")
	f.lead("no-fizz.rest", "home.title")
	f.keep("still")
}

func (f *flow) outOfOrder() {
	mend := f.fault(sim.DoorOpen, "")
	f.wait("outage.title")
	f.keep("door")
	mend()
}

func (f *flow) reach() {
	f.lead("home.reach", "beverage.pour")
	f.keep("chosen")
	for id, o := range f.tree() {
		if o.Enabled && o.Role != "text" && o.Bounds.Y < 1280 {
			f.t.Errorf("%s is at %v, above the lower third", id, o.Bounds)
		}
	}
	f.pour("beverage.pour", 30)
}

func (f *flow) text() {
	f.tapID("home.text")
	f.keep("large")
	f.tapID("home.text")
	f.keep("contrast")
	f.tapID("home.text")
	f.keep("normal")
}

func (f *flow) phone() {
	f.lead("home.phone", "phone.title")
	f.keep("code")
}

// service holds the machine's name until the technician's entrance opens, and leaves again: nobody has set a PIN here, so
// it is the first-run wizard.
func (f *flow) service() {
	x, y := f.wait("home.logo").centre()
	f.mouse(chromedp.MousePressed, x, y)
	pressed := time.Now()
	await(f.t, 5*patience, "the service screens", func() (bool, string) {
		time.Sleep(300 * time.Millisecond) // who asks for the tree all the time keeps the page from saying where the finger is
		tree := f.tree()
		if o, ok := tree["home.logo"]; ok && time.Since(pressed) > 5*time.Second { // the finger was lost, see press: three seconds are long on a busy host
			f.t.Logf("the machine's name, %v wide, was held at %v, %v for nothing: once more", o.Bounds, x, y)
			f.mouse(chromedp.MouseReleased, x, y)
			x, y = o.centre()
			f.mouse(chromedp.MousePressed, x, y)
			pressed = time.Now()
		}
		for id := range tree {
			if strings.HasPrefix(id, "service.") {
				return true, ""
			}
		}
		return false, ids(tree)
	})
	f.mouse(chromedp.MouseReleased, x, y)
	f.keep("entrance")
}
