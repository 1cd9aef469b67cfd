package linux

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/hal"
	"fountain/hal/chips"
	"fountain/hal/chips/chipmodel"
	"fountain/hal/haltest"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// smallRig is the contract's rig file with a tag reader, on a kernel of models.
func smallRig(t *testing.T, change func(*rigfile.Rig)) *rigfile.Rig {
	t.Helper()
	rf, err := rigfile.Load("../../testdata/rig/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rf.Chips = append(rf.Chips, rigfile.Chip{ID: "r1", Kind: rigfile.ChipPN532, Bus: 1, Addr: chips.PN532Addr})
	rf.Slots[0].Reader = "r1"
	if change != nil {
		change(rf)
	}
	return rf
}

func smallKernel(t *testing.T) (*fakeKernel, *fakeChip, *chipmodel.Bus) {
	t.Helper()
	k := newFakeKernel("other", "gpio-sim.0")
	bus := chipmodel.NewBus()
	k.buses[1] = bus
	pn := chipmodel.NewPN532()
	user, err := chips.EncodeTag(hal.Tag{ID: "c1", Ingredient: "syrup.cola", VolumeUL: 1000, Expires: time.Unix(1_800_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	pn.Place(chipmodel.NewNTAG213([7]byte{4}, user))
	bus.Put(chips.PN532Addr, pn)
	bus.Put(doserAddr, chipmodel.NewDoser())
	return k, k.chips[1], bus
}

func openFake(t *testing.T, k *fakeKernel, rf *rigfile.Rig, owner hal.Owner) hal.Rig {
	t.Helper()
	r, _, err := Open(t.Context(), rf, owner, withSystem(k.system()), WithPriority(0), WithRoot(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// Water flows while MASTER and a valve are open: the meter's line goes up and down.
type fakePlant struct {
	k    *fakeKernel
	c    *fakeChip
	low  map[string]bool
	line map[string]int

	mu   sync.Mutex
	sent uint64
}

func (p *fakePlant) Line(valve string) (bool, time.Duration) {
	p.k.mu.Lock()
	defer p.k.mu.Unlock()
	o := p.line[valve]
	var at time.Duration
	for _, x := range p.c.log {
		if x.line == o {
			at = x.at
		}
	}
	return p.c.level[o] != p.low[valve], at
}

func (p *fakePlant) Pulses(string) uint64 { p.mu.Lock(); defer p.mu.Unlock(); return p.sent }

func (p *fakePlant) Trip(s hal.Interlocks, on bool) {
	p.c.in(map[hal.Interlocks]int{hal.EStop: 4, hal.Door: 5}[s], on) // safe is low
}

func (p *fakePlant) run(ctx context.Context, doser *chipmodel.Doser) {
	for n := 0; ctx.Err() == nil; n++ {
		doser.Advance()
		if n%4 == 0 {
			p.mu.Lock()
			if p.c.out(0) && p.c.out(1) {
				p.c.in(3, true)
				p.sent++
				p.c.in(3, false)
			}
			p.mu.Unlock()
		}
		time.Sleep(ms)
	}
}

// The whole rig on models of the kernel's lines passes the contract; on a real kernel, make test-device proves it.
func TestContractOnModels(t *testing.T) {
	haltest.Run(t, func(t *testing.T) haltest.Bench {
		k, c, bus := smallKernel(t)
		m := chipmodel.NewDoser()
		bus.Put(doserAddr, m)
		rf := smallRig(t, nil)
		p := &fakePlant{k: k, c: c, low: map[string]bool{}, line: map[string]int{}}
		for _, v := range rf.Valves {
			p.line[v.ID], p.low[v.ID] = v.Line.Line, !v.Line.ActiveHigh
			c.level[v.Line.Line] = !v.Line.ActiveHigh
		}
		ctx, cancel := context.WithCancel(context.Background())
		var plant sync.WaitGroup
		plant.Go(func() { p.run(ctx, m) })
		t.Cleanup(func() { cancel(); plant.Wait() })
		return haltest.Bench{
			Plant: p, Slack: 150 * ms, Holds: true, // models do not let go of a level
			Open: func(o hal.Owner) (haltest.Holder, error) {
				r, pacer, err := Open(t.Context(), rf, o, withSystem(k.system()), WithPriority(0), WithRoot("/"))
				if err != nil {
					return haltest.Holder{}, err
				}
				t.Cleanup(func() { _ = r.Close() })
				return haltest.Holder{Rig: r, Pacer: pacer, Kill: func() { Abandon(r) }}, nil
			},
			Hooks: haltest.Hooks{Unplug: func(part string, on bool) bool {
				addr := map[string]uint16{"p01": doserAddr, "s01": chips.PN532Addr}[part]
				if addr == 0 {
					return false
				}
				var err error
				if on {
					err = chipmodel.ErrNAK
				}
				bus.Fail(addr, err)
				return true
			}},
		}
	}, nil, haltest.Without{
		"rates":     "the models have no clock of their own: make test-device proves it on a kernel's lines",
		"loss":      "as rates",
		"debounce":  "as rates",
		"sensors":   "the small rig has none: each driver is tested by itself, all of them in make test-device",
		"agitators": "the small rig has none: make test-device",
		"polarity":  "the models are set by TestOpenDoesNotGlitch, which looks at every level",
	})
}

// No line shows a level it was not told: the request itself carries shut, active high and active low.
// Peers: CocktailBerry's pumps run at boot (#430).
func TestOpenDoesNotGlitch(t *testing.T) {
	k, c, _ := smallKernel(t)
	r := openFake(t, k, smallRig(t, nil), hal.OwnerAgent)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(c.log) != 2 || c.level[1] || !c.level[2] {
		t.Errorf("levels were changed: %v; still %v (active high), sparkling %v (active low)", c.log, c.level[1], c.level[2])
	}
	var out, in int
	for _, w := range c.wants {
		if w.consumer != "fountain-agent" {
			t.Errorf("consumer %q", w.consumer)
		}
		if w.output {
			out++
		} else {
			in++
			if w.buffer != eventBuffer {
				t.Errorf("a buffer of %d events", w.buffer)
			}
		}
	}
	if out != 1 || in != 2 { // one for the valves; one for the meters, one for the safety inputs
		t.Errorf("%d requests for outputs, %d for inputs", out, in)
	}
	_ = r
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	line := func(chip string, n int) rigfile.Line { return rigfile.Line{Chip: chip, Line: n, ActiveHigh: true} }
	for _, tc := range []struct {
		name                string
		change              func(*rigfile.Rig)
		where, what, remedy string
	}{
		{
			"label", func(r *rigfile.Rig) { r.Chips[0].Label = "pinctrl-bcm2711" },
			"chips(soc).label", `no GPIO chip with the label "pinctrl-bcm2711"`, "use one of: gpio-sim.0, other",
		},
		{
			"offset", func(r *rigfile.Rig) { r.Valves[1].Line.Line = 99 },
			"outputs(still).line", "lines 0 to 31, not 99", "correct",
		},
		{
			"name", func(r *rigfile.Rig) { r.Meters[0].Line = rigfile.Line{Chip: "soc", Line: -1, Name: "FLOW9"} },
			"meters(flow_still).line", `no line named "FLOW9"`, "FLOW1",
		},
		{
			"two of a name", func(r *rigfile.Rig) { r.Meters[0].Line = rigfile.Line{Chip: "soc", Line: -1, Name: "TWICE"} },
			"meters(flow_still).line", `both named "TWICE"`, "number",
		},
		{
			"bus", func(r *rigfile.Rig) { r.Chips[1].Bus = 253 },
			"/dev/i2c-253", "no such I²C bus", "i2c",
		},
		{
			"wrong chip", func(r *rigfile.Rig) { r.Chips[1].Addr = 0x21 },
			"chips(d1).addr", "no pump driver of ours", "address",
		},
		{
			"meter behind an expander", func(r *rigfile.Rig) {
				r.Chips = append(r.Chips, rigfile.Chip{ID: "x1", Kind: rigfile.ChipMCP23017, Bus: 1, Addr: 0x20})
				r.Meters[0].Line = line("x1", 3)
			},
			"meters(flow_still).line", "cannot be counted", "gpiochip",
		},
		{
			"interlock behind an expander", func(r *rigfile.Rig) {
				r.Chips = append(r.Chips, rigfile.Chip{ID: "x1", Kind: rigfile.ChipMCP23017, Bus: 1, Addr: 0x20})
				r.Interlocks[1].Line = line("x1", 3)
			},
			"interlocks(door).line", "may not sit", "gpiochip",
		},
		{
			"two owners of an expander", func(r *rigfile.Rig) {
				r.Chips = append(r.Chips, rigfile.Chip{ID: "x1", Kind: rigfile.ChipMCP23017, Bus: 1, Addr: 0x20})
				r.Valves[0].Line, r.Valves[1].Line = line("x1", 3), line("x1", 4)
			},
			"chips(x1)", "guard and of the agent", "own chip",
		},
		{
			"active low on a pca9685", func(r *rigfile.Rig) {
				r.Chips = append(r.Chips, rigfile.Chip{ID: "x1", Kind: rigfile.ChipPCA9685, Bus: 1, Addr: 0x41})
				r.Valves[1].Line = rigfile.Line{Chip: "x1", Line: 3}
			},
			"outputs(still).line", "low after a reset", "active: high",
		},
		{
			"reader of another kind", func(r *rigfile.Rig) { r.Slots[0].Reader = "d1" },
			"slots(s01).reader", "no pn532", "chips",
		},
		{
			"sensor of another kind", func(r *rigfile.Rig) {
				r.Sensors = append(r.Sensors, rigfile.Sensor{ID: "p", Kind: rigfile.SensorADC, Chip: "d1"})
			},
			"sensors(p).chip", "no ads1115", "chips",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k, c, bus := smallKernel(t)
			c.names = map[int]string{3: "FLOW1", 8: "TWICE", 9: "TWICE"}
			bus.Put(0x21, chipmodel.NewTCA9535())
			rf := smallRig(t, tc.change)
			_, _, err := Open(t.Context(), rf, hal.OwnerAgent, withSystem(k.system()), WithPriority(0))
			p := problem.From(err)
			if err == nil || p.Code != problem.CodeBadConfig || !strings.Contains(p.Where, tc.where) || !strings.Contains(p.What, tc.what) || !strings.Contains(p.Remedy, tc.remedy) {
				t.Fatalf("%v: %+v", err, p)
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			for o, f := range c.owner {
				if f != nil {
					t.Errorf("line %d is still held", o)
				}
			}
			for name, held := range k.held {
				if held {
					t.Errorf("%s is still held", name)
				}
			}
		})
	}
}

func TestOpenFindsLinesByName(t *testing.T) {
	k, c, _ := smallKernel(t)
	c.names[17] = "VALVE_STILL"
	r := openFake(t, k, smallRig(t, func(r *rigfile.Rig) {
		r.Valves[1].Line = rigfile.Line{Chip: "soc", Line: -1, Name: "VALVE_STILL", ActiveHigh: true}
	}), hal.OwnerAgent)
	bit, _ := r.Outputs().Bit("still")
	if err := r.Outputs().Apply(bit, bit); err != nil || !c.out(17) {
		t.Errorf("%v, line 17 is %v", err, c.out(17))
	}
}

func TestBusyNamesTheHolder(t *testing.T) {
	k, c, _ := smallKernel(t)
	if _, err := c.request(wish{consumer: "leds", offsets: []int{2}, output: true}); err != nil {
		t.Fatal(err)
	}
	_, _, err := Open(t.Context(), smallRig(t, nil), hal.OwnerAgent, withSystem(k.system()), WithPriority(0))
	if p := problem.From(err); !errors.Is(err, hal.ErrBusy) || p.Code != problem.CodeBusy || !strings.Contains(p.What, `line 2 of gpio-sim.0`) || !strings.Contains(p.What, `"leds"`) {
		t.Errorf("%v", err)
	}
}

// A predecessor that is just being buried is waited for.
func TestOpenWaitsForTheDead(t *testing.T) {
	k, c, _ := smallKernel(t)
	f, err := c.request(wish{offsets: []int{2}, output: true})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(50 * ms)
		_ = f.close()
	}()
	openFake(t, k, smallRig(t, nil), hal.OwnerAgent)
}

// A chip that does not answer at the start keeps nobody else's parts from working, and is taken in when it does.
func TestOpenWithoutAnI2CChip(t *testing.T) {
	k, _, bus := smallKernel(t)
	d := chips.NewDoser(modelBus{bus}, doserAddr)
	if err := errors.Join(d.Clear(), d.SetInterval(0, ms/10), d.SetTarget(0, 50)); err != nil { // by a predecessor
		t.Fatal(err)
	}
	var old [1]uint32
	waitFor(t, "the predecessor's strokes", func() bool { _, _ = d.Status(); return d.Confirmed(0, old[:]) == nil && old[0] == 50 })
	bus.Fail(doserAddr, chipmodel.ErrNAK)
	r := openFake(t, k, smallRig(t, nil), hal.OwnerAgent)
	if f := r.Health(); len(f) != 1 || f[0].Part != "d1" {
		t.Errorf("health %v", f)
	}
	p, err := r.Pump("p01")
	if err != nil || !errors.Is(p.Dose(1, 0), hal.ErrGone) {
		t.Errorf("dose without the chip: %v, %v", err, p.Dose(1, 0))
	}
	bit, _ := r.Outputs().Bit("still")
	if err := r.Outputs().Apply(bit, bit); err != nil {
		t.Errorf("the valve is held up by the pump's chip: %v", err)
	}
	bus.Fail(doserAddr, nil)
	waitFor(t, "the chip is taken in", func() bool { return p.Dose(1, 0) == nil })
	if n := p.Delivered(); n > 3 {
		t.Errorf("%d strokes: the chip's old count was taken for new", n)
	}
}

// An unplugged chip is an error for good, not a zero; plugging it in again clears nothing.
func TestUnpluggedGPIOChip(t *testing.T) {
	k, c, _ := smallKernel(t)
	r := openFake(t, k, smallRig(t, nil), hal.OwnerAgent)
	bit, _ := r.Outputs().Bit("still")
	if il, err := r.Interlocks().Now(); il != 0 || err != nil {
		t.Fatalf("%v, %v", il, err)
	}
	c.unplug()
	if err := r.Outputs().Apply(bit, bit); !errors.Is(err, hal.ErrGone) {
		t.Errorf("apply: %v", err)
	}
	if _, err := r.Interlocks().Now(); !errors.Is(err, hal.ErrGone) {
		t.Errorf("interlocks: %v", err)
	}
	if err := r.Safe(nil); !errors.Is(err, hal.ErrGone) {
		t.Errorf("safe: %v", err)
	}
	waitFor(t, "meter and input are told of", func() bool {
		seen := map[string]bool{}
		for _, f := range r.Health() {
			seen[f.Part] = true
		}
		return seen["flow_still"] && seen["door"]
	})
	k.mu.Lock()
	for _, f := range c.owner {
		if f != nil {
			f.gone = false
		}
	}
	k.mu.Unlock()
	if _, err := r.Interlocks().Now(); !errors.Is(err, hal.ErrGone) {
		t.Errorf("interlocks cleared by themselves: %v", err)
	}
}

// An emergency stop that is pressed when the rig opens is seen by the first look, not 5 ms later.
func TestTrippedAtTheStart(t *testing.T) {
	k, c, _ := smallKernel(t)
	c.level[4] = true
	r := openFake(t, k, smallRig(t, nil), hal.OwnerGuard)
	if il, err := r.Interlocks().Now(); il != hal.EStop || err != nil {
		t.Errorf("%v, %v", il, err)
	}
}

func TestHeartbeat(t *testing.T) {
	k, c, _ := smallKernel(t)
	change := func(r *rigfile.Rig) {
		r.Heartbeat = &rigfile.Heartbeat{Line: rigfile.Line{Chip: "soc", Line: 20, ActiveHigh: true}, Every: 20 * ms}
	}
	agent := openFake(t, k, smallRig(t, change), hal.OwnerAgent)
	if err := agent.(hal.Heart).Beat(); err != nil || c.owner[20] != nil {
		t.Errorf("the agent beats: %v", err)
	}
	guard := openFake(t, k, smallRig(t, change), hal.OwnerGuard)
	edges := func() (n int) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, x := range c.log {
			if x.line == 20 {
				n++
			}
		}
		return n - 1 // the request's own
	}
	const at = 5
	began := time.Now()
	waitFor(t, "the edges", func() bool {
		if err := guard.(hal.Heart).Beat(); err != nil {
			t.Fatal(err)
		}
		return edges() == at
	})
	if took := time.Since(began); took < (at-1)*20*ms {
		t.Errorf("%d edges in %v at one every 20 ms", at, took)
	}
	time.Sleep(50 * ms)
	if n := edges(); n != at {
		t.Error("the line beats without the guard")
	}
	_ = guard.Close()
	if err := guard.(hal.Heart).Beat(); !errors.Is(err, hal.ErrClosed) {
		t.Errorf("beat after close: %v", err)
	}
}

// A pump on a line, with and without a stroke sensor.
func TestLinePumps(t *testing.T) {
	k, c, _ := smallKernel(t)
	r := openFake(t, k, smallRig(t, func(r *rigfile.Rig) {
		r.Pumps[0].Line = rigfile.Line{Chip: "soc", Line: 20, ActiveHigh: true}
		r.Pumps = append(r.Pumps, rigfile.Pump{
			ID: "sensed", Owner: hal.OwnerAgent, Line: rigfile.Line{Chip: "soc", Line: 21, ActiveHigh: true}, MaxRate: 200,
			Sense: &rigfile.Line{Chip: "soc", Line: 22, ActiveHigh: true},
		})
	}), hal.OwnerAgent)
	blind, _ := r.Pump("p01")
	sensed, _ := r.Pump("sensed")
	if err := errors.Join(blind.Dose(10, 0), sensed.Dose(10, 0)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "ten strokes", func() bool { return blind.Delivered() == 10 })
	if n := sensed.Delivered(); n != 0 {
		t.Errorf("%d strokes that no sensor saw", n)
	}
	for range 4 {
		c.in(22, true)
		c.in(22, false)
	}
	waitFor(t, "the sensor's edges", func() bool { return sensed.Delivered() == 4 })
	if f := r.Health(); len(f) != 1 || f[0].Part != "p01" || !strings.Contains(f[0].What, "not confirmed") {
		t.Errorf("health %v", f)
	}
	waitFor(t, "the line is low again", func() bool { return !c.out(21) })
	k.mu.Lock()
	var up []time.Duration
	for _, x := range c.log {
		if x.line == 21 && x.level {
			up = append(up, x.at)
		}
	}
	k.mu.Unlock()
	if len(up) != 10 || up[9]-up[0] < 45*ms {
		t.Errorf("%d pulses within %v, 200/s allowed", len(up), up[len(up)-1]-up[0])
	}
}
