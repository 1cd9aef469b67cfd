package screens

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/api"
	"fountain/touchui/display"
	"fountain/touchui/input"
	"fountain/touchui/speech"
	"fountain/touchui/words"
)

// listener writes down what is said.
type listener struct {
	mu   sync.Mutex
	said []string
}

func (l *listener) Use(string) {}
func (l *listener) On() bool   { return true }
func (l *listener) Say(_, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, text)
}

func (l *listener) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.said, "\n")
}

// virtual is the screen in virtual time, at home.
func virtual(t *testing.T, w, h int, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		agent := newFakeAgentOn(t, p)
		agent.snap.Mixes = true // before anybody reads it
		r := newRigOn(t, w, h, agent, api.NewClientOver(p.dial))
		r.waitPage("home")
		f(t, r)
	})
}

// blind is the screen with somebody who has four keys and listens.
func blind(t *testing.T, w, h int, tag string, f func(t *testing.T, r *rig, l *listener)) {
	virtual(t, w, h, func(t *testing.T, r *rig) {
		l := &listener{}
		r.call(func() {
			r.ui.setLanguage(tag)
			r.ui.speech = l
		})
		f(t, r, l)
	})
}

// key presses a key shortly.
func (r *rig) key(k input.KeyCode) {
	r.t.Helper()
	r.finger.Key(input.Down, k)
	time.Sleep(80 * time.Millisecond)
	r.finger.Key(input.Up, k)
	time.Sleep(120 * time.Millisecond)
	synctest.Wait()
}

func (r *rig) focused() (out display.Element) {
	r.t.Helper()
	els, err := r.app.Tree(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range els {
		if e.Focused {
			out = e
		}
	}
	return out
}

// keyTo presses next until id has the focus, and returns how often.
func (r *rig) keyTo(id string) int {
	r.t.Helper()
	for n := range 250 {
		if r.focused().ID == id {
			return n
		}
		r.key(input.KeyNext)
	}
	r.t.Fatalf("next never comes to %s on page %s", id, r.page())
	return 0
}

// From the start page to a full cup and home again by four keys, and what is heard on the way.
func TestJourneyByFourKeys(t *testing.T) {
	for _, c := range []struct {
		w, h int
		tag  string
	}{{1080, 1920, "en"}, {800, 480, "de"}, {1080, 1920, "ar"}} {
		t.Run(fmt.Sprintf("%dx%d-%s", c.w, c.h, c.tag), func(t *testing.T) {
			blind(t, c.w, c.h, c.tag, func(t *testing.T, r *rig, l *listener) {
				r.call(func() { r.ui.show(newAttract(r.ui)) })
				r.key(input.KeySelect)
				r.waitPage("home")
				if f := r.focused(); f.ID != "" {
					t.Errorf("the key that woke the screen also went to %s", f.ID)
				}
				n := r.keyTo("home.brand.copperline")
				r.shot(fmt.Sprintf("%dx%d-%s-focus-home", c.w, c.h, c.tag))
				r.key(input.KeySelect)
				r.waitPage("brand")
				n += r.keyTo("brand.beverage.copperline.craft-zero")
				r.key(input.KeySelect)
				r.waitPage("beverage")
				n += r.keyTo("beverage.size.large")
				r.key(input.KeySelect)
				if e := r.focused(); e.ID != "beverage.size.large" || e.Value != "on" {
					t.Errorf("after choosing a size the focus is on %+v", e)
				}
				n += r.keyTo("beverage.pour")
				r.shot(fmt.Sprintf("%dx%d-%s-focus-pour", c.w, c.h, c.tag))
				r.key(input.KeySelect)
				r.waitPage("pouring")
				if f := r.focused(); f.ID != "beverage.pour" {
					t.Errorf("while it pours the focus is on %q", f.ID)
				}
				r.until("220 ml", func() bool { return r.volume() >= 220 })
				if p := r.agent.last(); p.Mode != api.ModePortion || p.TargetUL != 710_000 {
					t.Errorf("the agent was asked for %+v", p)
				}
				r.key(input.KeySelect)
				r.until("the end", func() bool { return r.agent.active() == 0 && r.page() != "pouring" })
				n += r.keyTo("pour.done")
				r.key(input.KeySelect)
				r.waitPage("home")
				heard := l.all()
				t.Logf("%d presses of next; heard:\n%s", n, heard)
				w := r.ui.Words
				for _, want := range []string{w.T("home.title"), "Copperline", w.Name("Craft Zero"), w.T("size.large"), w.T("speech.volume", "n", 50), w.T("speech.volume", "n", 200), w.T("speech.role.hold")} {
					if !strings.Contains(heard, want) {
						t.Errorf("nobody said %q", want)
					}
				}
				if strings.Contains(heard, w.T("speech.volume", "n", 300)) {
					t.Error("it poured on")
				}
			})
		})
	}
}

// A key that is held pours for as long; a lost keypad stops it, and the record says that nobody let go.
func TestHeldKeyPours(t *testing.T) {
	blind(t, 1080, 1920, "en", func(t *testing.T, r *rig, _ *listener) {
		open := func() {
			r.until("rest", func() (ok bool) {
				r.call(func() { ok = !r.ui.pour.active() })
				return ok
			})
			r.call(func() { r.ui.open("kolvane.original") })
			r.waitPage("beverage")
			r.keyTo("beverage.pour")
			r.finger.Key(input.Down, input.KeySelect)
			r.until("100 ml", func() bool { return r.page() == "pouring" && r.volume() >= 100 })
		}
		open()
		r.finger.Key(input.Up, input.KeySelect)
		r.until("the end", func() bool { return r.agent.active() == 0 })
		if p := r.agent.last(); p.Reason != api.StopReleased {
			t.Errorf("letting go is recorded as %s", p.Reason)
		}
		open()
		r.finger.Key(input.Cancel, input.KeySelect)
		r.until("the end", func() bool { return r.agent.active() == 0 })
		if p := r.agent.last(); p.Reason != api.StopScreenLost {
			t.Errorf("a lost keypad is recorded as %s", p.Reason)
		}
		open()
		r.key(input.KeyBack)
		r.until("the end", func() bool { return r.agent.active() == 0 })
	})
}

// Levels of a mix by keys, in steps, and back.
func TestMixByKeys(t *testing.T) {
	blind(t, 1080, 1920, "en", func(t *testing.T, r *rig, l *listener) {
		openMix(r)
		r.keyTo("mix.level.0")
		for _, k := range []input.KeyCode{input.KeySelect, input.KeyNext, input.KeyNext, input.KeySelect, input.KeyNext} {
			r.key(k)
		}
		if got := levels(r); got[0] != "60 %" {
			t.Errorf("two steps up: %v", got)
		}
		if f := r.focused(); f.ID != "mix.level.1" {
			t.Errorf("then next goes to %s", f.ID)
		}
		if !strings.Contains(l.all(), "level, 60 %") {
			t.Errorf("nobody said the level:\n%s", l.all())
		}
		r.key(input.KeyBack)
		r.waitPage("home")
	})
}

// Back leaves every page, and the veil of a screen that is about to forget takes a key like a finger.
func TestBackKey(t *testing.T) {
	blind(t, 1080, 1920, "en", func(t *testing.T, r *rig, _ *listener) {
		r.call(func() { r.ui.open("kolvane.original") })
		for _, page := range []string{"beverage", "brand", "home"} {
			r.waitPage(page)
			r.key(input.KeyBack)
		}
		r.waitPage("home")
		r.keyTo("home.water")
		time.Sleep(DimAfter + 2*time.Second)
		r.until("the veil", func() bool { _, ok := r.find("idle.wake"); return ok })
		r.key(input.KeySelect)
		r.waitPage("home")
		if _, ok := r.find("idle.wake"); ok {
			t.Error("a key does not lift the veil")
		}
	})
}

// Every page can be heard in every language: it has a title, and what can be chosen on it has a name and a role.
func TestEveryPageCanBeHeard(t *testing.T) {
	for _, lang := range words.Languages() {
		t.Run(lang.Tag, func(t *testing.T) {
			blind(t, 800, 1280, lang.Tag, func(t *testing.T, r *rig, _ *listener) {
				heard := map[string]bool{}
				check := func(name string) {
					t.Helper()
					els, err := r.app.Tree(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					w, page := r.ui.Words, r.page()
					if w.Tag() != lang.Tag {
						t.Fatalf("%s: the screen speaks %s", name, w.Tag())
					}
					if speech.Title(w, page, els) == "" || speech.Choices(els) == 0 {
						t.Errorf("%s: title %q, %d choices", name, speech.Title(w, page, els), speech.Choices(els))
					}
					for _, e := range els {
						role := speech.Role(w, e.Role)
						if e.Enabled && e.Role != "text" && e.Role != "value" && (strings.TrimSpace(e.Name) == "" || role == "" || strings.Contains(role, ".")) {
							t.Errorf("%s: %s is said as %q, %q", name, e.ID, e.Name, role)
						}
						if strings.Contains(e.Name, "speech.") {
							t.Errorf("%s: %s is called %s", name, e.ID, e.Name)
						}
					}
					heard[page] = true
				}
				show := func(name string, f func() page) {
					t.Helper()
					r.call(func() { r.ui.show(f()) })
					synctest.Wait()
					check(name)
				}
				u := r.ui
				check("home")
				show("attract", func() page { return newAttract(u) })
				kolvane, _ := u.menu.Offer("kolvane.cherry-zero")
				show("brand", func() page { return newBrand(u, kolvane.Brand) })
				show("search", func() page { return newSearch(u, "") })
				show("language", func() page { return newLanguage(u, func() page { return newHome(u) }) })
				show("mix", func() page { return newMix(u) })
				r.call(func() { u.page.(*pourPage).own.(*mixPage).pick(1) })
				check("mix picker")
				show("low reach", func() page { return newReach(u) })
				for _, tray := range []tray{trayFilter, trayLanguages} {
					r.call(func() { u.page.(*pourPage).own.(*reachPage).open(tray) })
					check("low reach")
				}
				r.call(func() { u.reach = false })
				show("no fizz", func() page { return newNoFizz(u) })
				show("sold out", func() page { return newSoldOut(u, kolvane) })
				show("beverage", func() page { return newPourPage(u, kolvane) })
				x, y := r.press("beverage.pour")
				r.waitPage("pouring")
				check("pouring")
				r.until("100 ml", func() bool { return r.volume() > 100 })
				r.finger.Up(1, x, y)
				r.until("the end", func() bool { return r.page() != "pouring" })
				check("done")
				r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, "no_water" })
				r.waitPage("out_of_order")
				els, err := r.app.Tree(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if speech.Title(u.Words, "out_of_order", els) == "" {
					t.Error("out of order has no title")
				}
				if len(heard) < 11 {
					t.Errorf("only heard %v", heard)
				}
			})
		})
	}
}
