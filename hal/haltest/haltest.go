// Package haltest is the contract of hal as tests: every implementation of hal.Rig passes it.
//
//	implementation's test ──Bench──► Run ──► one subtest per rule
//
// A Bench opens owners as processes would and lets the suite look at the hardware from outside: a rig that only
// remembers what it was told cannot pass. The suite runs in virtual time (Bench.Slack 0, wrapped in synctest) and live.
// What a bench can do beyond that (Hooks) is optional: a hook that is nil skips its rule and the skip says why.
// It may import hal only; it holds no state.
package haltest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"fountain/hal"
)

// Plant is the hardware seen from outside.
type Plant interface {
	// Line is the level of a valve's line (true: the valve is told to open) and the time it last changed, on the Pacer's clock.
	Line(valve string) (level bool, changed time.Duration)
	// Pulses counts what a meter has sent since it was built.
	Pulses(meter string) uint64
	// Trip makes a safety input unsafe or safe.
	Trip(signal hal.Interlocks, on bool)
}

// Holder is one owner as a process that can die.
type Holder struct {
	Rig   hal.Rig
	Pacer hal.Pacer
	Kill  func() // the process dies without closing anything
}

// Bench is a fresh machine for one subtest. Its rig file must have MASTER, at least two agent valves with a meter on
// one of them, a pump whose slot holds a cartridge, the door and E-stop inputs, and max_open of at most a second so
// that the suite is quick. Sensors and agitators are proved when the rig file has them.
type Bench struct {
	Plant Plant
	Open  func(hal.Owner) (Holder, error)
	Holds bool          // lines keep their level when their owner dies; otherwise they fall shut
	Slack time.Duration // how late a live machine may be; 0 in virtual time
	// Exact says that milliseconds the suite makes are milliseconds although Slack is not 0 (an instruction-counted
	// machine). Virtual time is always exact.
	Exact bool
	Hooks Hooks
}

// Hooks are what a bench may be able to do to its hardware. Each is optional.
type Hooks struct {
	// Pulse makes a meter send n pulses, one every `every`, whatever flows, and returns at once.
	Pulse func(meter string, n int, every time.Duration)
	// StallReader holds up whatever collects the agent's meter pulses while `while` runs; EventBuffer is how many pulses of
	// one meter are kept meanwhile.
	StallReader func(while func())
	EventBuffer int
	// Level is the voltage on an output's line (true: high) and whether the line is active low.
	Level func(output string) (high, activeLow bool)
	// Switched counts how often an output's line went to its open level since the bench was built, however briefly.
	Switched func(output string) int
	// Unplug makes the chip of a part answer no more, or again. False: this bench cannot do it for that part.
	Unplug func(part string, on bool) bool
	// SetSensor makes a sensor's true value v, in the unit of its role; BreakSensor cuts its wire, or mends it.
	SetSensor   func(sensor string, v float64)
	BreakSensor func(sensor string, on bool)
	// SensorEvery is the longest poll period of the bench's sensors; 0 = 1 s.
	SensorEvery time.Duration
}

// exact tells whether milliseconds that the suite makes are milliseconds.
func (b Bench) exact() bool { return b.Exact || b.Slack == 0 }

// react is the time within which a command reaches its line (DESIGN 8: stop ≤ 20 ms).
const react = 20 * time.Millisecond

// Without names the rules that a bench cannot prove, each with the reason and where it is proved instead.
type Without map[string]string

// Run proves the contract. newBench makes a machine; within runs a subtest, for example in a synctest bubble (nil: as it
// is). Rules that without names are left out; any other rule that the bench lacks the means for fails.
func Run(t *testing.T, newBench func(t *testing.T) Bench, within func(t *testing.T, f func(t *testing.T)), without Without) {
	if within == nil {
		within = func(t *testing.T, f func(t *testing.T)) { f(t) }
	}
	for _, c := range []struct {
		name string
		rule func(t *testing.T, b Bench)
	}{
		{"start", allShutAtStart},
		{"group", groupIsOneWrite},
		{"untouched", untouchedStays},
		{"deadman", deadManShuts},
		{"renew", renewingKeepsOpen},
		{"safe", safeShutsAll},
		{"meter", meterIsExact},
		{"pump", pumpCountsStrokes},
		{"busy", secondOwnerRefused},
		{"death", deathOfAnOwner},
		{"interlocks", interlocks},
		{"close", closeIsSafe},
		{"unknown", unknownParts},
		{"slot", slotTag},
		{"pacer", pacer},
		{"quick", safeIsQuick},
		{"rates", meterAtRates},
		{"loss", meterLoss},
		{"debounce", debounce},
		{"unplugged", unplugged},
		{"sensors", sensors},
		{"agitators", agitators},
		{"polarity", polarity},
		{"afterclose", afterClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			if why, left := without[c.name]; left {
				t.Skip("left out by this bench: " + why)
			}
			within(t, func(t *testing.T) { c.rule(t, newBench(t)) })
		})
	}
}

// hand is one opened owner with its valves.
type hand struct {
	Holder
	b      Bench
	valves []hal.Part
	bits   []uint64
	all    uint64
}

func open(t *testing.T, b Bench, owner hal.Owner) *hand {
	t.Helper()
	h, err := b.Open(owner)
	if err != nil {
		t.Fatalf("open %s: %v", owner, err)
	}
	x := &hand{Holder: h, b: b}
	for _, p := range h.Rig.Parts() {
		if p.Kind != hal.KindValve || p.Owner != owner {
			continue
		}
		bit, err := h.Rig.Outputs().Bit(p.ID)
		if err != nil {
			t.Fatalf("bit of %s: %v", p.ID, err)
		}
		x.valves, x.bits, x.all = append(x.valves, p), append(x.bits, bit), x.all|bit
	}
	return x
}

// beat keeps the board's one-shot awake, where there is one.
func (h *hand) beat(t *testing.T) {
	t.Helper()
	if heart, ok := h.Rig.(hal.Heart); ok {
		if err := heart.Beat(); err != nil {
			t.Errorf("beat: %v", err)
		}
	}
}

func (h *hand) apply(t *testing.T, mask, bits uint64) {
	t.Helper()
	if err := h.Rig.Outputs().Apply(mask, bits); err != nil {
		t.Fatalf("apply %b=%b: %v", mask, bits, err)
	}
}

// eventually waits until cond holds, at most limit and the bench's slack.
func (b Bench) eventually(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit + b.Slack); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit+b.Slack, what)
		}
	}
}

func (h *hand) lines(level bool) func() bool {
	return func() bool {
		for _, v := range h.valves {
			if got, _ := h.b.Plant.Line(v.ID); got != level {
				return false
			}
		}
		return true
	}
}

func allShutAtStart(t *testing.T, b Bench) {
	for _, owner := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
		h := open(t, b, owner)
		if len(h.valves) == 0 {
			t.Fatalf("%s has no valve: the bench's rig file is too small", owner)
		}
		if !h.lines(false)() {
			t.Errorf("a line of %s is high right after open", owner)
		}
		for _, v := range h.valves {
			if b.Hooks.Switched == nil {
				break // what the suite cannot see it does not claim
			}
			if n := b.Hooks.Switched(v.ID); n != 0 {
				t.Errorf("%s went to its open level %d times before it was told to", v.ID, n)
			}
		}
		if c := h.Rig.Outputs().Commanded(); c != 0 {
			t.Errorf("commanded %b right after open", c)
		}
		b.eventually(t, 0, "healthy hardware reports nothing", func() bool {
			return !slices.ContainsFunc(h.Rig.Health(), func(f hal.Fault) bool { return !b.wiredSo(f) })
		})
	}
}

// wiredSo tells whether a fault is how the bench's board is made, and no failure.
func (b Bench) wiredSo(f hal.Fault) bool {
	return f.Kind == hal.FaultUnconfirmed || f.Kind == hal.FaultKeepsLevel && b.Holds
}

func groupIsOneWrite(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	for _, level := range []bool{true, false} {
		bits := uint64(0)
		if level {
			bits = h.all
		}
		h.apply(t, h.all, bits)
		b.eventually(t, react, "all lines follow", h.lines(level))
		_, first := b.Plant.Line(h.valves[0].ID)
		for _, v := range h.valves[1:] {
			if _, at := b.Plant.Line(v.ID); at != first {
				t.Errorf("%s changed at %v, %s at %v: not one write", h.valves[0].ID, first, v.ID, at)
			}
		}
	}
}

func untouchedStays(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	a, other := h.bits[0], h.bits[1]
	h.apply(t, a, h.all) // bits outside the mask do not matter
	b.eventually(t, react, "first valve opens", func() bool { l, _ := b.Plant.Line(h.valves[0].ID); return l })
	if l, _ := b.Plant.Line(h.valves[1].ID); l {
		t.Errorf("a bit outside the mask opened %s", h.valves[1].ID)
	}
	_, at := b.Plant.Line(h.valves[0].ID)
	h.apply(t, other, other)
	b.eventually(t, react, "second valve opens", h.lines(true))
	h.apply(t, other, 0)
	b.eventually(t, react, "second valve shuts", func() bool { l, _ := b.Plant.Line(h.valves[1].ID); return !l })
	if l, now := b.Plant.Line(h.valves[0].ID); !l || now != at {
		t.Errorf("the other line changed: level %v, at %v, was %v", l, now, at)
	}
	if c := h.Rig.Outputs().Commanded(); c != a {
		t.Errorf("commanded %b, want %b", c, a)
	}
	if len(h.bits) < 64 {
		if err := h.Rig.Outputs().Apply(1<<63, 0); !errors.Is(err, hal.ErrUnknownPart) {
			t.Errorf("apply to a bit nobody has: %v, want ErrUnknownPart", err)
		}
	}
}

func deadManShuts(t *testing.T, b Bench) {
	for _, owner := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
		h := open(t, b, owner)
		v, bit := h.valves[0], h.bits[0]
		before := h.Pacer.Now()
		h.apply(t, bit, bit)
		b.eventually(t, react, v.ID+" opens", func() bool { l, _ := b.Plant.Line(v.ID); return l })
		b.eventually(t, v.MaxOpen+react, v.ID+" is shut by the dead-man", func() bool { l, _ := b.Plant.Line(v.ID); return !l })
		if _, at := b.Plant.Line(v.ID); at-before < v.MaxOpen {
			t.Errorf("%s was shut after %v, before its max_open %v", v.ID, at-before, v.MaxOpen)
		}
		b.eventually(t, react, "Commanded follows", func() bool { return h.Rig.Outputs().Commanded() == 0 })
	}
}

func renewingKeepsOpen(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	v, bit := h.valves[0], h.bits[0]
	for range 8 {
		at := h.Pacer.Now()
		h.apply(t, bit, bit)
		time.Sleep(v.MaxOpen / 3)
		l, _ := b.Plant.Line(v.ID)
		if since := h.Pacer.Now() - at; !l && since < v.MaxOpen { // a live host may sleep longer than that
			t.Fatalf("%s fell shut %v after it was renewed", v.ID, since)
		}
	}
}

func safeShutsAll(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	id := partOf(t, h.Rig, hal.KindPump, hal.OwnerAgent)
	pump, err := h.Rig.Pump(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []uint64{0, h.bits[0], h.all} {
		h.apply(t, h.all, state)
		if err := pump.Dose(1000, 10*time.Millisecond); err != nil {
			t.Fatalf("dose: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
		done := make(chan error)
		go func() { done <- h.Rig.Safe(errors.New("test")) }() // from any goroutine
		if err := <-done; err != nil {
			t.Fatalf("safe: %v", err)
		}
		b.eventually(t, react, "all lines low after Safe", h.lines(false))
		if err := h.Rig.Safe(nil); err != nil {
			t.Errorf("safe again: %v", err)
		}
		if c := h.Rig.Outputs().Commanded(); c != 0 {
			t.Errorf("commanded %b after Safe", c)
		}
		time.Sleep(react + b.Slack)
		at := pump.Delivered()
		time.Sleep(100 * time.Millisecond)
		if now := pump.Delivered(); now != at {
			t.Errorf("the pump went on after Safe: %d, then %d strokes", at, now)
		}
	}
}

func secondOwnerRefused(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	h.apply(t, h.all, h.all)
	if _, err := b.Open(hal.OwnerAgent); !errors.Is(err, hal.ErrBusy) {
		t.Fatalf("second owner: %v, want ErrBusy", err)
	}
	if h.Rig.Outputs().Commanded() != h.all {
		t.Error("the refused one disturbed the lines")
	}
	if err := h.Rig.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, b, hal.OwnerAgent)
	again.apply(t, again.all, 0)
}

func deathOfAnOwner(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	h.apply(t, h.all, h.all)
	b.eventually(t, react, "lines open", h.lines(true))
	h.Kill()
	longest := time.Duration(0)
	for _, v := range h.valves {
		longest = max(longest, v.MaxOpen)
	}
	if b.Holds {
		time.Sleep(2 * longest) // nobody lives who could enforce max_open
		if !h.lines(true)() {
			t.Error("lines that hold fell shut")
		}
	} else {
		b.eventually(t, react, "released lines fall shut", h.lines(false))
	}
	next := open(t, b, hal.OwnerAgent)
	b.eventually(t, react, "the next owner finds its lines shut", next.lines(false))
	if c := next.Rig.Outputs().Commanded(); c != 0 {
		t.Errorf("the next owner starts with %b commanded", c)
	}
	next.apply(t, next.all, next.all)
	b.eventually(t, react, "the next owner opens", next.lines(true))
	next.apply(t, next.all, 0)
}
