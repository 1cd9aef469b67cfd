package sim

import (
	"math"
	"time"
)

// film is what sticks in the nozzle and goes into the next drink. It is a book beside the cup's: what a pour delivers
// reaches the cup as before, and State.Cup.CarryOver says how much of an earlier drink came with it. The film is mixed
// through: a pour of V leaves exp(−V/volume) of it.
type film struct {
	volume float64   // µL; 0: there is none
	old    []float64 // by ingredient, µL at the time the cup was put there
	left   float64   // share of old that is still in the nozzle
	inCup  float64   // share of old that is in the cup
	now    []float64 // by ingredient, of the present drink, × grown
	grown  float64   // exp(what has passed/volume) since now was last scaled
}

// through lets ul of an ingredient pass, share of it into the cup.
func (f *film) through(ingredient int, ul, share float64) {
	if f.volume == 0 {
		return
	}
	keep := math.Exp(-ul / f.volume)
	f.inCup += f.left * (1 - keep) * share
	f.left *= keep
	f.now[ingredient] += f.volume * f.grown * (1/keep - 1)
	if f.grown /= keep; f.grown > 1e17 { // one pour more stays far from the end of a float64
		f.scale()
	}
}

func (f *film) scale() {
	for i := range f.now {
		f.now[i] /= f.grown
	}
	f.grown = 1
}

// nextCup makes what is in the nozzle the rest of an earlier drink.
func (f *film) nextCup() {
	if f.volume == 0 {
		return
	}
	f.scale()
	for i := range f.old {
		f.old[i] = f.old[i]*f.left + f.now[i]
		f.now[i] = 0
	}
	f.left, f.inCup = 1, 0
}

// carried is what came into the cup from earlier drinks, µL by ingredient.
func (f *film) carried() []float64 { return scaled(f.old, f.inCup) }

// held is what is in the nozzle, µL by ingredient.
func (f *film) held() []float64 {
	if f.volume == 0 {
		return nil
	}
	f.scale()
	out := scaled(f.old, f.left)
	for i := range out {
		out[i] += f.now[i]
	}
	return out
}

func scaled(in []float64, k float64) []float64 {
	out := make([]float64, len(in))
	for i, x := range in {
		out[i] = x * k
	}
	return out
}

// Foam on sparkling drinks: a figure beside the cup's books, no volume of its own. It grows with what flows in and with
// warmth and settles within seconds (spec/peers.md 3).
const (
	foamShare = 0.25 // of the sparkling water poured, at 3 °C
	foamPerC  = 0.06 // more, per kelvin above
	foamTau   = 3 * time.Second
)

// froth adds the foam of ul of sparkling water; 0 only lets it settle.
func (c *cup) froth(t time.Duration, ul, celsius float64) {
	if c.foam > 0 {
		c.foam *= math.Exp(-float64(t-c.foamAt) / float64(foamTau))
	}
	c.foamAt = t
	if c.present {
		c.foam += ul * foamShare * max(0.2, 1+foamPerC*(celsius-3))
	}
}

// pourInto lets ul of an ingredient fall from the nozzle and returns the share that reached the cup.
func (p *Plant) pourInto(ingredient int, ul float64) float64 {
	c := &p.cup
	into := 0.0
	if c.present {
		into = math.Min(ul, math.Max(0, c.capacity-c.total))
		c.parts[ingredient] += into
		c.total += into
	}
	if spill := ul - into; spill > 0 {
		c.spilled[ingredient] += spill
		c.spilledTotal += spill
		c.tray += spill
		c.touched = true
	}
	if c.film.volume > 0 && ul > 0 {
		c.film.through(ingredient, ul, into/ul)
	}
	return into
}

// volumes names what is at least half a µL.
func (p *Plant) volumes(by []float64) map[string]int64 {
	out := map[string]int64{}
	for i, v := range by {
		if r := int64(math.Round(v)); r > 0 {
			out[p.ingredients.names[i]] = r
		}
	}
	return out
}

// CupUL is what is in the cup, µL by ingredient; ingredients below half a µL are left out.
func (p *Plant) CupUL() map[string]int64 {
	p.lock()
	defer p.mu.Unlock()
	return p.volumes(p.cup.parts)
}

// SpilledUL is everything that missed the cup since the start, µL.
func (p *Plant) SpilledUL() int64 {
	p.lock()
	defer p.mu.Unlock()
	return int64(math.Round(p.cup.spilledTotal))
}
