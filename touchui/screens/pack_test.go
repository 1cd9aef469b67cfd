package screens

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// packRig is a screen with a directory for asset packs, on its home page.
func packRig(t *testing.T, dir string) *rig {
	t.Helper()
	agent := newFakeAgent(t)
	agent.snap.Unit = api.UnitStarting
	r := newRigOn(t, 800, 480, agent, api.NewClient(agent.socket))
	r.on(func() { r.ui.packs.assets.Dir, r.ui.packs.shelf.Dir = dir, dir })
	agent.set(func(s *api.Snapshot) { s.Unit = api.UnitReady })
	r.waitPage("home")
	return r
}

func (r *rig) on(f func()) {
	r.t.Helper()
	if err := r.app.Call(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) ready() (ready bool) {
	r.on(func() { ready = r.ui.Ready != nil })
	return ready
}

// packed waits for a pack: it is composed at a tenth of a processor, which takes long on a busy one.
func (r *rig) packed() {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !r.ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatal("no pack was made")
		}
	}
}

func packFiles(t *testing.T, dir string) []string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(dir, "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The first start composes the wall and keeps it; the next one maps it and composes no tile. Both look the same.
func TestTilesAreKeptForTheNextStart(t *testing.T) {
	dir := t.TempDir()
	first := packRig(t, dir)
	composed := first.shot("pack-composed")
	first.packed()
	files := packFiles(t, dir)
	if len(files) != 1 {
		t.Fatalf("packs: %v", files)
	}

	second := packRig(t, dir)
	if !second.ready() {
		t.Fatal("the second start composes again")
	}
	var used, miss int
	second.on(func() {
		used = second.ui.Cache.Used()
		for i := range second.ui.cat.Brands {
			h := second.ui.page.(*homePage)
			if second.ui.Ready(tileKey(BrandRow{Brand: &second.ui.cat.Brands[i]}, h.tiles[0].spec)) == nil {
				miss++
			}
		}
	})
	var before int
	first.on(func() { before = first.ui.Cache.Used() })
	if miss > 0 || used >= before {
		t.Errorf("%d brands are not in the pack; %d bytes composed, %d without it", miss, used, before)
	}
	if !bytes.Equal(second.shot("pack-mapped").Pix, composed.Pix) {
		t.Error("the mapped wall looks different")
	}

	// another look gets a pack of its own, and the old one is opened again when it comes back
	second.on(func() { second.ui.Restyle(func(l *sheet.Look) { l.SetTheme(theme.HighContrastTheme()) }) })
	second.packed()
	if l := packFiles(t, dir); len(l) != 2 {
		t.Errorf("packs of two looks: %v", l)
	}
	second.on(func() {
		second.ui.Restyle(func(l *sheet.Look) { l.SetTheme(theme.LightTheme()) })
		if second.ui.Ready == nil {
			t.Error("the first pack is not used again")
		}
	})
}

// A pack that went bad is told, dropped and made again; the wall looks right all the while.
func TestDamagedPackIsComposedAnew(t *testing.T) {
	dir := t.TempDir()
	first := packRig(t, dir)
	want := first.shot("pack-before")
	first.packed()
	path := packFiles(t, dir)[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(b)*3/4; i += 1000 { // pictures only: header and index are whole
		b[i] ^= 0x55
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	second := packRig(t, dir)
	if !bytes.Equal(second.shot("pack-damaged").Pix, want.Pix) {
		t.Error("the damage is shown")
	}
	if second.ready() {
		t.Error("the damaged pack is still used")
	}
	second.on(second.ui.goHome)
	second.packed()
}

// While somebody pours or has just touched the screen, nothing is composed ahead.
func TestNoPackIsMadeDuringAPour(t *testing.T) {
	dir := t.TempDir()
	r := packRig(t, "")
	r.tap("home.favourite.0")
	r.waitPage("beverage")
	r.press("beverage.pour")
	r.until("the pour", func() bool { return r.agent.active() > 0 })
	r.on(func() {
		r.ui.packBusy()
		if !r.ui.packs.busy.Load() {
			t.Error("a build would go on during a pour")
		}
		r.ui.packs.assets.Dir, r.ui.packs.shelf.Dir = dir, dir
	})
	r.finger.Cancel(1)
	r.until("the end of the pour", func() bool { return r.agent.active() == 0 })
}
