package sim

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// pump doses n strokes of a pump and waits for them.
func (b *bench) pump(t *testing.T, id string, n int) {
	t.Helper()
	u, err := b.agent.Pump(id)
	must(t, err)
	must(t, u.Dose(n, 0))
	time.Sleep(time.Duration(n)*5*time.Millisecond + 50*time.Millisecond)
}

func TestSlowPhysics(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*rigfile.Rig)
		do     func(t *testing.T, b *bench)
	}{
		{"the bath warms while it is poured, and cools down again", nil, func(t *testing.T, b *bench) {
			time.Sleep(10 * time.Minute)
			if r := b.reads(t, "t_water"); r.Value < 2.3 || r.Value > 3.7 {
				t.Errorf("at rest: %+v", r)
			}
			b.open(t, b.still, 40*time.Second) // 3 l of 10
			warm := b.reads(t, "t_water")
			if warm.Value < 5 || warm.Value > 9 {
				t.Errorf("after 3 l: %+v", warm)
			}
			time.Sleep(20 * time.Minute)
			if r := b.reads(t, "t_water"); r.Value > 3.7 {
				t.Errorf("20 minutes later: %+v", r)
			}
		}},
		{"a machine without cooling keeps its temperatures", func(r *rigfile.Rig) { r.Sim.Cooling = nil }, func(t *testing.T, b *bench) {
			b.open(t, b.still, 40*time.Second)
			if w, c := b.reads(t, "t_water"), b.reads(t, "t_cabinet"); w.Value != 3 || c.Value != 5 {
				t.Errorf("water %+v, cabinet %+v", w, c)
			}
		}},
		{"the carbonator refills below its mark, weakly pouring meanwhile", nil, func(t *testing.T, b *bench) {
			b.open(t, b.sparkling, 6*time.Second)
			b.sees(t, b.agent, 0)
			b.open(t, b.sparkling, time.Second) // beyond half of 1 l
			time.Sleep(200 * time.Millisecond)
			b.sees(t, b.agent, hal.Carbonating)
			at, _ := b.p.Valve("sparkling")
			b.open(t, b.sparkling, 2*time.Second)
			v, _ := b.p.Valve("sparkling")
			near(t, "sparkling water while it refills", float64(v.SuppliedUL-at.SuppliedUL), 0.6*150_000, 4000)
			time.Sleep(25 * time.Second)
			b.sees(t, b.agent, 0)
			if c := b.p.State().Carbonator; c.LevelUL != 1_000_000 {
				t.Errorf("%+v", c)
			}
		}},
		{"sparkling water foams, the more the warmer, and the head settles", nil, func(t *testing.T, b *bench) {
			head := func(mask uint64) float64 {
				b.p.NewCup()
				b.open(t, mask, 2*time.Second)
				return float64(b.p.State().Cup.FoamUL)
			}
			if h := head(b.still); h != 0 {
				t.Errorf("still water has a head of %v µL", h)
			}
			cold := head(b.sparkling)
			if total := float64(b.p.State().Cup.TotalUL); cold < 0.08*total || cold > 0.25*total {
				t.Errorf("a head of %v µL on %v", cold, total)
			}
			must(t, b.p.Inject(Fault{Kind: WaterWarm, Amount: 15}))
			if warm := head(b.sparkling); warm < 1.5*cold {
				t.Errorf("%v µL cold, %v µL warm", cold, warm)
			}
			time.Sleep(foamTau * 8)
			if f := b.p.State().Cup.FoamUL; f > 30 {
				t.Errorf("%d µL of foam after 24 s", f)
			}
		}},
		{"pulp settles, the agitator mixes it", nil, func(t *testing.T, b *bench) {
			strength := func() float64 {
				b.p.NewCup()
				b.pump(t, "p02", 100)
				return b.p.State().Cup.Strength["juice.orange"]
			}
			near(t, "fresh, in percent", 100*strength(), 100, 0.5)
			time.Sleep(2 * time.Hour)
			near(t, "after one time constant", 100*strength(), 100*(settledTo+(1-settledTo)/math.E), 1)
			stir := mustBit(t, b.agent, "stir")
			must(t, b.agent.Outputs().Apply(stir, stir))
			time.Sleep(20 * time.Second)
			must(t, b.agent.Outputs().Apply(stir, 0))
			near(t, "after the agitator ran", 100*strength(), 100, 1)
			if v, _ := b.p.Valve("stir"); v.Commanded || v.Open || v.CommandedShutNS == 0 {
				t.Errorf("the agitator's output: %+v", v)
			}
		}},
		{"pressure falls while water flows", nil, func(t *testing.T, b *bench) {
			time.Sleep(time.Second)
			rest := b.reads(t, "p_water").Value
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			time.Sleep(3 * time.Second)
			if flows := b.reads(t, "p_water").Value; rest != waterKPa || flows > 0.93*rest || flows < 0.8*rest {
				t.Errorf("%v kPa at rest, %v kPa with flow", rest, flows)
			}
		}},
		{"the one-shot drops the valve supply when the heartbeat ends", func(r *rigfile.Rig) { r.Sim.HeartbeatHold = 200 * time.Millisecond }, func(t *testing.T, b *bench) {
			heart := b.guard.(hal.Heart)
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			time.Sleep(time.Second)
			if ul := b.p.State().Cup.TotalUL; ul != 0 {
				t.Errorf("%d µL before the first edge", ul)
			}
			for range 40 {
				must(t, heart.Beat())
				time.Sleep(25 * time.Millisecond)
			}
			if s := b.p.State(); s.Cup.TotalUL < 50_000 || s.Unpowered {
				t.Errorf("%d µL in a second with edges", s.Cup.TotalUL)
			}
			last := b.p.Now() - 25*time.Millisecond
			time.Sleep(time.Second)
			v, _ := b.p.Valve("still")
			if v.Open || !v.Commanded {
				t.Errorf("without edges: %+v", v)
			}
			near(t, "ms from the last edge to a shut valve", float64(time.Duration(v.ShutNS)-last)/1e6, 200+40+6, 3)
			must(t, heart.Beat())
			time.Sleep(100 * time.Millisecond)
			if v, _ := b.p.Valve("still"); !v.Open {
				t.Error("an edge does not bring the supply back")
			}
			if err := b.agent.(hal.Heart).Beat(); err != nil { // not its line: nothing happens
				t.Error(err)
			}
		}},
		{"the emergency stop cuts the valve supply where the board wires it so", func(r *rigfile.Rig) { r.Sim.EStopCutsSupply = true }, func(t *testing.T, b *bench) {
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			time.Sleep(time.Second)
			must(t, b.p.Inject(Fault{Kind: EStopPressed}))
			at := b.p.Now()
			time.Sleep(500 * time.Millisecond)
			v, _ := b.p.Valve("still")
			if v.Open || !v.Commanded || time.Duration(v.ShutNS)-at > 60*time.Millisecond {
				t.Errorf("%+v", v)
			}
		}},
		{"without that wire only software acts", nil, func(t *testing.T, b *bench) {
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			must(t, b.p.Inject(Fault{Kind: EStopPressed}))
			time.Sleep(500 * time.Millisecond)
			if v, _ := b.p.Valve("still"); !v.Open {
				t.Error("the valve shut by itself")
			}
		}},
		{"faults of the rig file come and go at their times", func(r *rigfile.Rig) {
			r.Sim.Faults = []rigfile.SimFault{
				{Kind: "half-flow", Part: "still", Amount: 0.2},
				{Kind: "door", At: 3 * time.Second, For: 2 * time.Second},
			}
		}, func(t *testing.T, b *bench) {
			b.try(t).want(t, changed(func(s *seen) { s.water, s.pulses, s.late = 15_000, 15, 765 })) // 2.5 s
			b.sees(t, b.agent, 0)
			time.Sleep(time.Second)
			b.sees(t, b.agent, hal.Door)
			time.Sleep(2 * time.Second)
			b.sees(t, b.agent, 0)
			if f := b.p.State().Faults; len(f) != 1 || f[0].Kind != HalfFlow {
				t.Errorf("faults %v", f)
			}
		}},
		{"a fault with a length ends by itself; a newer one of its kind does not end with it", nil, func(t *testing.T, b *bench) {
			must(t, b.p.Inject(Fault{Kind: SupplyCut, For: time.Second}))
			time.Sleep(500 * time.Millisecond)
			must(t, b.p.Inject(Fault{Kind: SupplyCut, For: 2 * time.Second}))
			time.Sleep(time.Second)
			b.sees(t, b.agent, hal.NoWater)
			time.Sleep(1100 * time.Millisecond)
			b.sees(t, b.agent, 0)
		}},
		{"a given amount of air is flushed out and over", nil, func(t *testing.T, b *bench) {
			must(t, b.p.Inject(Fault{Kind: AirSlugs, Part: "still", Amount: 40}))
			b.open(t, b.still, 4*time.Second)
			if f := b.p.State().Faults; len(f) != 0 {
				t.Errorf("after 4 s of flushing: %v", f)
			}
			b.try(t).want(t, well)
		}},
		{"a torrent past a shut seat turns the meter", nil, func(t *testing.T, b *bench) {
			must(t, b.p.Inject(Fault{Kind: Weep, Part: "still", Amount: 20_000})) // 5.6 ml/s
			m, err := b.agent.Meter("flow_still")
			must(t, err)
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			time.Sleep(10 * time.Second)
			near(t, "pulses", float64(m.Count().Pulses), 55, 3)
			near(t, "cup", float64(b.p.State().Cup.TotalUL), 55_500, 1000)
		}},
		{"everything ends at once", nil, func(t *testing.T, b *bench) {
			for _, info := range Faults() {
				f := Fault{Kind: info.Kind}
				switch info.Part {
				case hal.KindValve:
					f.Part = "still"
				case hal.KindMeter:
					f.Part = "flow_still"
				case hal.KindPump:
					f.Part = "p01"
				case hal.KindSlot:
					f.Part = "s01"
				case hal.KindSensor:
					f.Part = "t_water"
				case hal.KindInterlock:
					f.Part = "door"
				case PartChip:
					f.Part = "x1"
				case PartOwner:
					f.Part = "agent"
				}
				if _, ok := info.With(); ok {
					f.With = map[FaultKind]string{ValvesSwapped: "sparkling", MetersSwapped: "flow_sparkling"}[f.Kind]
					if f.With == "" {
						f.With = "tea.green"
					}
				}
				must(t, b.p.Inject(f))
			}
			if n := len(b.p.State().Faults); n != len(faultInfos) {
				t.Errorf("%d faults last", n)
			}
			time.Sleep(5 * time.Second)
			b.p.ClearAll()
			time.Sleep(time.Hour)
			must(t, b.p.SetCartridge(Cartridge{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 500_000}))
			b.try(t).want(t, well)
			b.sees(t, b.agent, 0)
			b.sees(t, b.guard, 0)
			if h := b.agent.Health(); len(h) != 0 {
				t.Errorf("health %v", h)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.do(t, full(t, tt.change)) })
		})
	}
}

func TestRigFileFaultRefused(t *testing.T) {
	rig, err := rigfile.Load("testdata/full.yaml")
	must(t, err)
	for _, f := range []rigfile.SimFault{{Kind: "fire"}, {Kind: "weep", Part: "flow_still"}, {Kind: "weep", Part: "still", Amount: -3}, {Kind: "cartridge-wrong", Part: "s01"}} {
		rig.Sim.Faults = []rigfile.SimFault{f}
		if _, err := NewPlant(Config{Rig: rig}); err == nil || !strings.Contains(err.Error(), "sim.faults[0]") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// Slow physics does not depend on when somebody looks either.
func TestSlowDeterministic(t *testing.T) {
	run := func(look time.Duration) (s State) {
		synctest.Test(t, func(t *testing.T) {
			rig, err := rigfile.Load("testdata/full.yaml")
			must(t, err)
			b := newBench(t, Config{Rig: rig, Seed: 9})
			for _, f := range []Fault{{Kind: PhantomPulses, Part: "flow_still"}, {Kind: AirSlugs, Part: "still"}, {Kind: Weep, Part: "sparkling"}, {Kind: InputChatter, Part: "door", Amount: 12}} {
				must(t, b.p.Inject(f))
			}
			must(t, b.guard.Outputs().Apply(b.master, b.master))
			must(t, b.agent.Outputs().Apply(b.still, b.still))
			for end := time.Now().Add(7 * time.Second); time.Now().Before(end); {
				time.Sleep(look)
				b.p.CupUL()
			}
			must(t, b.agent.Outputs().Apply(b.still, 0))
			time.Sleep(70 * time.Second)
			s = b.p.State()
		})
		return s
	}
	a, _ := json.Marshal(run(time.Millisecond))
	b, _ := json.Marshal(run(700 * time.Millisecond))
	if string(a) != string(b) {
		t.Errorf("looking changed the machine:\n%s\n%s", a, b)
	}
}
