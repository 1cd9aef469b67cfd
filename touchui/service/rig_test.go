package service

import (
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// rig is the service screens in memory: kiosk, fake agent, a scripted finger.
type rig struct {
	t      *testing.T
	app    *kiosk.App
	svc    *Service
	look   *sheet.Look
	agent  *fakeAgent
	client *api.Client
	mem    *mem.Display
	finger *input.Script
	left   chan struct{} // closed when the screens were left
}

func newRig(t *testing.T, w, h int, lang string) *rig {
	t.Helper()
	return newRigOn(t, w, h, lang, newFakeAgent(t), nil)
}

// newRigOn is newRig on an agent that stands already; before, if not nil, changes the look the screens take over.
func newRigOn(t *testing.T, w, h int, lang string, agent *fakeAgent, before func(*sheet.Look)) *rig {
	t.Helper()
	r := &rig{t: t, agent: agent, mem: mem.New(w, h, display.RGBA8888), finger: input.NewScript(), left: make(chan struct{}), client: api.NewClient(agent.socket)}
	app, err := kiosk.New(kiosk.Config{Display: r.mem, Input: r.finger, Theme: theme.Fyne{Roles: theme.Dark()}})
	if err != nil {
		t.Fatal(err)
	}
	r.app = app
	fonts, err := theme.LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	book, err := words.Open(lang)
	if err != nil {
		t.Fatal(err)
	}
	r.look = sheet.New(sheet.NewGeo(w, h, 0), fonts, book, 1<<20)
	r.look.SetWords(book)
	if before != nil {
		before(r.look)
	}
	r.svc = New(Config{
		Stage: app, Client: r.client, Look: r.look, Leave: func() { close(r.left) }, Media: []string{t.TempDir()}, Files: t.TempDir(),
	})
	app.SetContent(r.svc.Content())
	ctx, cancel := context.WithCancel(context.Background()) // not the test's: that ends before what is cleaned up
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := app.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	runs := make(chan struct{})
	app.Do(func() { close(runs) })
	<-runs // until then this goroutine is the Fyne thread
	t.Cleanup(func() {
		r.do(r.svc.Close)
		cancel()
		hangs := time.AfterFunc(patience, func() { panic("the service screens do not end") })
		wg.Wait()
		r.svc.Wait()
		hangs.Stop()
		_ = r.finger.Close()
		r.client.Close()
		if n := agent.live(); n != 0 {
			t.Errorf("%d operations or pours still run after the screens went away", n)
		}
	})
	return r
}

func (r *rig) do(f func()) {
	r.t.Helper()
	if err := r.app.Call(context.Background(), f); err != nil {
		r.t.Fatal(err)
	}
}

// patience is far beyond what anything here takes: a laden host is no reason to fail.
const patience = time.Minute

// until waits for a condition.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			r.shot("stuck")
			r.t.Fatalf("waited %v for %s; page is %s; tree: %v", patience, what, r.page(), r.ids())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (r *rig) page() (name string) {
	r.t.Helper()
	r.do(func() { name = r.svc.Name() })
	return name
}

func (r *rig) waitPage(name string) {
	r.t.Helper()
	r.until("page "+name, func() bool { return r.page() == "service."+name })
}

func (r *rig) elements() []display.Element {
	r.t.Helper()
	els, err := r.app.Tree(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return els
}

func (r *rig) ids() []string {
	var out []string
	for _, e := range r.elements() {
		out = append(out, e.ID)
	}
	return out
}

func (r *rig) find(id string) (display.Element, bool) {
	for _, e := range r.elements() {
		if e.ID == id {
			return e, true
		}
	}
	return display.Element{}, false
}

// get waits for an element that is enabled.
func (r *rig) get(id string) (e display.Element) {
	r.t.Helper()
	r.until("element "+id, func() bool {
		var ok bool
		e, ok = r.find(id)
		return ok && e.Enabled
	})
	return e
}

func (r *rig) tap(id string) {
	r.t.Helper()
	e := r.get(id)
	r.finger.Tap(1, e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/2, 5*time.Millisecond)
}

// type_ taps the keys of a pad.
func (r *rig) type_(prefix, digits string) {
	r.t.Helper()
	for _, c := range digits {
		r.tap(prefix + "." + string(c))
	}
}

// enter gives the PIN.
func (r *rig) enter() {
	r.t.Helper()
	r.type_("service.pin", "246810")
	r.tap("service.pin.open")
	r.waitPage("home")
	r.until("the overview", func() bool { return r.known() })
}

func (r *rig) known() (k bool) {
	r.do(func() { k = r.svc.view.known })
	return k
}

// said waits for an element with that name.
func (r *rig) said(id, name string) {
	r.t.Helper()
	var is string
	deadline := time.Now().Add(patience)
	for {
		if e, ok := r.find(id); ok {
			if is = e.Name; is == name {
				return
			}
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s says %q, want %q", id, is, name)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// gone waits until the screens were left.
func (r *rig) gone() {
	r.t.Helper()
	select {
	case <-r.left:
	case <-time.After(patience):
		r.t.Fatalf("the service screens were not left; page is %s", r.page())
	}
}

// shot returns what the display shows, and keeps it to look at when FOUNTAIN_LOOK names a directory.
func (r *rig) shot(name string) *image.RGBA {
	r.t.Helper()
	r.do(r.app.RenderNow)
	img := r.mem.Image()
	dir := os.Getenv("FOUNTAIN_LOOK")
	if dir == "" {
		return img
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, name+".png"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		r.t.Fatal(err)
	}
	return img
}
