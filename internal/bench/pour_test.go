package bench

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/machine"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

// long runs the accuracy figures on as many machines and pours as DESIGN 8 asks for.
func long() bool { return os.Getenv("FOUNTAIN_LONG") != "" }

// order is one portion to pour.
type order struct {
	drink *beverage.Beverage
	ul    int64
}

// trial is a machine and what it pours; the same goes to both controls.
type trial struct {
	seed   uint64
	rig    func() *rigfile.Rig // nil: the demo rig
	orders []order
}

func newTrial(t *testing.T, seed uint64, pours int, ml func(*rand.Rand) int64) trial {
	rng, drinks := rand.New(rand.NewPCG(seed, 7)), theMenu(t).drinks
	tr := trial{seed: seed}
	for range pours {
		tr.orders = append(tr.orders, order{drinks[rng.IntN(len(drinks))], 1000 * ml(rng)})
	}
	return tr
}

func (tr trial) config() sim.Config {
	cfg := sim.Config{Seed: tr.seed}
	if tr.rig != nil {
		cfg.Rig = tr.rig()
	}
	return cfg
}

// closed pours with the machine and returns each portion's cup error in percent; ratios, if not nil, gets each drink's
// worst ingredient.
func (tr trial) closed(t *testing.T, ratios *[]float64) (errs []float64) {
	virtual(t, tr.config(), func(u *unit) {
		u.commission()
		for _, o := range tr.orders {
			r := u.pour(o.drink, o.ul)
			cup := u.plant.CupUL()
			errs = append(errs, percentOff(total(cup), o.ul))
			if ratios != nil {
				*ratios = append(*ratios, worstRatio(r, cup))
			}
		}
	})
	return errs
}

func percentOff(got, want int64) float64 {
	return 100 * math.Abs(float64(got)-float64(want)) / float64(want)
}

// worstRatio is the largest error of an ingredient's share of what is in the cup, in percent.
func worstRatio(r machine.Result, cup map[string]int64) (worst float64) {
	sum := float64(total(cup))
	for _, p := range r.Intent.Parts {
		want := sum * float64(p.Share) / recipe.Million
		worst = max(worst, 100*math.Abs(float64(cup[string(p.Ingredient)])/want-1))
	}
	return worst
}

// byTime is the base: the same plant, the same drinks, each valve open for as long as its own commissioning says.
// It is the best a machine without meters can do: flow and dead time are calibrated per valve on this very machine.
type byTime struct {
	plant   *sim.Plant
	guard   hal.Outputs
	agent   hal.Outputs
	rig     hal.Rig
	t       *testing.T
	perUL   map[string]float64       // valve -> seconds per µL
	dead    map[string]time.Duration // valve -> what opening costs more than shutting gives back
	lineup  *recipe.Lineup
	current *menu
}

func (tr trial) open(t *testing.T) (errs []float64) {
	synctest.Test(t, func(t *testing.T) {
		b := &byTime{t: t, perUL: map[string]float64{}, dead: map[string]time.Duration{}, current: theMenu(t)}
		var grig, arig hal.Rig
		b.plant, grig, arig = newPlant(t, tr.config())
		b.guard, b.agent, b.rig = grig.Outputs(), arig.Outputs(), arig
		var err error
		if b.lineup, err = recipe.Build(arig.Parts(), b.current.plano); err != nil {
			t.Fatal(err)
		}
		for _, p := range arig.Parts() {
			if p.Carrier != "" {
				b.calibrate(p.ID)
			}
		}
		for _, o := range tr.orders {
			errs = append(errs, percentOff(b.pour(o), o.ul))
		}
	})
	return errs
}

// calibrate measures five short and five long openings into a cup.
func (b *byTime) calibrate(valve string) {
	const low, high = time.Second, 4 * time.Second
	mean := func(d time.Duration) (ul float64) {
		for range 5 {
			b.plant.NewCup()
			b.run(valve, d, nil)
			ul += float64(total(b.plant.CupUL())) / 5
		}
		return ul
	}
	v1, v2 := mean(low), mean(high)
	b.perUL[valve] = (high - low).Seconds() / (v2 - v1)
	b.dead[valve] = low - time.Duration(v1*b.perUL[valve]*float64(time.Second))
}

func (b *byTime) apply(o hal.Outputs, valve string, open bool) {
	bit, err := o.Bit(valve)
	if err == nil {
		on := uint64(0)
		if open {
			on = bit
		}
		err = o.Apply(bit, on)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// run opens the valve for d while the doses run beside the water, and waits until all is still.
func (b *byTime) run(valve string, d time.Duration, doses []recipe.Dose) {
	b.apply(b.guard, hal.Master, true)
	time.Sleep(100 * time.Millisecond)
	b.apply(b.agent, valve, true)
	for _, dose := range doses {
		p, err := b.rig.Pump(dose.Pump)
		if err == nil && dose.Strokes > 0 {
			err = p.Dose(int(dose.Strokes), d/time.Duration(dose.Strokes))
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	time.Sleep(d)
	b.apply(b.agent, valve, false)
	time.Sleep(500 * time.Millisecond)
	b.apply(b.guard, hal.Master, false)
	if len(doses) > 0 {
		time.Sleep(5 * time.Second) // the pumps' longest backlog
	}
}

func (b *byTime) pour(o order) (ul int64) {
	plan, err := recipe.Compute(b.current.catalogue, b.lineup, shelf{b.current.plano}, recipe.DefaultLimits(), o.drink.ID, o.ul, false)
	if err != nil {
		b.t.Fatal(err)
	}
	b.plant.NewCup()
	valve := plan.Carrier.Valve
	d := b.dead[valve] + time.Duration(float64(plan.CarrierUL)*b.perUL[valve]*float64(time.Second))
	b.run(valve, d, plan.Doses)
	return total(b.plant.CupUL())
}

const timed = "the same pours by time, flow and dead time calibrated on the same machine"

func measureAnySize(t *testing.T, emit func(Figure)) {
	machines, pours := uint64(10), 20
	if long() {
		machines, pours = 150, 40
	}
	var ours, theirs, ratios []float64
	for seed := range machines {
		tr := newTrial(t, 100+seed, pours, func(r *rand.Rand) int64 { return 120 + r.Int64N(471) })
		ours = append(ours, tr.closed(t, nil)...)
		theirs = append(theirs, tr.open(t)...)
		same := newTrial(t, 300+seed, pours/2, func(*rand.Rand) int64 { return 240 })
		same.closed(t, &ratios)
	}
	name := "pour/accuracy_120..590"
	emit(Figure{Name: name + "_mean", Value: Mean(ours), Unit: "%", Goal: "value<=0.5"}.Over(timed, Mean(theirs)))
	emit(Figure{Name: name + "_p99", Value: Quantile(ours, 0.99), Unit: "%", Goal: "value<=1.5"}.Over(timed, Quantile(theirs, 0.99)))
	emit(Figure{Name: "pour/ratio_240", Value: Quantile(ratios, 1), Unit: "% worst ingredient", Goal: "value<=2"})
}

// measureStop ends pours at random moments and takes the worst time, on the plant's own clock, until the line of the
// carrier's valve was low.
func measureStop(t *testing.T, emit func(Figure)) {
	var api, door []float64
	virtual(t, sim.Config{Seed: 1}, func(u *unit) {
		rng := rand.New(rand.NewPCG(1, 7))
		shut := func(end func(id string)) float64 {
			drink := u.drinks[rng.IntN(len(u.drinks))]
			id, letGo := u.start(drink, 350_000, true)
			defer letGo()
			u.wait("water flows", 3*time.Second, func() bool { return u.machine.State().Phase == pour.Flow })
			time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Second))))
			valve := drink.Recipe.Carrier
			if v, ok := u.plant.Valve(valve); !ok || !v.Commanded {
				t.Fatalf("valve %s is not open", valve)
			}
			at := u.plant.Now()
			end(id)
			u.recorded(id)
			v, _ := u.plant.Valve(valve)
			return float64(time.Duration(v.CommandedShutNS)-at) / float64(time.Millisecond)
		}
		for range 60 {
			api = append(api, shut(func(id string) { u.machine.Stop(id, pour.ReasonReleased) }))
			open := sim.Fault{Kind: sim.DoorOpen}
			door = append(door, shut(func(string) {
				if err := u.plant.Inject(open); err != nil {
					t.Fatal(err)
				}
			}))
			if err := u.plant.Clear(open); err != nil {
				t.Fatal(err)
			}
			u.wait("the door is shut", time.Second, func() bool { return u.machine.State().Fault == "" })
		}
	})
	emit(Figure{Name: "stop/api_to_shut", Value: Quantile(api, 1), Unit: "ms worst, virtual", Goal: "value<=20"})
	emit(Figure{Name: "stop/door_to_shut", Value: Quantile(door, 1), Unit: "ms worst, virtual", Goal: "value<=20"})
}

// measureGuard loses the beats in the middle of pours and takes the worst time from the last beat that arrived until the
// line of MASTER was low.
func measureGuard(t *testing.T, emit func(Figure)) {
	var worst []float64
	for seed := range uint64(40) {
		virtual(t, sim.Config{Seed: 500 + seed}, func(u *unit) {
			rng := rand.New(rand.NewPCG(seed, 7))
			id, letGo := u.start(u.drinks[rng.IntN(len(u.drinks))], 350_000, true)
			defer letGo()
			u.wait("water flows", 3*time.Second, func() bool { return u.machine.State().Phase == pour.Flow })
			time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
			u.link.silence(true)
			last := u.link.last()
			if !last.MasterOpen {
				t.Fatal("MASTER is not open")
			}
			u.recorded(id)
			last = u.link.last() // one more may have been on its way
			if last.Reason != beat.ReasonNoBeat {
				t.Fatalf("MASTER shut because of %s", last.Reason)
			}
			shut := time.Duration(u.plant.State().Master.CommandedShutNS)
			worst = append(worst, float64(shut-last.BeatAt)/float64(time.Millisecond))
			u.link.silence(false)
		})
	}
	emit(Figure{Name: "guard/last_beat_to_shut", Value: Quantile(worst, 1), Unit: "ms worst, virtual", Goal: "value<=200"})
}

// measureOpenAtEnd reports what every unit of this run left behind.
func measureOpenAtEnd(t *testing.T, emit func(Figure)) {
	if openAtEnd.units == 0 { // asked for alone
		measureStop(t, func(Figure) {})
		measureGuard(t, func(Figure) {})
	}
	t.Logf("%d units", openAtEnd.units)
	emit(Figure{Name: "stop/valves_open_at_end", Value: float64(openAtEnd.valves), Unit: "valves", Goal: "value==0"})
}
