//go:build linux

package device

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/agent/api"
)

// screenUnit is a unit that is ready, for a screen.
func screenUnit(t *testing.T) *unit {
	t.Helper()
	u := newUnit(t, "emulator.yaml", strong...)
	u.guard.start()
	u.agent.start()
	u.ready()
	return u
}

// TestPanel: the shipping screen on the kernel's own display. A finger on the emulated touch panel goes from the first
// page to a drink, as the plant behind the lines sees it, and the panel shows to the last pixel what the screen drew.
func TestPanel(t *testing.T) {
	u := screenUnit(t)
	say(t, "the text console")
	p := newPerson(t, u, "--display", "drm")
	if p.w != 1080 || p.h != 1920 {
		t.Fatalf("the panel has %dx%d", p.w, p.h)
	}
	if !consoleOff(t) {
		t.Error("the text console may draw over the screen")
	}
	p.home()
	p.picture("home")
	p.tap("home.brand.orchard-clock")
	p.tap("brand.beverage.orchard-clock.apple")
	p.middle("beverage.pour")
	p.picture("beverage")
	p.newCup()
	p.press("beverage.pour")
	p.pours(80_000)
	p.glance("pouring")
	p.release()
	cup := p.shut()
	time.Sleep(time.Second)
	if later := u.state().Cup.TotalUL; later != cup {
		t.Errorf("%d µL flowed after the finger was lifted", later-cup)
	}
	p.second()
	p.unplugPanel()
	p.leave()
	if consoleOff(t) {
		t.Error("the text console stays off")
	}
	if said := p.host("dump", "console"); len(said) != 4 || said[1] != "2" {
		t.Errorf("the console does not come back: its picture is %q", said)
	}
}

// TestFrameBuffer is the same where the kernel has only a frame buffer to offer.
func TestFrameBuffer(t *testing.T) {
	u := screenUnit(t)
	p := newPerson(t, u, "--display", "fbdev")
	if !consoleOff(t) {
		t.Error("the text console may draw over the screen")
	}
	p.home()
	p.picture("fbdev-home")
	p.rest()
	p.tap("home.water")
	p.newCup()
	p.press("beverage.pour")
	p.pours(50_000)
	p.glance("fbdev-pouring")
	p.release()
	p.shut()
	p.leave()
	if consoleOff(t) {
		t.Error("the text console stays off")
	}
}

// TestTouchScreens: touch screens that come and go, on a panel in another mode, mounted a quarter turned. Nothing pours after the device
// under the finger is gone, and the next one serves.
func TestTouchScreens(t *testing.T) {
	u := screenUnit(t)
	p := newPerson(t, u, "--display", "drm", "--size", "800x600", "--rotate", "90")
	p.turned = true
	p.home()
	p.picture("turned")
	p.tap("home.water")
	p.middle("beverage.pour")
	p.newCup()
	p.host("unplug", "touch") // as PCI Express has it, the kernel lets go of the device 5 s later
	time.Sleep(3 * time.Second)
	p.press("beverage.pour")
	p.pours(30_000)
	p.until(20*time.Second, "the kernel lets go of the touch screen", func() bool { return len(devices("QEMU Virtio Tablet")) == 0 })
	cup := p.shut()
	t.Logf("figure: %d ml in the cup when the touch screen was pulled out from under the finger", cup/1000)
	if full := int64(400_000); cup >= full {
		t.Errorf("%d ml in the cup: the drink did not stop with the touch screen", cup/1000)
	}

	s := plugTouchScreen(t, p.w, p.h)
	p.until(30*time.Second, "the new touch screen brings the first page", func() bool {
		for _, id := range []string{"pour.done", "nav.back"} {
			if x, y, ok := p.where(id); ok {
				s.down(0, x, y)
				s.up(0)
				time.Sleep(300 * time.Millisecond)
			}
		}
		_, _, ok := p.where("home.water")
		return ok
	})
	x, y := p.middle("home.water")
	s.down(0, x, y)
	s.up(0)
	x, y = p.middle("beverage.pour")
	p.newCup()
	s.down(3, p.w-4, p.h/2) // a hand that leans on the upper edge
	s.down(4, x, y)
	p.pours(30_000)
	s.up(3)
	p.pours(60_000) // the finger that holds is another
	s.unplug()
	cup = p.shut()
	time.Sleep(time.Second)
	if later := u.state().Cup.TotalUL; later != cup {
		t.Errorf("%d µL flowed after the touch screen was gone", later-cup)
	}

	s = plugTouchScreen(t, p.w, p.h)
	time.Sleep(500 * time.Millisecond)
	p.newCup()
	p.until(30*time.Second, "the next touch screen pours", func() bool {
		if x, y, ok := p.where("beverage.pour"); ok {
			s.down(0, x, y)
			time.Sleep(time.Second)
			s.up(0)
		}
		return u.state().Cup.TotalUL > 20_000
	})
	p.shut()
	p.leave()
}

// TestKeypad: four keys and no finger, from the first page to a drink. A keypad that is pulled out while its key is held
// stops the drink; the next one serves.
func TestKeypad(t *testing.T) {
	u := screenUnit(t)
	k := plugKeypad(t)
	p := newPerson(t, u, "--display", "drm", "--reduced-motion")
	p.until(30*time.Second, "a page", func() bool {
		if _, ok := p.find("attract.start"); ok {
			p.key(k, keySelect)
		}
		_, ok := p.find("home.water")
		return ok
	})
	p.focus(k, "home.water")
	p.picture("keypad-focus")
	p.key(k, keySelect)
	p.focus(k, "beverage.pour")
	p.newCup()
	k.down(keySelect)
	p.pours(30_000)
	k.unplug()
	if cup := p.shut(); cup > 400_000 {
		t.Errorf("%d ml in the cup: the drink did not stop with the keypad", cup/1000)
	}
	k = plugKeypad(t)
	at := func() string {
		for _, e := range p.tree() {
			if e.Focused {
				return e.ID
			}
		}
		return ""
	}
	before := at()
	p.until(20*time.Second, "the next keypad moves the focus", func() bool {
		p.key(k, keyNext)
		return at() != before
	})
	p.leave()
}

// key presses a key and lets it go.
func (p *person) key(k keypad, code int32) {
	p.t.Helper()
	k.down(code)
	k.up(code)
	time.Sleep(reaction)
}

// focus goes from thing to thing until the wanted one, which is nearer to the end, has the focus.
func (p *person) focus(k keypad, id string) {
	p.t.Helper()
	p.until(30*time.Second, id+" has the focus", func() bool {
		if e, ok := p.find(id); ok && e.Focused {
			return true
		}
		p.key(k, keyPrevious)
		e, _ := p.find(id)
		return e.Focused
	})
	time.Sleep(reaction)
}

// second starts another screen on the same panel: it says who holds it.
func (p *person) second() {
	p.t.Helper()
	out, err := exec.Command("/bin/fountain-ui", "--display", "drm", "--socket", p.u.socket(api.AgentSocket)).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 1 {
		p.t.Errorf("a second screen ends with %v", err)
	}
	if want := fmt.Sprintf("another program holds the display: fountain-ui (process %d)", p.ui.cmd.Process.Pid); !strings.Contains(string(out), want) {
		p.t.Errorf("a second screen says %q, want %q", out, want)
	}
}

// unplugPanel takes the panel off its connector while the page changes, and puts it on again.
func (p *person) unplugPanel() {
	p.t.Helper()
	states, _ := filepath.Glob("/sys/class/drm/card0-*/status") // the pattern is well formed
	if len(states) != 1 {
		p.t.Fatalf("connectors %v", states)
	}
	plug := func(state string) {
		write(p.t, states[0], state)
		write(p.t, "/sys/class/drm/card0/uevent", "change")
	}
	plug("off")
	p.until(10*time.Second, "the panel is off", func() bool { return read(p.t, states[0]) == "disconnected" })
	p.home()
	time.Sleep(500 * time.Millisecond)
	believes := p.believes()
	if said := p.host("dump", "unplugged"); said[0] == believes {
		p.t.Error("a panel that is off shows the page")
	}
	plug("detect")
	p.until(10*time.Second, "the panel is on", func() bool { return read(p.t, states[0]) == "connected" })
	time.Sleep(500 * time.Millisecond)
	p.picture("plugged-again")
}

// say writes on the text console.
func say(t *testing.T, words string) { write(t, "/dev/tty0", "\x1b[2J\x1b[H\x1b[?25l"+words) }

// consoleOff tells whether the kernel's text console keeps off the panel.
func consoleOff(t *testing.T) bool {
	t.Helper()
	f, err := os.Open("/dev/tty0")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const kdGetMode, graphics = 0x4b3b, 1
	mode, err := unix.IoctlGetInt(int(f.Fd()), kdGetMode)
	if err != nil {
		t.Fatal(err)
	}
	return mode == graphics
}

// devices are the input devices of a name.
func devices(name string) (out []string) {
	names, _ := filepath.Glob("/sys/class/input/event*/device/name") // the pattern is well formed
	for _, n := range names {
		if b, err := os.ReadFile(n); err == nil && strings.TrimSpace(string(b)) == name {
			out = append(out, n)
		}
	}
	return out
}

func write(t *testing.T, path, body string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(body), 0); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
