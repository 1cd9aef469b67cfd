package service

import (
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
)

func TestPINOpensTheHome(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.said("service.todo.0.title", "Line s07 is empty")
	if n := get(r.agent, func() int { return r.agent.calls["POST /v1/session"] }); n != 1 {
		t.Errorf("%d PINs were tried, want 1", n)
	}
}

func TestWrongPINSaysOnlyThat(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.type_("service.pin", "111111")
	r.tap("service.pin.open")
	r.said("service.pin.say", "That PIN is not right.")
	if got := r.page(); got != "service.pin" {
		t.Fatalf("page is %s after a wrong PIN", got)
	}
	r.type_("service.pin", "222222")
	r.tap("service.pin.open")
	r.until("the wait", func() bool {
		e, ok := r.find("service.pin.say")
		return ok && strings.HasPrefix(e.Name, "That PIN is not right. Try again in ")
	})
	if e, ok := r.find("service.pin.1"); !ok || e.Enabled {
		t.Error("a digit can be typed during the wait")
	}
	calls := get(r.agent, func() int { return r.agent.calls["POST /v1/session"] })
	r.enter() // get waits until the keys work again
	if n := get(r.agent, func() int { return r.agent.calls["POST /v1/session"] }); n != calls+1 {
		t.Errorf("%d tries, want %d", n, calls+1)
	}
}

func TestLockedOutPINIsSaidInMinutes(t *testing.T) {
	agent := newFakeAgent(t)
	agent.set(func() { agent.locked, agent.wait = true, time.Now().Add(time.Hour) })
	r := newRigOn(t, 1080, 1920, "en", agent, nil)
	r.said("service.pin.say", "Too many wrong ones. Try again in 60 minutes.")
	if e, ok := r.find("service.pin.open"); !ok || e.Enabled {
		t.Error("a PIN can be tried while it is locked out")
	}
}

// Digits typed by two fingers, one down before the other is up, all count.
func TestTwoFingersType(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	at := func(k string) (x, y int) {
		e := r.get("service.pin." + k)
		return e.Bounds.X + e.Bounds.W/2, e.Bounds.Y + e.Bounds.H/2
	}
	keys := "246810"
	for i := range len(keys) {
		x, y := at(keys[i : i+1])
		r.finger.Down(i%2+1, x, y)
		if i > 0 {
			x, y := at(keys[i-1 : i])
			r.finger.Up((i-1)%2+1, x, y)
		}
	}
	x, y := at("0")
	r.finger.Up(2, x, y)
	r.tap("service.pin.open")
	r.waitPage("home")
}

func TestEraseAndClose(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.tap("service.pin.erase") // nothing to erase
	r.type_("service.pin", "29")
	r.tap("service.pin.erase")
	r.type_("service.pin", "46810")
	r.tap("service.pin.open")
	r.waitPage("home")
	r.tap("service.lock")
	r.gone()
	r.until("the session's end", func() bool { return get(r.agent, func() bool { return r.agent.session == "" }) })
}

func TestCloseAtThePIN(t *testing.T) {
	r := newRig(t, 800, 480, "en")
	r.tap("service.pin.x")
	r.gone()
}

// Where no PIN was ever set, the first-run wizard comes up by itself; with the PIN set there a session opens.
func TestFirstRunWizard(t *testing.T) {
	agent := newFakeAgent(t)
	agent.set(func() { agent.pin = "" })
	r := newRigOn(t, 1080, 1920, "en", agent, nil)
	r.waitPage("setup")
	pin := func(digits string) {
		r.type_("service.setup.key", digits)
		r.tap("service.setup.pin")
	}
	r.said("service.setup.say", "Choose a PIN")
	pin("123") // too short
	pin("135790")
	pin("135791") // differs
	pin("135790")
	pin("135790")
	r.said("service.setup.say", "Which language?")
	if p := get(agent, func() string { return agent.pin }); p != "135790" {
		t.Fatalf("PIN is %q", p)
	}
	if get(agent, func() string { return agent.session }) == "" {
		t.Fatal("no session after the PIN was set")
	}
	r.tap("service.setup.language.de")
	r.said("service.setup.say", "Wo steht das Gerät?")
	r.tap("service.setup.zone.Europe")
	r.tap("service.setup.zone.Europe/Berlin")
	r.said("service.setup.say", "Ist das Netzwerk da?")
	r.tap("service.setup.check")
	r.said("service.setup.say", "Kennt die Cloud dieses Gerät?")
	r.tap("service.setup.later")
	r.said("service.setup.say", "Antwortet alles?")
	r.tap("service.setup.check")
	r.waitPage("operation")
	r.get("service.op.finish")
	agent.set(func() {
		for i := range agent.setup.Steps {
			agent.setup.Steps[i].State = "done"
		}
		agent.setup.Done = true
	})
	r.tap("service.op.finish")
	r.waitPage("setup")
	r.until("the end", func() bool { _, ok := r.find("service.setup.finish"); return ok })
	r.tap("service.setup.finish")
	r.waitPage("menu")
	got := get(agent, func() []api.SetupStep { return agent.setup.Steps })
	if got[2].What != "it is Europe/Berlin" {
		t.Errorf("zone: %s", got[2].What)
	}
}

// The agent ended the session: back to the consumer's screens.
func TestExpiredSessionLeaves(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.agent.set(func() { r.agent.session = "" })
	r.gone()
}

// Nobody touches the screen: it ends the session itself, though its own calls would prolong it.
func TestIdleScreenLocks(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.do(func() { r.svc.now = func() time.Time { return time.Now().Add(api.SessionIdle) } })
	r.gone()
	r.until("the session's end", func() bool { return get(r.agent, func() bool { return r.agent.session == "" }) })
}

// A session ends after its limit, however busy the fingers are.
func TestSessionLimit(t *testing.T) {
	r := newRig(t, 1080, 1920, "en")
	r.enter()
	r.do(func() {
		r.svc.session.over = time.Now().Add(90 * time.Second)
		if left := r.svc.left(); left > 90*time.Second {
			t.Errorf("left %v, want at most 90 s", left)
		}
		r.svc.session.over = time.Now()
	})
	r.gone()
}
