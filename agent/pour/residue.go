package pour

import (
	"cmp"
	"math"
	"slices"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/recipe"
)

// Figures of the shared nozzle. None was measured on a real one: each is chosen on the safe side of what is known, and a
// unit with another nozzle needs its own (docs/adr/0019).
const (
	// FilmUL is what the wetted wall of the mixing chamber and spout hold of what flowed last: 60 cm² at 4 µm, the film
	// a thin syrup leaves on polished steel after some seconds, rounded up to 250 µL.
	FilmUL = 250
	// WashUL of water carry off all but 1/e of the film. A chamber of 1 ml that mixes perfectly needs 1 ml; 3 ml allow for
	// corners.
	WashUL = 3_000
	// CarrySugarG is how much sugar a sugar-free drink may get from the nozzle. "Sugar-free" means at most 0.5 g in 100 ml
	// (Regulation (EC) 1924/2006): 0.6 g in the smallest cup of 120 ml. A tenth of that is left to the nozzle.
	CarrySugarG = 0.06
	// CarryAllergenUL is how much of an ingredient with an allergen a drink without it may get. Reference doses (VITAL 3.0,
	// protein: almond 0.1 mg, cereals with gluten 0.7 mg) allow about 1 mg of the protein; a cartridge's content is taken
	// as a tenth protein, which it is far from: 1 µL.
	CarryAllergenUL = 1
	// leanUL of water after the last stroke at least, else the film is what the pumps gave last, not the finished drink.
	leanUL = 1_000
	// SugarFreeG in 100 ml: a drink below it counts as sugar-free.
	SugarFreeG = 0.5
)

// Film is what the nozzle holds of one ingredient, µL.
type Film struct {
	Ingredient beverage.IngredientID
	UL         float64
}

// Residue is what the nozzle holds of the drinks before. Only what could matter is kept: ingredients with an allergen or
// with sugar. It is a value of a machine's loop; nothing here is called while a pour flows.
type Residue struct{ Films []Film }

// Poured takes in a pour: what was there is washed by its water, what flowed with the last of the water stays. tailUL is
// the water that came after the last stroke of an ingredient.
func (r *Residue) Poured(c *beverage.Catalogue, p *recipe.Plan, waterUL, tailUL int64) {
	r.Wash(waterUL)
	if waterUL <= 0 {
		return
	}
	of := int64(recipe.Million)
	if tailUL < leanUL && p.CarrierShare < recipe.Million { // dosed when the water had stopped: undiluted
		of -= p.CarrierShare
	}
	for _, d := range p.Doses {
		in, ok := c.Ingredient(d.Ingredient)
		if !ok || len(in.Allergens) == 0 && in.Sugar < SugarFreeG {
			continue
		}
		left := FilmUL * float64(d.Share) / float64(of) * washed(tailUL)
		i := slices.IndexFunc(r.Films, func(f Film) bool { return f.Ingredient == d.Ingredient })
		if i < 0 {
			r.Films = append(r.Films, Film{Ingredient: d.Ingredient})
			i = len(r.Films) - 1
		}
		r.Films[i].UL = max(r.Films[i].UL, left)
	}
}

// Wash takes in water that ran through the nozzle alone.
func (r *Residue) Wash(ul int64) {
	for i := range r.Films {
		r.Films[i].UL *= washed(ul)
	}
	r.Films = slices.DeleteFunc(r.Films, func(f Film) bool { return f.UL < 0.001 })
}

func washed(ul int64) float64 { return math.Exp(-float64(max(ul, 0)) / WashUL) }

// Rinse is the smallest rinse that brings the nozzle below its limits whatever is poured next, µL; 0 when it is clean.
func (r *Residue) Rinse(c *beverage.Catalogue) int64 {
	over := 1.0 // times the limit
	sugar := 0.0
	for _, f := range r.Films {
		in, ok := c.Ingredient(f.Ingredient)
		if !ok {
			continue
		}
		sugar += f.UL / 100_000 * in.Sugar
		if len(in.Allergens) > 0 {
			over = max(over, f.UL/CarryAllergenUL)
		}
	}
	over = max(over, sugar/CarrySugarG)
	if over <= 1 {
		return 0
	}
	return min(max(int64(WashUL*math.Log(over)), RinseMinUL), RinseMaxUL)
}

// Conflict says what of the residue the next drink must not meet: an allergen that it does not hold, or "sugar" when it is
// sugar-free. "" when it may follow.
func (r *Residue) Conflict(c *beverage.Catalogue, next *beverage.Beverage) string {
	sugar := 0.0
	for _, f := range r.Films {
		in, ok := c.Ingredient(f.Ingredient)
		if !ok {
			continue
		}
		sugar += f.UL / 100_000 * in.Sugar
		if f.UL <= CarryAllergenUL {
			continue
		}
		for _, a := range in.Allergens {
			if !slices.Contains(next.Allergens, a) {
				return a
			}
		}
	}
	if sugar > CarrySugarG && next.Sugar < SugarFreeG {
		return "sugar"
	}
	return ""
}

// Largest names the residue there is most of; for messages.
func (r *Residue) Largest() (Film, bool) {
	if len(r.Films) == 0 {
		return Film{}, false
	}
	return slices.MaxFunc(r.Films, func(a, b Film) int { return cmp.Compare(a.UL, b.UL) }), true
}

// Bounds of a rinse. Less than 10 ml is no stream that wets the whole chamber; 30 ml leave e⁻¹⁰ of the film.
const (
	RinseMinUL = 10_000
	RinseMaxUL = 30_000
	RinseMost  = 3 * time.Second // open time of a rinse
	// RinseAfter is how long the cup has to be away before a rinse begins: a hand that lifts it to look is back sooner.
	RinseAfter = 400 * time.Millisecond
)
