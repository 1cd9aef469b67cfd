package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

// The table of spec/hal.md 5: portions of four sizes, meters calibrated (gain within 0.3 %, one standard deviation) and
// not (1 %), each poured by the machine and by two controls that stand for how others dose.
var tableSizes = []int64{120, 240, 355, 590}

// control is one way to dose a portion on a machine of the trial; it returns cup errors in percent.
type control struct {
	name string
	pour func(trial, *testing.T) []float64
}

var controls = []control{
	{"by time", func(tr trial, t *testing.T) []float64 { return tr.open(t) }},
	{"by pulses, nothing compensated", func(tr trial, t *testing.T) []float64 { return tr.pulses(t) }},
	{"this machine", func(tr trial, t *testing.T) []float64 { return tr.closed(t, nil) }},
}

// tableNames are the figures of the table, in its order.
func tableNames() (names []string) {
	for _, ml := range tableSizes {
		for _, gain := range []string{"", "_gain_1pct"} {
			names = append(names, fmt.Sprintf("pour/accuracy_%d%s_mean", ml, gain), fmt.Sprintf("pour/accuracy_%d%s_p99", ml, gain))
		}
	}
	return names
}

// measureTable measures all controls on the same machines with the same drinks.
func measureTable(t *testing.T, emit func(Figure)) {
	machines, pours := uint64(12), 10
	if long() {
		machines, pours = 150, 40
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%d machines x %d pours, cup error mean / p99 in %%\n", machines, pours)
	for _, ml := range tableSizes {
		for _, gain := range []float64{0.003, 0.01} {
			errs := make([][]float64, len(controls))
			for seed := range machines {
				tr := newTrial(t, 1000+seed, pours, func(*rand.Rand) int64 { return ml })
				tr.rig = func() *rigfile.Rig { return withGain(gain) }
				for i, c := range controls {
					errs[i] = append(errs[i], c.pour(tr, t)...)
				}
			}
			name, mean, p99 := fmt.Sprintf("pour/accuracy_%d", ml), "value<=0.5", "value<=1.5"
			if gain > 0.003 {
				name, mean, p99 = name+"_gain_1pct", "value<=1", "value<=3"
			}
			base := func(q func([]float64) float64) string {
				return fmt.Sprintf("%s %s %%; %s", controls[1].name, short(q(errs[1])), controls[0].name)
			}
			high := func(xs []float64) float64 { return Quantile(xs, 0.99) }
			emit(Figure{Name: name + "_mean", Value: Mean(errs[2]), Unit: "%", Goal: mean}.Over(base(Mean), Mean(errs[0])))
			emit(Figure{Name: name + "_p99", Value: high(errs[2]), Unit: "%", Goal: p99}.Over(base(high), high(errs[0])))
			for i, c := range controls {
				fmt.Fprintf(&table, "%3d ml, gain %.1f %%, %-31s %.2f / %.2f\n", ml, 100*gain, c.name+":", Mean(errs[i]), high(errs[i]))
			}
		}
	}
	t.Log(table.String())
}

// withGain is the demo rig with meters that are off by a fixed error of this standard deviation.
func withGain(sigma float64) *rigfile.Rig {
	rig := sim.DemoRig()
	rig.Sim.Meters = nil
	for _, m := range rig.Meters {
		rig.Sim.Meters = append(rig.Sim.Meters, rigfile.SimMeter{ID: m.ID, GainSigma: sigma})
	}
	return rig
}

// pulses pours by counting: the valve is shut when the meter shows the target, nothing is learned or foreseen.
func (tr trial) pulses(t *testing.T) (errs []float64) {
	synctest.Test(t, func(t *testing.T) {
		b := &byPulses{byTime: byTime{t: t, current: theMenu(t)}}
		var grig, arig hal.Rig
		b.plant, grig, arig = newPlant(t, tr.config())
		b.guard, b.agent, b.rig = grig.Outputs(), arig.Outputs(), arig
		var err error
		if b.lineup, err = recipe.Build(arig.Parts(), b.current.plano); err != nil {
			t.Fatal(err)
		}
		for _, o := range tr.orders {
			errs = append(errs, percentOff(b.pour(o), o.ul))
		}
	})
	return errs
}

// byPulses is the base without compensation.
type byPulses struct{ byTime }

func (b *byPulses) pour(o order) int64 {
	plan, err := recipe.Compute(b.current.catalogue, b.lineup, shelf{b.current.plano}, recipe.DefaultLimits(), o.drink.ID, o.ul, false)
	if err != nil {
		b.t.Fatal(err)
	}
	meter, err := b.rig.Meter(plan.Carrier.Meter)
	if err != nil {
		b.t.Fatal(err)
	}
	b.plant.NewCup()
	b.apply(b.guard, hal.Master, true)
	time.Sleep(100 * time.Millisecond)
	from := meter.Count().Pulses
	b.apply(b.agent, plan.Carrier.Valve, true)
	given := make([]int, len(plan.Doses))
	for {
		water := float64(meter.Count().Pulses-from) * 1e6 / plan.Carrier.PulsesPerLitre
		share := min(1, water/float64(plan.CarrierUL))
		for i, d := range plan.Doses { // ingredients follow the water here too: only stopping differs
			p, err := b.rig.Pump(d.Pump)
			if due := int(float64(d.Strokes)*share + 0.5); err == nil && due > given[i] {
				err, given[i] = p.Dose(due-given[i], 0), due
			}
			if err != nil {
				b.t.Fatal(err)
			}
		}
		if share >= 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.apply(b.agent, plan.Carrier.Valve, false)
	time.Sleep(time.Second) // the pumps' last strokes too
	b.apply(b.guard, hal.Master, false)
	return total(b.plant.CupUL())
}
