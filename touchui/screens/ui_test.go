package screens

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
	"fountain/touchui/theme"
)

// rig is the whole screen in memory: kiosk, screens, fake agent, a scripted finger.
type rig struct {
	t      *testing.T
	app    *kiosk.App
	ui     *UI
	agent  *fakeAgent
	mem    *mem.Display
	finger *input.Script
}

func newRig(t *testing.T, w, h int) *rig {
	t.Helper()
	agent := newFakeAgent(t)
	return newRigOn(t, w, h, agent, api.NewClient(agent.socket))
}

// newRigOn is the whole screen in memory on an agent that stands already.
func newRigOn(t *testing.T, w, h int, agent *fakeAgent, client *api.Client) *rig {
	t.Helper()
	r := &rig{t: t, agent: agent, mem: mem.New(w, h, display.RGBA8888), finger: input.NewScript()}
	app, err := kiosk.New(kiosk.Config{Display: r.mem, Input: r.finger, Theme: theme.Fyne{Roles: theme.Light()}, Variant: 1})
	if err != nil {
		t.Fatal(err)
	}
	r.app = app
	r.ui, err = New(Config{Stage: app, Client: client, Width: w, Height: h})
	if err != nil {
		t.Fatal(err)
	}
	r.ui.cut = true // pictures are taken and judged at once; TestLevelTravels looks at the motion
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := app.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := r.ui.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		hangs := time.AfterFunc(patience, func() { panic("the screen does not end") })
		wg.Wait()
		hangs.Stop()
		_ = r.finger.Close()
		client.Close()
		r.agent.leases(api.LeaseLimit) // ends what was granted to a screen that was gone by then
		for end := time.Now().Add(patience); r.agent.active() != 0; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%d pours still active after the screen went away", r.agent.active())
				break
			}
		}
	})
	return r
}

// patience is far beyond what anything here takes: a laden host is no reason to fail.
const patience = time.Minute

// until waits for a condition.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %v for %s; page is %s", patience, what, r.page())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (r *rig) page() string {
	r.t.Helper()
	var s string
	if err := r.app.Call(r.t.Context(), func() { s = r.ui.Page() }); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) waitPage(name string) {
	r.t.Helper()
	r.until("page "+name, func() bool { return r.page() == name })
}

// find returns an element of the tree by id.
func (r *rig) find(id string) (display.Element, bool) {
	r.t.Helper()
	els, err := r.app.Tree(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range els {
		if e.ID == id {
			return e, true
		}
	}
	return display.Element{}, false
}

func (r *rig) get(id string) display.Element {
	r.t.Helper()
	var e display.Element
	r.until("element "+id, func() (ok bool) { e, ok = r.find(id); return ok })
	return e
}

func centre(e display.Element) (x, y int) {
	return e.Bounds.X + e.Bounds.W/2, e.Bounds.Y + e.Bounds.H/2
}

// tap touches an element shortly.
func (r *rig) tap(id string) {
	r.t.Helper()
	x, y := centre(r.get(id))
	r.finger.Tap(1, x, y, 5*time.Millisecond)
}

// press puts a finger on an element and leaves it there.
func (r *rig) press(id string) (x, y int) {
	r.t.Helper()
	x, y = centre(r.get(id))
	r.finger.Down(1, x, y)
	return x, y
}

// shot returns what the display shows, and keeps it to look at when FOUNTAIN_LOOK names a directory.
func (r *rig) shot(name string) *image.RGBA {
	r.t.Helper()
	if err := r.app.Call(r.t.Context(), r.app.RenderNow); err != nil {
		r.t.Fatal(err)
	}
	img := r.mem.Image()
	dir := os.Getenv("FOUNTAIN_LOOK")
	if dir == "" {
		return img
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
