package screens

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/touchui/sheet"
)

// inBubble runs f on a whole screen in virtual time.
func inBubble(t *testing.T, w, h int, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		r := newRigOn(t, w, h, newFakeAgentOn(t, l), api.NewClientOver(l.dial))
		r.waitPage("home")
		f(t, r)
	})
}

// touchAt taps a point, wherever it is.
func (r *rig) touchAt(x, y int, rests time.Duration) {
	r.t.Helper()
	r.finger.Down(1, x, y)
	time.Sleep(rests)
	r.finger.Up(1, x, y)
	time.Sleep(300 * time.Millisecond)
}

// The touch that wakes a dim screen, or ends the start page, does nothing else, however long it is and wherever it goes.
func TestWakeTouchIsSwallowed(t *testing.T) {
	inBubble(t, 1080, 1920, func(t *testing.T, r *rig) {
		x, y := centre(r.get("home.brand.kolvane"))
		for _, rests := range []time.Duration{0, 50 * time.Millisecond, 3 * time.Second} {
			r.touchAt(5, 800, 0) // nothing is there
			time.Sleep(DimAfter + 2*time.Second)
			if _, ok := r.find("idle.wake"); !ok || r.page() != "home" {
				t.Fatalf("not dim after %v on page %s", DimAfter, r.page())
			}
			r.touchAt(x, y, rests)
			if _, ok := r.find("idle.wake"); ok || r.page() != "home" {
				t.Fatalf("a touch of %v led to %s", rests, r.page())
			}
		}
		r.touchAt(x, y, 0) // the second touch is meant
		r.waitPage("brand")
		time.Sleep(IdleAfter + 2*time.Second)
		if r.page() != "attract" {
			t.Fatalf("after %v the page is %s", IdleAfter, r.page())
		}
		r.finger.Down(1, x, y)
		time.Sleep(50 * time.Millisecond)
		r.finger.Glide(1, x, y, x, y-600, time.Second) // a child drags its hand over the glass
		r.finger.Up(1, x, y-600)
		time.Sleep(time.Second)
		if r.page() != "home" {
			t.Errorf("the start page gave way to %s", r.page())
		}
		if off := r.offset(); off != 0 {
			t.Errorf("the touch that woke the screen scrolled the wall by %v", off)
		}
	})
}

func (r *rig) offset() (y float32) {
	r.t.Helper()
	r.at(func() { y = r.ui.page.(*homePage).scroll.Offset.Y })
	return y
}

// What a person chose is forgotten when they have gone, and not before: language, text, filter.
func TestIdleForgets(t *testing.T) {
	inBubble(t, 1080, 1920, func(t *testing.T, r *rig) {
		r.agent.set(func(s *api.Snapshot) { s.Language, s.Languages = "de", []string{"de", "ar", "ja"} })
		r.until("German", func() bool { return r.get("home.filter.all").Name == "Alle" })
		r.tap("home.filter.no-sugar")
		r.tap("home.language")
		r.waitPage("language")
		if _, ok := r.find("language.en"); ok {
			t.Error("a language is offered that the unit does not offer")
		}
		r.tap("language.ar")
		r.waitPage("home")
		r.until("Arabic", func() bool { return r.get("home.filter.all").Name == "الكل" })
		if e := r.get("home.filter.no-sugar"); e.Value != "on" {
			t.Error("another language forgot the filter")
		}
		for _, want := range []bool{true, false} { // large, then high contrast
			r.tap("home.text")
			r.until("the next text", func() bool {
				large := false
				r.at(func() { large = r.ui.Large })
				return large == want
			})
		}
		r.at(func() {
			if !r.ui.Theme.HighContrast {
				t.Error("no high contrast after two touches of Aa")
			}
		})
		r.agent.set(func(s *api.Snapshot) { s.Cup = true })
		time.Sleep(5 * time.Minute)
		if e := r.get("home.filter.no-sugar"); e.Value != "on" || r.page() != "home" {
			t.Errorf("forgotten while a cup stood: %+v on %s", e, r.page())
		}
		r.agent.set(func(s *api.Snapshot) { s.Cup = false })
		time.Sleep(IdleAfter + 3*time.Second)
		if r.page() != "attract" {
			t.Fatalf("page %s", r.page())
		}
		r.tap("attract.start")
		r.waitPage("home")
		if e := r.get("home.filter.all"); e.Value != "on" || e.Name != "Alle" {
			t.Errorf("still chosen: %+v", e)
		}
		r.at(func() {
			if r.ui.Theme.HighContrast || r.ui.Large || r.ui.styles.language != "" {
				t.Error("the look of the last person stays")
			}
		})
	})
}

// An idle screen draws nothing but one band every four seconds, by a cut when motion is reduced.
func TestAttractDrawsLittle(t *testing.T) {
	inBubble(t, 800, 480, func(t *testing.T, r *rig) {
		var before []Offer
		r.at(func() {
			r.ui.Still = true
			r.ui.show(newAttract(r.ui))
			before = r.offers()
		})
		r.at(r.app.RenderNow)
		n := r.mem.Frames()
		time.Sleep(40*time.Second + time.Second)
		if got := r.mem.Frames() - n; got > 10 {
			t.Errorf("%d frames in 40 s with reduced motion, want at most 10", got)
		}
		var after []Offer
		r.at(func() { after = r.offers() })
		same := 0
		for i := range after {
			if after[i] == before[i] {
				same++
			}
		}
		if same == len(after) {
			t.Error("no band has changed")
		}
		r.at(func() { r.ui.Still = false })
		n = r.mem.Frames()
		time.Sleep(4 * time.Second)
		if got := r.mem.Frames() - n; got < 5 || got > 50 {
			t.Errorf("%d frames while one edge travelled", got)
		}
	})
}

// offers are the bands that stand. Fyne thread.
func (r *rig) offers() (out []Offer) {
	for _, b := range r.ui.page.(*attractPage).bands {
		out = append(out, b.offer)
	}
	return out
}

// fakeService counts what the screens tell the technician's pages.
type fakeService struct {
	leave   func()
	updates int
	closed  int
	root    *fyne.Container
}

func (s *fakeService) Name() string               { return "pin" }
func (s *fakeService) Content() fyne.CanvasObject { return s.root }
func (s *fakeService) Update(api.Snapshot)        { s.updates++ }
func (s *fakeService) Close()                     { s.closed++ }

// A finger that rests three seconds on the machine's name opens the technician's screens, from home and when nothing
// works; a shorter one, or one that slides away, does not. While they are open nothing of the consumer's appears.
func TestServiceEntrance(t *testing.T) {
	for _, s := range panels {
		t.Run(fmt.Sprintf("%dx%d", s.w, s.h), func(t *testing.T) { serviceEntrance(t, s.w, s.h) })
	}
}

func serviceEntrance(t *testing.T, w, h int) {
	inBubble(t, w, h, func(t *testing.T, r *rig) {
		var made []*fakeService
		r.at(func() {
			r.ui.service = func(l *sheet.Look, leave func()) Service {
				s := &fakeService{leave: leave, root: container.NewWithoutLayout()}
				s.root.Add(sheet.NewControl("service.key", sheet.RoleKey, "1", l.Button("1", sheet.ButtonStyle{H: 100, Width: 100, PX: 30}), 300, 300, nil))
				made = append(made, s)
				return s
			}
			r.ui.show(newHome(r.ui))
		})
		x, y := centre(r.get("home.logo"))
		r.touchAt(x, y, serviceHold-100*time.Millisecond)
		r.finger.Down(1, x, y)
		time.Sleep(time.Second)
		r.finger.Glide(1, x, y, x, y+300, time.Second)
		time.Sleep(4 * time.Second)
		r.finger.Up(1, x, y+300)
		if r.page() != "home" || len(made) != 0 {
			t.Fatalf("opened by a finger that did not rest: %s", r.page())
		}
		time.Sleep(3 * time.Second) // the fling ends
		r.at(func() { r.ui.show(newHome(r.ui)) })
		r.touchAt(x, y, serviceHold+100*time.Millisecond)
		if r.page() != "service" || len(made) != 1 {
			t.Fatalf("page %s after %v", r.page(), serviceHold)
		}
		r.get("service.key")
		n := made[0].updates
		r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, "no_water" })
		time.Sleep(2 * time.Second)
		r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitReady, "" })
		time.Sleep(5 * time.Minute)
		if r.page() != "service" || made[0].updates <= n || made[0].closed != 0 {
			t.Fatalf("page %s, %d updates, closed %d times", r.page(), made[0].updates-n, made[0].closed)
		}
		r.at(made[0].leave)
		r.at(made[0].leave)
		if r.page() != "home" || made[0].closed != 1 {
			t.Errorf("left to %s, closed %d times", r.page(), made[0].closed)
		}
		r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, "leak" })
		r.waitPage("out_of_order")
		x, y = centre(r.get("home.logo"))
		r.touchAt(x, y, serviceHold+100*time.Millisecond)
		r.waitPage("service")
		r.at(made[1].leave)
		r.waitPage("out_of_order")
	})
}
