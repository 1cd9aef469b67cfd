package service

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"fountain/agent/api"
)

// Every page is reached by touching what leads there, and the way back leads home again.
func TestEveryPageIsReached(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	for id, page := range map[string]string{
		"service.menu.alarms": "alarms", "service.menu.lines": "lines", "service.menu.cartridges": "cartridges", "service.menu.selftest": "selftest",
		"service.menu.rinse": "operation", "service.menu.purge": "choose", "service.menu.brix": "choose", "service.menu.agitate": "choose",
		"service.menu.network": "network", "service.menu.content": "content", "service.menu.display": "display", "service.menu.logs": "logs",
		"service.menu.audit": "audit", "service.menu.diag": "diag", "service.menu.setup": "setup",
	} {
		r.tap("service.menu")
		r.waitPage("menu")
		r.tap(id)
		r.waitPage(page)
		r.tap("service.back")
		r.until("back from "+page, func() bool { p := r.page(); return p == "service.menu" || p == "service.home" })
		if r.page() == "service.menu" {
			r.tap("service.back")
		}
		r.waitPage("home")
	}
	for id, page := range map[string]string{
		"service.job.clean": "choose", "service.job.swap": "cartridges", "service.job.prime": "choose", "service.job.calibrate": "choose", "service.job.pour": "pour",
		"service.slot.s09": "line", "service.todo.0": "swap", "service.todo.1": "alarm", "service.todo.2": "clean",
	} {
		r.tap(id)
		r.waitPage(page)
		r.tap("service.back")
		r.waitPage("home")
	}
	if n := get(r.agent, func() int { return len(r.agent.started) }); n != 0 {
		t.Errorf("%d operations were started by looking around", n)
	}
}

func TestClearAlarm(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.agent.set(func() { r.agent.stands["meter_dead"] = true })
	r.enter()
	r.tap("service.menu")
	r.tap("service.menu.alarms")
	r.tap("service.alarm.3")
	r.waitPage("alarm")
	says := func() (s string) {
		r.do(func() { s = r.svc.page.(*alarmPage).says })
		return s
	}
	r.tap("service.alarm.clear")
	r.until("the refusal", func() bool { return strings.HasPrefix(says(), "Its cause still stands: ") })
	r.agent.set(func() { r.agent.stands["meter_dead"] = false })
	r.tap("service.alarm.clear")
	r.until("the clearing", func() bool { return says() == "It is cleared." })
	if n := get(r.agent, func() int { return len(r.agent.alarms) }); n != 3 {
		t.Errorf("%d alarms stand, want 3", n)
	}
}

func TestSwapACartridge(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.agent.set(func() { r.agent.read.State, r.agent.read.Contents = "wrong", "Mint" })
	r.enter()
	r.tap("service.todo.0") // the empty one
	r.tap("service.swap.out")
	r.tap("service.swap.in")
	r.get("service.swap.again") // a wrong one: nothing to prime
	if _, ok := r.find("service.swap.prime"); ok {
		t.Error("a wrong cartridge can be primed")
	}
	r.agent.set(func() { r.agent.read.State = "ok" })
	r.tap("service.swap.read")
	r.tap("service.swap.prime")
	r.waitPage("operation")
	r.tap("service.op.yes")
	r.said("service.op.outcome", "Done")
	r.tap("service.op.finish")
	r.waitPage("home")
}

func TestUndoCalibration(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.tap("service.slot.s07")
	r.tap("service.line.undo")
	r.until("the older factor", func() bool {
		return get(r.agent, func() bool { c := r.agent.lines[6].Calibration; return c != nil && c.Factor == .998 })
	})
}

func TestProxy(t *testing.T) {
	r := newRig(t, 1080, 1920, "ar") // keys keep their places in a mirrored page
	r.enter()
	r.do(func() { r.svc.show(newNetwork(r.svc)) })
	r.tap("service.network.proxy")
	one, two := r.get("service.keyboard.q"), r.get("service.keyboard.w")
	if one.Bounds.X >= two.Bounds.X {
		t.Error("q stands right of w")
	}
	for _, c := range "10.0.0.1:80" {
		r.tap("service.keyboard." + string(c))
	}
	r.tap("service.keyboard.erase")
	r.tap("service.network.save")
	r.until("the proxy", func() bool {
		return get(r.agent, func() bool { return r.agent.network.NextProxy == "http://10.0.0.1:8" })
	})
	r.tap("service.network.proxy")
	r.tap("service.network.remove")
	r.until("no proxy", func() bool { return get(r.agent, func() bool { return r.agent.network.NextProxy == "none" }) })
}

func TestLogs(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.enter()
	r.do(func() { r.svc.show(newLogs(r.svc)) })
	lines := func(n int) func() bool {
		return func() (ok bool) {
			r.do(func() { ok = len(r.svc.page.(*logsPage).lines) == n })
			return ok
		}
	}
	r.until("usual lines", lines(60))
	r.tap("service.logs.error")
	r.until("errors", lines(20))
	r.agent.set(func() {
		r.agent.logs = append(r.agent.logs, api.LogLine{N: 81, At: fakeDay, Level: "error", Text: "a new one"})
	})
	r.until("a new line by itself", lines(21))
	r.tap("service.logs.debug")
	r.until("all", lines(81))
	r.tap("service.logs.older")
	r.tap("service.logs.newer")
}

// Every cell that no finger reached is found, and said where; ten fingers draw at once.
func TestDisplayTest(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.enter()
	r.do(func() { r.svc.show(newDisplayTest(r.svc)) })
	r.tap("service.display.colours")
	for range 6 {
		r.tap("service.display.next")
	}
	r.tap("service.display.grid")
	r.get("service.display.done")
	r.shot("display-grid")
	r.tap("service.display.done")
	r.tap("service.display.touch")
	r.get("service.display.cell.0")
	for f := range 10 { // ten fingers at once, from top to bottom; the last stops early
		r.finger.Down(f, 5+f*80, 5)
	}
	for y := 5; y < 480; y += 20 {
		for f := range 10 {
			if y < 400 || f < 9 {
				r.finger.Move(f, 5+f*80, y)
			}
		}
	}
	for f := range 10 {
		r.finger.Up(f, 5+f*80, map[bool]int{true: 385, false: 465}[f == 9])
	}
	seen := func(x, y int) (ok bool) {
		r.do(func() {
			t := r.svc.page.(*displayPage).field
			ok = t.seen[x*t.cols/800+y*t.rows/480*t.cols]
		})
		return ok
	}
	for f := range 9 {
		for y := 5; y < 480; y += 20 {
			r.until("a finger's trail", func() bool { return seen(5+f*80, y) })
		}
	}
	r.shot("display-touch")
	if !seen(5+9*80, 100) || seen(5+9*80, 470) || seen(110, 100) {
		t.Error("cells count that no finger reached, or the other way round")
	}
	var places []string
	r.do(func() {
		f := r.svc.page.(*displayPage).field
		for i := range f.seen { // all but the last finger's end
			if c := f.cell(i); c.x < 700 || c.y < 400 {
				f.trail(fyne.NewPos(float32(c.x+5), float32(c.y+5)), fyne.NewPos(float32(c.x+6), float32(c.y+6)))
			}
		}
		_, places = f.missed()
	})
	if len(places) != 1 || places[0] != "bottom right" {
		t.Errorf("missed at %v, want the lower right", places)
	}
	r.do(func() { r.svc.page.(*displayPage).quit = 1 }) // nobody touches any more
	r.get("service.display.grid")
	r.do(func() {
		if p := r.svc.page.(*displayPage); !p.bad || !strings.Contains(p.says, "bottom right") {
			t.Errorf("result: %q", p.says)
		}
	})
}

func TestDiagnostics(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.enter()
	stick := filepath.Join(r.svc.media[0], "STICK")
	if err := os.Mkdir(stick, 0o755); err != nil {
		t.Fatal(err)
	}
	open := func() { r.do(func() { r.svc.show(newDiag(r.svc)) }) }
	says := func(want string) {
		t.Helper()
		r.until(want, func() (ok bool) {
			r.do(func() { ok = strings.HasPrefix(r.svc.page.(*diagPage).says, want) })
			return ok
		})
	}
	files := func(dir string) int {
		l, _ := filepath.Glob(filepath.Join(dir, "fountain-FTN-0007-*.tar.gz"))
		return len(l)
	}
	open()
	r.tap("service.diag.file") // a directory is no medium
	says("No USB stick was found.")
	if files(stick) != 0 || files(r.svc.files) != 1 {
		t.Errorf("files: %d on the stick, %d on the unit", files(stick), files(r.svc.files))
	}
	r.do(func() { r.svc.mount = func(dir string) bool { return dir == stick } })
	open()
	r.tap("service.diag.file")
	says("Saved: " + stick)
	if files(stick) != 1 {
		t.Error("nothing on the stick")
	}
	r.tap("service.diag.qr")
	e := r.get("service.diag.next")
	if e.Name != "Code 1 of 3" {
		t.Errorf("first code: %s", e.Name)
	}
	r.tap("service.diag.next")
	r.said("service.diag.next", "Code 2 of 3")
	r.shot("diag-code")
}

// The kinds of lines are the hardware's own words; the screen does not import them.
func TestKindsAreTheHardwares(t *testing.T) {
	b, err := os.ReadFile("../../hal/hal.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{"Valve": kindValve, "Pump": kindPump, "Meter": kindMeter, "Agitator": kindAgitator} {
		m := regexp.MustCompile(`Kind` + name + `\s+Kind = "([a-z-]+)"`).FindStringSubmatch(string(b))
		if m == nil || m[1] != kind {
			t.Errorf("%s: %v, the screen takes it for %s", name, m, kind)
		}
	}
}

// The zones offered are zones.
func TestZones(t *testing.T) {
	for _, region := range zoneRegions() {
		places := len(strings.Fields(zonePlaces[region]))
		if n := len(zonesOf(region)); n != places {
			t.Errorf("%s: %d of %d places are zones", region, n, places)
		}
	}
}

// A page that is left while the agent thinks is not drawn into any more.
func TestLateAnswers(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.enter()
	for range 20 {
		r.do(func() {
			for _, p := range somePages() {
				if p.name != "confirm" && p.name != "rinse" {
					p.open(r.svc)
				}
			}
			r.svc.showHome()
		})
		time.Sleep(5 * time.Millisecond)
	}
	r.waitPage("home")
	r.get("service.job.clean")
}
