package sim

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// anyFault draws a fault that leaves the books whole: one that makes liquid vanish is left out.
func anyFault(rng *rand.Rand, p *Plant) Fault {
	for {
		info := faultInfos[rng.IntN(len(faultInfos))]
		f := Fault{Kind: info.Kind, For: time.Duration(rng.IntN(3)) * time.Second}
		if info.Kind == CartridgeEmpty || info.Kind == LineBusy || info.Kind == ChipMissing {
			continue
		}
		var ids []string
		switch info.Part {
		case PartMachine:
			ids = []string{""}
		case PartOwner:
			ids = []string{"agent", "guard"}
		case PartChip:
			for _, c := range p.rig.Chips {
				ids = append(ids, c.ID)
			}
		default:
			for _, x := range p.rig.Parts() {
				if x.Kind == info.Part {
					ids = append(ids, x.ID)
				}
			}
		}
		f.Part = ids[rng.IntN(len(ids))]
		if _, ok := info.With(); ok {
			if f.With = "tea.green"; info.Part != hal.KindSlot {
				f.With = ids[rng.IntN(len(ids))]
			}
		}
		return f
	}
}

// Whatever goes wrong in whatever order: no liquid comes from nowhere or is lost, counters never go back, and when all
// is put right and shut the machine is still and well.
func TestAnythingMayHappen(t *testing.T) {
	const sequences = 300
	refused, injected := 0, 0
	for seed := range uint64(sequences) {
		synctest.Test(t, func(t *testing.T) {
			rig, err := rigfile.Load("testdata/full.yaml")
			must(t, err)
			if seed%2 == 1 {
				lined(rig)
			}
			b := newBench(t, Config{Rig: rig, Seed: seed, Cartridges: []Cartridge{
				{Slot: "s01", Ingredient: "syrup.sugar", VolumeUL: 1_000_000}, {Slot: "s02", Ingredient: "juice.orange", VolumeUL: 1_000_000},
			}})
			book := func() (out, in int64) {
				s := b.p.State()
				for _, v := range s.Valves {
					out += v.SuppliedUL
				}
				for i := range b.p.slots {
					out -= int64(b.p.slots[i].level)
					for _, x := range b.p.slots[i].line {
						if x.ingredient != air {
							in += int64(x.ul)
						}
					}
				}
				return out, in + s.Cup.TotalUL + s.SpilledUL
			}
			out0, in0 := book()
			rng := rand.New(rand.NewPCG(seed, 77))
			m, err := b.agent.Meter("flow_still")
			must(t, err)
			stir := mustBit(t, b.agent, "stir")
			last := m.Count()
			for range 40 {
				switch rng.IntN(6) {
				case 0, 1:
					f := anyFault(rng, b.p)
					if b.p.Inject(f) != nil {
						refused++
					}
					injected++
				case 2:
					_ = b.guard.Outputs().Apply(b.master, b.master*uint64(rng.IntN(2))) // a fault may refuse it
				case 3:
					all := b.still | b.sparkling | stir
					_ = b.agent.Outputs().Apply(all, rng.Uint64()&all)
				case 4:
					u, err := b.agent.Pump([]string{"p01", "p02"}[rng.IntN(2)])
					must(t, err)
					_ = u.Dose(rng.IntN(200), 0)
				case 5:
					if list := b.p.lasting(); len(list) > 0 {
						k := list[rng.IntN(len(list))]
						must(t, b.p.Clear(Fault{Kind: k.kind, Part: k.part}))
					}
				}
				time.Sleep(time.Duration(rng.IntN(900)) * time.Millisecond)
				c := m.Count()
				if c.Pulses < last.Pulses || c.Lost < last.Lost || c.Last < last.Last || c.Lost > c.Pulses {
					t.Fatalf("seed %d: the count went from %+v to %+v", seed, last, c)
				}
				last = c
			}
			b.p.ClearAll()
			must(t, b.agent.Safe(nil))
			must(t, b.guard.Safe(nil))
			time.Sleep(10 * time.Minute)
			out1, in1 := book()
			if lost := (out1 - out0) - (in1 - in0); lost > 60 || lost < -60 { // each figure is rounded
				t.Errorf("seed %d: %d µL left supply and cartridges, %d µL arrived", seed, out1-out0, in1-in0)
			}
			s := b.p.State()
			for _, v := range append(s.Valves, s.Agitators...) {
				if v.Commanded || v.Open || v.FlowULs != 0 {
					t.Errorf("seed %d: %+v after everything was shut", seed, v)
				}
			}
			if n := len(b.agent.Health()) + len(s.Faults); n != 0 || s.Unpowered {
				t.Errorf("seed %d: %v, %v after everything was put right", seed, b.agent.Health(), s.Faults)
			}
			b.p.EmptyTray()
			b.p.NewCup()
			time.Sleep(20 * time.Millisecond)
			b.sees(t, b.agent, 0)
			b.sees(t, b.guard, 0)
		})
	}
	if refused > injected/4 {
		t.Errorf("%d of %d faults were refused", refused, injected)
	}
}

func TestSnapshotRoundTrip(t *testing.T) {
	in := snapshot{
		at: 12 * time.Second, commanded: 5, goneMask: 6, deadMask: 4, goneChips: 3, faulty: 8, slow: 16, done: 99, locks: hal.Door | hal.Carbonating, locksGone: true,
		counts:    []hal.Count{{Pulses: 7, Lost: 2, Last: 3, Period: 4}, {Pulses: 1}},
		delivered: []uint64{9, 0, 3},
		sensors:   []reading{{value: -3.25, at: 11, why: whyOpen}, {value: 400}},
	}
	frame := in.append(nil)
	out := snapshot{counts: make([]hal.Count, 2), delivered: make([]uint64, 3), sensors: make([]reading, 2)}
	must(t, out.decode(frame[headerSize:]))
	if !reflect.DeepEqual(in, out) {
		t.Errorf("sent %+v\ngot  %+v", in, out)
	}
	if out.decode(frame[headerSize:len(frame)-1]) == nil {
		t.Error("a frame that is cut short was taken")
	}
	frame[len(frame)-8] = 200 // a reason nobody knows
	if out.decode(frame[headerSize:]) == nil {
		t.Error("a reading with an unknown reason was taken")
	}
}

func FuzzSnapshot(f *testing.F) {
	make3 := func() snapshot {
		return snapshot{counts: make([]hal.Count, 1), delivered: make([]uint64, 1), sensors: make([]reading, 1)}
	}
	s := make3()
	f.Add(s.append(nil)[headerSize:])
	f.Fuzz(func(t *testing.T, b []byte) {
		s := make3()
		if s.decode(b) != nil {
			return
		}
		again := make3()
		must(t, again.decode(s.append(nil)[headerSize:]))
		x, _ := json.Marshal(s.counts)
		y, _ := json.Marshal(again.counts)
		if string(x) != string(y) || s.commanded != again.commanded || s.locks != again.locks {
			t.Errorf("%+v became %+v", s, again)
		}
	})
}
