// Package recipe turns a beverage and a volume into a bounded Plan: what each line of this unit has to deliver, and
// how much and how long a pour may flow at most. It may import agent/beverage, hal and internal packages. Everything
// here is pure and safe for concurrent use.
//
//	[]hal.Part + beverage.Planogram ──Build──► Lineup
//	beverage.Catalogue + Lineup + Stock + volume ──Compute──► Plan ──► agent/pour
//
// Volumes are whole µL; shares are parts per million of the finished drink and add up to one million. An ingredient is
// given as whole strokes, rounded to the nearest; the carrier takes up what rounding leaves, so that the drink's
// volume is exact.
package recipe

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fountain/agent/beverage"
	"fountain/internal/problem"
)

// MaxDoses bounds the ingredients of one drink that come from cartridges, so that a pour's state has a fixed size.
const MaxDoses = 12

// Million is the sum of the shares of a drink.
const Million = 1_000_000

// Limits bound every pour. The zero value is not useful; start from DefaultLimits.
type Limits struct {
	MinUL   int64         // smallest target, µL
	MaxUL   int64         // no pour may flow more, µL
	MaxTime time.Duration // no pour may flow longer
	MinTime time.Duration // floor of a pour's time bound
	QMin    int64         // smallest flow of a healthy carrier line, µL/s
	// SupplyMA is what the valve supply delivers, mA; 0 = no budget is kept.
	SupplyMA int64
}

// TopOffMinUL is the smallest top-off. Its doses are whole strokes like any other's, so that an ingredient of which half
// a stroke or less belongs in it is left out: at 5 ml and 10 µL strokes that is less than 1 part in 1,000. The drink it
// is poured on has the rest of its recipe; over both together the error stays below half a stroke an ingredient.
const TopOffMinUL = 2_000

// DefaultLimits are those of spec/hal.md 6, with 40 ml/s as the slowest healthy line.
func DefaultLimits() Limits {
	return Limits{MinUL: 20_000, MaxUL: 1_000_000, MaxTime: 60 * time.Second, MinTime: 4 * time.Second, QMin: 40_000}
}

// Source is the cartridge to draw an ingredient from.
type Source struct {
	Slot      string
	Cartridge string // tag id
}

// Stock knows what the cartridges hold.
type Stock interface {
	// Source names a slot whose cartridge holds at least needUL of the ingredient; false when none does.
	Source(ing beverage.IngredientID, needUL int64) (Source, bool)
}

// AllSources is a Stock that can name every cartridge with enough of an ingredient, in the order they are to be used. A
// pour whose cartridge runs dry goes on from the second.
type AllSources interface {
	Sources(ing beverage.IngredientID, needUL int64) []Source
}

// Alt is a second cartridge of the same ingredient.
type Alt struct {
	Doser
	Cartridge string
}

// Dose is what one cartridge contributes to a Plan.
type Dose struct {
	Doser
	Cartridge string // tag id
	Share     int64  // ppm of the finished drink
	Strokes   int64  // for the whole target
	Alt       *Alt   // where to go on when it runs dry; nil: nowhere
}

// UL is the planned volume, µL.
func (d Dose) UL() int64 { return d.Given(d.Strokes) }

// Given is the volume of n strokes of this pump, µL.
func (d Doser) Given(n int64) int64 { return (n*d.StrokeNL + 500) / 1000 }

// Plan is one pour, computed. It never changes.
type Plan struct {
	Beverage     beverage.ID
	Catalogue    string // digest the recipe came from
	Hold         bool
	TargetUL     int64 // of the finished drink
	Carrier      Carrier
	CarrierUL    int64 // water for the whole target
	CarrierShare int64 // ppm
	Doses        []Dose
	MaxUL        int64 // flow at most this much, all ingredients together
	MaxTime      time.Duration
	// PumpMA is what all pumps together may draw at the same time, mA; 0 = no limit.
	PumpMA int64
}

// Compute makes the Plan of targetUL of a beverage. Errors are problems: CodeNotFound for an unknown beverage,
// CodeUnavailable when the unit has no line, no slot or not enough stock for an ingredient, CodeBadRequest when the
// volume is out of bounds, CodeBadConfig when the recipe itself cannot be poured.
func Compute(c *beverage.Catalogue, l *Lineup, s Stock, lim Limits, id beverage.ID, targetUL int64, hold bool) (*Plan, error) {
	bev, err := Find(c, id)
	if err != nil {
		return nil, err
	}
	return ComputeOf(c, l, s, lim, bev, targetUL, hold)
}

// ComputeOf is Compute of a drink that need not be in the catalogue, as a mix is not; its ingredients are.
func ComputeOf(c *beverage.Catalogue, l *Lineup, s Stock, lim Limits, bev *beverage.Beverage, targetUL int64, hold bool) (*Plan, error) {
	id := bev.ID
	if top := maxTarget(lim); targetUL < lim.MinUL || targetUL > top {
		return nil, &problem.Problem{
			Code: problem.CodeBadRequest, Where: "target_ul",
			What:   fmt.Sprintf("cannot pour %.0f ml", float64(targetUL)/1000),
			Remedy: fmt.Sprintf("ask for %.0f to %.0f ml", float64(lim.MinUL)/1000, math.Floor(float64(top)/1000)),
		}
	}
	shares, err := shares(c, bev)
	if err != nil {
		return nil, err
	}
	p := &Plan{Beverage: id, Catalogue: c.Digest, Hold: hold, TargetUL: targetUL}
	p.CarrierUL = targetUL
	for _, sh := range shares {
		if sh.carrier {
			line, ok := l.Carrier(sh.id)
			if !ok {
				return nil, unavailable(id, sh.id, "this unit has no line for an ingredient of this beverage", "choose another beverage")
			}
			p.Carrier, p.CarrierShare = line, sh.ppm
			continue
		}
		d, err := dose(l, s, id, sh, targetUL)
		if err != nil {
			return nil, err
		}
		p.Doses = append(p.Doses, d)
		p.CarrierUL -= d.UL()
	}
	if p.Carrier.Valve == "" || p.CarrierUL <= 0 {
		return nil, badRecipe(id, "the recipe has no carrier")
	}
	p.MaxUL = min(bound(targetUL), lim.MaxUL)
	p.MaxTime = min(max(over(targetUL+targetUL/2, lim.QMin), lim.MinTime), lim.MaxTime)
	if dead := p.Carrier.MaxOpen; dead > 0 {
		p.MaxTime = min(p.MaxTime, dead) // the HAL would shut the valve then anyway
	}
	if err := p.budget(lim.SupplyMA); err != nil {
		return nil, err
	}
	return p, nil
}

// budget checks that the pumps can keep up within the time, and within the current when that is limited: then they take
// turns, and what counts is the charge they need together.
func (p *Plan) budget(supplyMA int64) error {
	charge := 0.0 // mA·s
	for _, d := range p.Doses {
		t := float64(d.Strokes) / d.MaxRate
		charge += t * float64(d.CurrentMA)
		if t > p.MaxTime.Seconds() {
			return &problem.Problem{
				Code: problem.CodeBadConfig, Where: d.Pump,
				What:   fmt.Sprintf("the pump needs %v for its part of %s", time.Duration(t*float64(time.Second)).Round(time.Millisecond), p.Beverage),
				Remedy: "fit a pump with larger strokes or a higher rate",
			}
		}
	}
	if supplyMA <= 0 {
		return nil
	}
	tooMuch := func(where, what string) error {
		return &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: what, Remedy: "fit a stronger supply, and correct supply_ma in the rig file"}
	}
	if p.PumpMA = supplyMA - p.Carrier.CurrentMA; p.PumpMA <= 0 {
		return tooMuch(p.Carrier.Valve, fmt.Sprintf("MASTER and this valve draw %d mA of the supply's %d mA: nothing is left for pumps", p.Carrier.CurrentMA, supplyMA))
	}
	for _, d := range p.Doses {
		if d.Alt != nil && d.Alt.CurrentMA > p.PumpMA {
			return tooMuch(d.Alt.Pump, fmt.Sprintf("the pump draws %d mA where %d mA are left", d.Alt.CurrentMA, p.PumpMA))
		}
		if d.CurrentMA > p.PumpMA {
			return tooMuch(d.Pump, fmt.Sprintf("the pump draws %d mA where %d mA are left", d.CurrentMA, p.PumpMA))
		}
	}
	// Whole pumps run at a time, so that of the budget up to one pump's share may stay unused: half of it is counted on.
	if t := time.Duration(charge / (float64(p.PumpMA) / 2) * float64(time.Second)); t > p.MaxTime {
		return tooMuch(string(p.Beverage), fmt.Sprintf("its pumps, taking turns within %d mA, need %v", p.PumpMA, t.Round(time.Millisecond)))
	}
	return nil
}

// Needs is the volume of every cartridge ingredient for targetUL of a beverage, µL. Unknown beverage: nil.
func Needs(c *beverage.Catalogue, id beverage.ID, targetUL int64) map[beverage.IngredientID]int64 {
	bev, err := Find(c, id)
	if err != nil {
		return nil
	}
	return NeedsOf(c, bev, targetUL)
}

// NeedsOf is Needs of a drink that need not be in the catalogue.
func NeedsOf(c *beverage.Catalogue, bev *beverage.Beverage, targetUL int64) map[beverage.IngredientID]int64 {
	sh, err := shares(c, bev)
	if err != nil {
		return nil
	}
	out := map[beverage.IngredientID]int64{}
	for _, s := range sh {
		if !s.carrier {
			out[s.id] = scale(targetUL, s.ppm)
		}
	}
	return out
}

// bound is the most a pour of target may flow: 5 % and 5 ml over (spec/hal.md 6).
func bound(target int64) int64 { return target + target/20 + 5_000 }

// maxTarget is the largest target whose bound stays within the limit.
func maxTarget(lim Limits) int64 { return (lim.MaxUL - 5_000) * 20 / 21 }

func over(ul, flow int64) time.Duration {
	return time.Duration(float64(ul) / float64(flow) * float64(time.Second))
}

func scale(ul, ppm int64) int64 { return (ul*ppm + Million/2) / Million }

// share is one ingredient of a recipe.
type share struct {
	id      beverage.IngredientID
	ppm     int64
	carrier bool
}

// shares makes ppm of the recipe's relative parts; the carrier's takes up the rounding, so that the sum is exact.
func shares(c *beverage.Catalogue, b *beverage.Beverage) ([]share, error) {
	sum := 0.0
	for _, p := range b.Recipe.Parts {
		if !(p.Parts > 0) || math.IsInf(p.Parts, 0) {
			return nil, badRecipe(b.ID, fmt.Sprintf("the part of %s is not a positive number", p.Ingredient))
		}
		sum += p.Parts
	}
	var out []share
	carrier, rest := -1, int64(Million)
	for _, p := range b.Recipe.Parts {
		i := slices.IndexFunc(c.Ingredients, func(in beverage.Ingredient) bool { return in.ID == p.Ingredient })
		if i < 0 {
			return nil, badRecipe(b.ID, fmt.Sprintf("ingredient %s is not in the catalogue", p.Ingredient))
		}
		sh := share{id: p.Ingredient, ppm: int64(math.Round(p.Parts / sum * Million)), carrier: c.Ingredients[i].Kind == beverage.KindCarrier}
		if slices.ContainsFunc(out, func(o share) bool { return o.id == sh.id }) {
			return nil, badRecipe(b.ID, fmt.Sprintf("ingredient %s stands twice", sh.id))
		}
		if sh.carrier {
			if carrier >= 0 {
				return nil, badRecipe(b.ID, "the recipe has two carriers")
			}
			carrier = len(out)
		}
		rest -= sh.ppm
		out = append(out, sh)
	}
	switch {
	case carrier < 0:
		return nil, badRecipe(b.ID, "the recipe has no carrier")
	case len(out)-1 > MaxDoses:
		return nil, badRecipe(b.ID, fmt.Sprintf("the recipe has more than %d ingredients besides its carrier", MaxDoses))
	}
	out[carrier].ppm += rest
	return out, nil
}

func dose(l *Lineup, s Stock, id beverage.ID, sh share, targetUL int64) (Dose, error) {
	dosers := l.dosers[sh.id]
	if len(dosers) == 0 {
		return Dose{}, unavailable(id, sh.id, "an ingredient of this beverage is not stocked", "choose another beverage")
	}
	need := scale(targetUL, sh.ppm)
	srcs := sources(s, sh.id, need)
	if len(srcs) == 0 {
		return Dose{}, unavailable(id, sh.id, "an ingredient of this beverage is sold out", "change the cartridge or choose another beverage")
	}
	at := func(src Source) int {
		return slices.IndexFunc(dosers, func(d Doser) bool { return d.Slot == src.Slot })
	}
	i := at(srcs[0])
	if i < 0 {
		return Dose{}, unavailable(id, sh.id, "the stocked cartridge sits in a slot that is not in the planogram: "+srcs[0].Slot, "correct the planogram")
	}
	d := Dose{Doser: dosers[i], Cartridge: srcs[0].Cartridge, Share: sh.ppm}
	d.Strokes = (need*1000 + d.StrokeNL/2) / d.StrokeNL
	for _, src := range srcs[1:] {
		if j := at(src); j >= 0 && j != i {
			d.Alt = &Alt{Doser: dosers[j], Cartridge: src.Cartridge}
			break
		}
	}
	return d, nil
}

// sources lists the cartridges to draw from, the first one first.
func sources(s Stock, ing beverage.IngredientID, need int64) []Source {
	if all, ok := s.(AllSources); ok {
		return all.Sources(ing, need)
	}
	if src, ok := s.Source(ing, need); ok {
		return []Source{src}
	}
	return nil
}

// Find finds a beverage of the catalogue; the error is a problem of CodeNotFound.
func Find(c *beverage.Catalogue, id beverage.ID) (*beverage.Beverage, error) {
	if _, b, ok := c.Beverage(id); ok {
		return b, nil
	}
	return nil, &problem.Problem{
		Code: problem.CodeNotFound, Where: string(id), What: "there is no such beverage",
		Remedy: "list the beverages with `fountainctl brands`",
	}
}

func unavailable(id beverage.ID, ing beverage.IngredientID, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeUnavailable, Where: fmt.Sprintf("%s (%s)", id, ing), What: what, Remedy: remedy}
}

func badRecipe(id beverage.ID, what string) error {
	return &problem.Problem{Code: problem.CodeBadConfig, Where: string(id), What: what, Remedy: "correct the catalogue"}
}
