package kiosk_test

import (
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/touchui/display"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// lever is a slider.
type lever struct {
	pad
	at int
}

func newLever(id string) *lever {
	l := &lever{pad: pad{id: id, fill: canvas.NewRectangle(color.Black)}}
	l.ExtendBaseWidget(l)
	return l
}

func (l *lever) AdjustBy(n int)          { l.at += n }
func (l *lever) AccessibleRole() string  { return "slider" }
func (l *lever) AccessibleValue() string { return fmt.Sprint(l.at) }

// tap pours while it is held, or from select to select.
type tapPad struct {
	pad
	log     []string
	pouring bool
	off     bool
}

func newTapPad(id string) *tapPad {
	p := &tapPad{pad: pad{id: id, fill: canvas.NewRectangle(color.Black)}}
	p.ExtendBaseWidget(p)
	return p
}

func (p *tapPad) AccessibleRole() string  { return "hold" }
func (p *tapPad) AccessibleEnabled() bool { return !p.off }
func (p *tapPad) KeyDown() {
	p.log = append(p.log, "down")
	p.pouring = !p.pouring
}

func (p *tapPad) KeyUp(held bool) {
	p.log = append(p.log, fmt.Sprint("up ", held))
	if held {
		p.pouring = false
	}
}
func (p *tapPad) KeyHolding() bool { return p.pouring }
func (p *tapPad) KeyLost() {
	p.log = append(p.log, "lost")
	p.pouring = false
}

// words that are only read.
type sign struct{ pad }

func newSign(id string) *sign {
	s := &sign{pad{id: id, fill: canvas.NewRectangle(color.Black)}}
	s.ExtendBaseWidget(s)
	return s
}
func (s *sign) AccessibleRole() string { return "text" }

// focused is the id that has the focus, "" for none.
func focused(a *kiosk.App) string {
	for _, e := range a.Elements() {
		if e.Focused {
			return e.ID
		}
	}
	return ""
}

// keyed runs f beside the loop of an app in virtual time.
func keyed(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, 400, 300, kiosk.Config{Theme: ringed{theme.DefaultTheme()}})
		r.run(func() {
			synctest.Wait()
			f(t, r)
		})
	})
}

// show makes o the page.
func (r *rig) show(o fyne.CanvasObject) {
	r.t.Helper()
	r.on(func() { r.app.SetContent(o) })
}

func (r *rig) press(codes ...input.KeyCode) {
	for _, c := range codes {
		r.finger.Press(c)
		synctest.Wait()
	}
}

func (r *rig) focus() (id string) {
	r.t.Helper()
	synctest.Wait()
	if err := r.app.Call(r.t.Context(), func() { id = focused(r.app) }); err != nil {
		r.t.Fatal(err)
	}
	return id
}

func grid(ids ...string) (*fyne.Container, map[string]*pad) {
	c, by := container.NewWithoutLayout(), map[string]*pad{}
	for i, id := range ids {
		p := newPad(id, 80, 40)
		by[id] = p
		c.Add(placed(p, float32(20+i%3*120), float32(20+i/3*60), 100, 40))
	}
	return c, by
}

// Focus goes row by row, whatever the order of painting, and round; text is passed over; a finger takes it away.
func TestFocusOrder(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		c, by := grid("a", "b", "c", "d", "e")
		c.Add(placed(newSign("title"), 20, 0, 300, 15))
		slices.Reverse(c.Objects)
		r.show(c)
		var order []string
		r.on(func() {
			for _, e := range r.app.Elements() {
				order = append(order, e.ID)
			}
		})
		if got := strings.Join(order, " "); got != "title a b c d e" {
			t.Errorf("the tree reads %s", got)
		}
		if f := r.focus(); f != "" {
			t.Errorf("%s has the focus before any key", f)
		}
		var seen []string
		for range 6 {
			r.press(input.KeyNext)
			seen = append(seen, r.focus())
		}
		if got := strings.Join(seen, " "); got != "a b c d e a" {
			t.Errorf("next went %s", got)
		}
		r.press(input.KeyPrevious)
		if f := r.focus(); f != "e" {
			t.Errorf("previous went to %s", f)
		}
		r.press(input.KeySelect)
		if by["e"].taps != 1 || by["e"].down != 1 || by["e"].up != 1 {
			t.Errorf("select is %s", by["e"].counts())
		}
		r.on(func() { r.app.SetRightToLeft(true) })
		r.press(input.KeyPrevious)
		if f := r.focus(); f != "a" {
			t.Errorf("right to left: before e comes %s", f)
		}
		r.on(func() {
			order = nil
			for _, e := range r.app.Elements() {
				order = append(order, e.ID)
			}
		})
		if got := strings.Join(order, " "); got != "title c b a e d" {
			t.Errorf("right to left the tree reads %s", got)
		}
		r.finger.Down(1, 5, 290)
		r.finger.Up(1, 5, 290)
		if f := r.focus(); f != "" {
			t.Errorf("%s has the focus under a finger", f)
		}
	})
}

// What keys may not do: reach under an overlay, choose what is disabled, tap what went away while select was down.
func TestKeysKeepTheRules(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		c, by := grid("a", "b", "c")
		off := newTapPad("off")
		off.off = true
		c.Add(placed(off, 20, 200, 100, 40))
		r.show(c)
		r.press(input.KeyNext, input.KeyPrevious)
		if f := r.focus(); f != "c" {
			t.Errorf("before a comes %s: what is disabled has no focus", f)
		}
		top, over := grid("x")
		r.on(func() { r.app.Canvas().Overlays().Add(top) })
		if f := r.focus(); f != "" {
			t.Errorf("%s has the focus under an overlay", f)
		}
		r.press(input.KeySelect, input.KeyNext, input.KeySelect)
		if by["c"].taps != 0 || over["x"].taps != 1 {
			t.Errorf("under the overlay %s, on it %s", by["c"].counts(), over["x"].counts())
		}
		r.on(func() { r.app.Canvas().Overlays().Remove(top) })
		r.press(input.KeyNext)
		r.finger.Key(input.Down, input.KeySelect)
		r.on(func() { by["a"].Hide() })
		r.finger.Key(input.Up, input.KeySelect)
		synctest.Wait()
		if by["a"].taps != 0 || by["a"].cancel != 1 {
			t.Errorf("hidden under select: %s", by["a"].counts())
		}
	})
}

func TestSlider(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		c, by := grid("a")
		l := newLever("level")
		c.Add(placed(l, 20, 100, 100, 60))
		r.show(c)
		var told []string
		r.on(func() { r.app.OnFocus(func(e display.Element) { told = append(told, e.ID+" "+e.Value) }) })
		r.press(input.KeyNext, input.KeyNext, input.KeySelect, input.KeyNext, input.KeyNext, input.KeyPrevious, input.KeyBack)
		if l.at != 1 || r.focus() != "level" {
			t.Errorf("the level is at %d, focus on %s", l.at, r.focus())
		}
		r.press(input.KeyPrevious)
		if l.at != 1 || r.focus() != "a" || by["a"].taps != 0 {
			t.Errorf("after adjusting: level %d, focus on %s", l.at, r.focus())
		}
		if want := []string{"a 0", "level 0", "level 0", "level 1", "level 2", "level 1", "level 1", "a 0"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// A pad pours from select to select, or while select is held; a page that changes and a lost device let go.
func TestPad(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		p := newTapPad("pour")
		r.show(row(placed(p, 20, 100, 200, 60)))
		r.press(input.KeyNext, input.KeySelect)
		time.Sleep(2 * time.Second)
		if !p.pouring {
			t.Error("a short press does not pour on")
		}
		r.press(input.KeySelect)
		if p.pouring {
			t.Error("select again does not stop")
		}
		hold := func(d time.Duration) {
			r.finger.Key(input.Down, input.KeySelect)
			time.Sleep(d)
		}
		hold(time.Second)
		if !p.pouring {
			t.Error("nothing pours while select is held")
		}
		r.finger.Key(input.Up, input.KeySelect)
		synctest.Wait()
		if p.pouring {
			t.Error("letting go of a held key does not stop")
		}
		hold(time.Second)
		r.finger.Key(input.Cancel, input.KeySelect)
		synctest.Wait()
		if p.pouring || p.log[len(p.log)-1] != "lost" {
			t.Errorf("a lost device: %v", p.log)
		}
		hold(100 * time.Millisecond)
		r.on(func() { r.app.Canvas().Overlays().Add(widget.NewLabel("Stopped by hand")) })
		if p.pouring {
			t.Error("it pours on under an overlay")
		}
		r.finger.Key(input.Up, input.KeySelect)
		synctest.Wait()
		if p.pouring {
			t.Error("letting go later starts it again")
		}
		if got := strings.Join(p.log, ", "); got != "down, up false, down, up false, down, up true, down, lost, down, up true" {
			t.Errorf("the pad saw %s", got)
		}
	})
}

// What pours on by itself after a short press is let go of when the keys are gone for good.
func TestKeysGone(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		p := newTapPad("pour")
		r.show(row(placed(p, 20, 100, 200, 60)))
		r.press(input.KeyNext, input.KeySelect)
		if err := r.finger.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if p.pouring {
			t.Error("it pours on without keys")
		}
	})
}

// Focus brings what it goes to into sight, and the ring lies around it.
func TestFocusScrollsAndRings(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		in := container.NewWithoutLayout()
		for i := range 12 {
			in.Add(placed(newPad(fmt.Sprint("p", i), 80, 40), 40, float32(20+i*70), 200, 50))
		}
		sc := container.NewVScroll(container.New(tall{300, 900}, in))
		top := newPad("dock", 100, 40)
		r.show(row(placed(sc, 0, 0, 400, 240), placed(top, 20, 250, 100, 40)))
		for i := range 12 {
			r.press(input.KeyNext)
			var e display.Element
			r.on(func() {
				for _, x := range r.app.Elements() {
					if x.Focused {
						e = x
					}
				}
				r.app.RenderNow()
			})
			if e.ID != fmt.Sprint("p", i) || e.Bounds.H != 50 || e.Bounds.Y+e.Bounds.H > 240 || e.Bounds.Y < 0 {
				t.Fatalf("step %d: %+v", i, e)
			}
			img, b, set := r.screen.Image(), e.Bounds, fyne.CurrentApp().Settings()
			if set.Theme().Color(theme.ColorNameFocus, set.ThemeVariant()) != color.Color(blue) {
				t.Fatal("the theme of this test is not its own")
			}
			for _, at := range []image.Point{{b.X - 9, b.Y + 25}, {b.X + b.W + 8, b.Y + 25}, {b.X + 100, b.Y - 9}, {b.X + 100, b.Y + b.H + 8}} {
				if got := img.RGBAAt(at.X, at.Y); got != blue {
					t.Errorf("step %d: at %v is %v, the ring is %v", i, at, got, blue)
				}
			}
		}
		r.press(input.KeyNext)
		if f := r.focus(); f != "dock" {
			t.Errorf("after the wall comes %s", f)
		}
		r.press(input.KeyNext)
		if f := r.focus(); f != "p0" || sc.Offset.Y > 20 {
			t.Errorf("round again: %s, scrolled to %v", f, sc.Offset.Y)
		}
		r.on(r.app.RenderNow)
		n := len(r.frames)
		time.Sleep(10 * time.Second)
		r.on(func() {})
		if len(r.frames) > n {
			t.Errorf("%d frames for a ring that stands", len(r.frames)-n)
		}
	})
}

// ringed is a theme whose focus is blue.
type ringed struct{ fyne.Theme }

var blue = color.RGBA{R: 20, G: 60, B: 230, A: 255}

func (r ringed) Color(n fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	if n == theme.ColorNameFocus {
		return blue
	}
	return r.Theme.Color(n, v)
}

type tall fyne.Size

func (s tall) Layout([]fyne.CanvasObject, fyne.Size) {}
func (s tall) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.Size(s) }

// The ring takes no touches.
func TestRingIsNotThere(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		c, by := grid("a", "b")
		r.show(c)
		r.press(input.KeyNext)
		r.finger.Down(1, 60, 40)
		r.finger.Up(1, 60, 40)
		synctest.Wait()
		if by["a"].taps != 1 {
			t.Errorf("a touch under the ring: %s", by["a"].counts())
		}
	})
}

func TestOnKeyComesFirst(t *testing.T) {
	keyed(t, func(t *testing.T, r *rig) {
		c, by := grid("a", "nav.back")
		r.show(c)
		r.on(func() {
			r.app.OnKey(func(k input.Key) bool { return k.Code == input.KeyBack && r.app.Press("nav.back") })
		})
		r.press(input.KeyBack)
		if by["nav.back"].taps != 1 {
			t.Error("back does not go back")
		}
	})
}

// Whatever keys and fingers do at once: every down of a pad is followed by one up or cancel, and when all is lost
// nothing goes on.
func TestFuzzKeys(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			r := newRig(t, 400, 300)
			c, by := grid("a", "b", "c", "d")
			p, l := newTapPad("pour"), newLever("level")
			c.Add(placed(p, 20, 150, 100, 40))
			c.Add(placed(l, 140, 150, 100, 40))
			r.app.SetContent(c)
			cover, other := newPad("over", 50, 50), newPad("other", 50, 50)
			r.run(func() {
				for range 400 {
					key := input.KeyCode(rng.IntN(4) + 1)
					switch rng.IntN(12) {
					case 0, 1, 2:
						r.finger.Key(input.Down, key)
					case 3, 4:
						r.finger.Key(input.Up, key)
					case 5:
						r.finger.Key(input.Cancel, key)
					case 6:
						r.finger.Down(1, rng.IntN(400), rng.IntN(300))
					case 7:
						r.finger.Up(1, 60, 40)
					case 8:
						r.app.Do(func() { r.app.Canvas().Overlays().Add(cover) })
					case 9:
						r.app.Do(func() { r.app.Canvas().Overlays().Remove(cover) })
					case 10:
						show := by["b"]
						if rng.IntN(4) == 0 {
							r.app.Do(func() { r.app.SetContent(other) })
							break
						}
						r.app.Do(func() {
							r.app.SetContent(c)
							if show.Hidden {
								show.Show()
							} else {
								show.Hide()
							}
						})
					case 11:
						time.Sleep(time.Duration(rng.IntN(900)) * time.Millisecond)
					}
				}
				synctest.Wait()
				if err := r.finger.Close(); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				for id, p := range by {
					if p.broken != "" || p.held {
						t.Errorf("seed %d: %s: %s, held %v", seed, id, p.broken, p.held)
					}
				}
				if p.pouring || p.broken != "" || p.held {
					t.Errorf("seed %d: it pours on: %v; %s", seed, p.log, p.broken)
				}
			})
		})
	}
}
