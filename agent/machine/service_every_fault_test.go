package machine

import (
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

// strikes is where a fault strikes an operation that rinses by the still water's valve and primes slot s20.
func strikes(info sim.FaultInfo) sim.Fault {
	f := sim.Fault{Kind: info.Kind}
	switch info.Part {
	case hal.KindValve:
		f.Part, f.With = "still", "sparkling"
	case hal.KindMeter:
		f.Part, f.With = "flow_still", "flow_sparkling"
	case hal.KindPump:
		f.Part = "p20"
	case hal.KindSlot:
		f.Part, f.With = "s20", "syrup.sugar"
	case hal.KindSensor:
		f.Part = "t_water"
	case hal.KindInterlock:
		f.Part = "door"
	case sim.PartChip:
		f.Part = "d2" // the dosing board of p20; with the chip of MASTER gone nothing could be shut by anybody but the guard
	case sim.PartOwner:
		f.Part = string(hal.OwnerAgent)
	}
	if info.Kind == sim.PowerCut { // a brown-out: when it lasts the guard ends itself, as its own tests say
		f.For = 150 * time.Millisecond
	}
	if _, ok := info.With(); !ok {
		f.With = ""
	}
	return f
}

// blind are faults after which nobody can know what flowed: counts are wrong, late or stand still.
var blind = map[sim.FaultKind]bool{
	sim.MeterDead: true, sim.MeterDrift: true, sim.PhantomPulses: true, sim.MissedPulses: true, sim.Coasting: true, sim.LostPulses: true,
	sim.MetersSwapped: true, sim.AirSlugs: true, sim.StuckOpen: true, sim.StrokeUnseen: true, sim.LineAir: true, sim.ChipGone: true,
	sim.RigStall: true, sim.PowerCut: true, sim.ChipSlow: true, sim.CartridgeEmpty: true, sim.StrokeLoss: true,
}

// TestServiceEveryFault strikes a rinse and a prime with every fault the plant knows, while it flows: each ends, in
// bounds, with everything shut, and nothing opens again when the fault has gone.
func TestServiceEveryFault(t *testing.T) {
	rig, err := rigfile.Load("../../testdata/rig/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range sim.Faults() {
		for _, req := range []api.StartOp{
			{Kind: api.OpRinse, Line: "still", Params: map[string]string{"ml": "400"}},
			{Kind: api.OpPrime, Line: "s20"},
		} {
			t.Run(string(info.Kind)+"/"+req.Kind, func(t *testing.T) {
				bubble(t, sim.Config{Seed: 33, Rig: rig}, func(t *testing.T, u *unit) {
					u.plant.NewCup()
					s := u.begin(u.plan(req))
					leave := u.attend(s, tech{})
					defer leave()
					u.wait("flow", 5*time.Second, func() bool { return s.Op().FlowedUL > 1000 })
					f := strikes(info)
					before := u.plant.Now()
					u.inject(f)
					if info.Kind == sim.TrayFull && req.Kind == api.OpRinse { // it waits for the tray to be emptied
						u.wait("asked", time.Second, func() bool { return s.Op().Ask != nil && u.allShut() && u.masterShut() })
						u.clearFault(f)
					}
					r := u.ended(s)
					took := u.plant.Now() - before
					sum, _ := u.cupUL()
					flowed := sum + u.plant.SpilledUL()
					t.Logf("%-20s %-6s %-7s %-16s after %6v: %6.1f ml flowed, %6.1f counted", info.Kind, req.Kind, r.Outcome, r.Reason, took.Round(time.Millisecond), float64(flowed)/1000, float64(r.WastedUL)/1000)
					if took > 30*time.Second {
						t.Errorf("it took %v", took)
					}
					if flowed > 550_000 {
						t.Errorf("%d µL flowed", flowed)
					}
					if d := flowed - r.WastedUL; !blind[info.Kind] && (d > 8000 || d < -8000) {
						t.Errorf("%d µL flowed, %d counted", flowed, r.WastedUL)
					}
					if r.Outcome == api.OpDone && req.Kind == api.OpRinse && flowed < 390_000 { // proven means that it was there
						t.Errorf("400 ml are proven, %d µL flowed", flowed)
					}
					if info.Kind == sim.AirSlugs && r.Reason != maintenance.ReasonAir {
						t.Errorf("air is told as %q", r.Reason)
					}
					if r.Outcome != api.OpDone && r.Remedy == "" {
						t.Errorf("no remedy for %q", r.Reason)
					}
					u.clearFault(f)
					time.Sleep(3 * time.Second)
					if !u.allShut() || !u.masterShut() {
						t.Error("something opened again")
					}
				})
			})
		}
	}
}
