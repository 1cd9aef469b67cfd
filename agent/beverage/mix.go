package beverage

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Bounds of a mix.
const (
	MixMost      = 3 // beverages
	MixStep      = 5 // per cent: shares are multiples of it
	MixLeast     = 5 // per cent: the smallest share
	mixWhole     = 100
	MaxDosed     = 12 // ingredients from cartridges in one drink; as many as a pour can dose
	MixID     ID = "mix"
	energyTag    = "energy"
	kidsTag      = "kids"
)

// NoticeCaffeine is the notice a drink carries above HighCaffeine.
const NoticeCaffeine = "high caffeine"

// HighCaffeine is the caffeine in mg per 100 ml above which a drink carries NoticeCaffeine (Regulation (EU) 1169/2011,
// annex III: more than 150 mg/l). No mix goes above it.
const HighCaffeine = 15.0

// MixPart is one beverage of a mix and its share in per cent.
type MixPart struct {
	Beverage ID  `json:"beverage"`
	Share    int `json:"share"`
}

// Reasons why beverages are not mixed.
const (
	MixEmpty       = "empty"       // no part
	MixTooMany     = "too_many"    // parts
	MixShares      = "shares"      // no multiples of MixStep, too small, or not 100 in all
	MixTwice       = "twice"       // the same beverage
	MixUnknown     = "unknown"     // not in the catalogue
	MixAlone       = "alone"       // one of them is only poured by itself
	MixCarriers    = "carriers"    // still and sparkling
	MixCaffeine    = "caffeine"    // more than HighCaffeine, or too much for the children's drink in it
	MixCurdles     = "curdles"     // milk and acid
	MixIngredients = "ingredients" // more than one pour can dose
)

// MixError says why beverages are not mixed. It is returned by Mix.
type MixError struct {
	Reason   string // one of Mix…
	Beverage ID     // the one it is about; empty: the mix as a whole
	What     string // one plain sentence, lower case
}

// Error is the sentence.
func (e *MixError) Error() string {
	if e.Beverage != "" {
		return string(e.Beverage) + ": " + e.What
	}
	return e.What
}

func noMix(reason string, id ID, format string, args ...any) *MixError {
	return &MixError{Reason: reason, Beverage: id, What: fmt.Sprintf(format, args...)}
}

// Mix is the drink that the parts give: its recipe is theirs in proportion to their shares, and so are its nutrition and
// colour; sweeteners, allergens and notices are those of all, caffeine's notice by what is in it. Its ID is MixID. The
// error is a *MixError. Whether the unit can pour every part now is not asked here.
func Mix(c *Catalogue, parts []MixPart) (Beverage, error) {
	if err := checkShares(parts); err != nil {
		return Beverage{}, err
	}
	of := make([]*Beverage, len(parts))
	for i, p := range parts {
		_, b, ok := c.Beverage(p.Beverage)
		if !ok {
			return Beverage{}, noMix(MixUnknown, p.Beverage, "there is no such beverage")
		}
		of[i] = b
	}
	if err := together(c, of); err != nil {
		return Beverage{}, err
	}
	m := blend(of, parts)
	if len(of) > 1 && m.Caffeine > HighCaffeine {
		return Beverage{}, noMix(MixCaffeine, "", "it would have %.0f mg caffeine in 100 ml, a mix has at most %.0f", m.Caffeine, HighCaffeine)
	}
	return m, nil
}

// Mixable tells whether next can be added to a mix of with in any shares. Screens offer nothing else.
func Mixable(c *Catalogue, with []ID, next ID) bool {
	ids := append(slices.Clone(with), next)
	if len(ids) > MixMost {
		return false
	}
	of := make([]*Beverage, len(ids))
	parts := make([]MixPart, len(ids))
	mildest := 0
	for i, id := range ids {
		_, b, ok := c.Beverage(id)
		if !ok || slices.Contains(ids[:i], id) {
			return false
		}
		of[i], parts[i] = b, MixPart{id, MixLeast}
		if b.Caffeine < of[mildest].Caffeine {
			mildest = i
		}
	}
	parts[mildest].Share = mixWhole - MixLeast*(len(ids)-1) // the mildest mix there is
	return together(c, of) == nil && (len(of) == 1 || blend(of, parts).Caffeine <= HighCaffeine)
}

func checkShares(parts []MixPart) error {
	switch {
	case len(parts) == 0:
		return noMix(MixEmpty, "", "a mix needs a beverage")
	case len(parts) > MixMost:
		return noMix(MixTooMany, "", "a mix has at most %d beverages", MixMost)
	}
	sum := 0
	for i, p := range parts {
		if p.Share < MixLeast || p.Share > mixWhole || p.Share%MixStep != 0 {
			return noMix(MixShares, p.Beverage, "a share of %d %% is not possible: shares are %d to %d in steps of %d", p.Share, MixLeast, mixWhole, MixStep)
		}
		if slices.ContainsFunc(parts[:i], func(o MixPart) bool { return o.Beverage == p.Beverage }) {
			return noMix(MixTwice, p.Beverage, "it is in the mix twice")
		}
		sum += p.Share
	}
	if sum != mixWhole {
		return noMix(MixShares, "", "the shares are %d %% together, not %d", sum, mixWhole)
	}
	return nil
}

// together checks what does not depend on the shares.
func together(c *Catalogue, of []*Beverage) error {
	if len(of) == 1 {
		return nil // no mix: the drink itself
	}
	var milk, acid, kids, strong *Beverage
	dosed := map[IngredientID]bool{}
	for _, b := range of {
		if b.NoMix {
			return noMix(MixAlone, b.ID, "it is poured by itself only")
		}
		if b.Recipe.Carrier != of[0].Recipe.Carrier {
			return noMix(MixCarriers, b.ID, "still and sparkling drinks are not mixed")
		}
		if slices.Contains(b.Tags, kidsTag) {
			kids = b
		}
		if slices.Contains(b.Notices, NoticeCaffeine) || slices.Contains(b.Tags, energyTag) {
			strong = b
		}
		for _, p := range b.Recipe.Parts {
			ing, ok := c.Ingredient(p.Ingredient)
			if !ok || ing.Kind == KindCarrier {
				continue
			}
			dosed[ing.ID] = true
			for _, cat := range ing.Category {
				switch cat {
				case "dairy":
					milk = b
				case "juice", "acid":
					acid = b
				}
			}
		}
	}
	switch {
	case milk != nil && acid != nil && milk != acid:
		return noMix(MixCurdles, milk.ID, "milk curdles in %s", acid.ID)
	case kids != nil && strong != nil:
		return noMix(MixCaffeine, strong.ID, "nothing with that much caffeine goes into a children's drink")
	case len(dosed) > MaxDosed:
		return noMix(MixIngredients, "", "it would have %d ingredients, one drink has at most %d", len(dosed), MaxDosed)
	}
	return nil
}

// blend makes the drink.
func blend(of []*Beverage, parts []MixPart) Beverage {
	m := Beverage{ID: MixID, Name: "Mix", Recipe: Recipe{Carrier: of[0].Recipe.Carrier}}
	at := map[IngredientID]int{}
	var rgb [3]float64
	for i, b := range of {
		share := float64(parts[i].Share) / mixWhole
		m.KCal += share * b.KCal
		m.Sugar += share * b.Sugar
		m.Caffeine += share * b.Caffeine
		m.Sweeteners = append(m.Sweeteners, b.Sweeteners...)
		m.Allergens = append(m.Allergens, b.Allergens...)
		m.Notices = append(m.Notices, b.Notices...)
		total := 0.0
		for _, p := range b.Recipe.Parts {
			total += p.Parts
		}
		for _, p := range b.Recipe.Parts {
			k, ok := at[p.Ingredient]
			if !ok {
				k = len(m.Recipe.Parts)
				at[p.Ingredient] = k
				m.Recipe.Parts = append(m.Recipe.Parts, RecipePart{Ingredient: p.Ingredient})
			}
			m.Recipe.Parts[k].Parts += float64(parts[i].Share) * p.Parts / total
		}
		for j, v := range colour(b.Liquid) {
			rgb[j] += share * v
		}
	}
	m.Sweeteners, m.Allergens = sortedSet(m.Sweeteners), sortedSet(m.Allergens)
	m.Notices = sortedSet(slices.DeleteFunc(m.Notices, func(n string) bool { return n == NoticeCaffeine && m.Caffeine <= HighCaffeine }))
	m.Liquid = fmt.Sprintf("#%02X%02X%02X", int(math.Round(rgb[0])), int(math.Round(rgb[1])), int(math.Round(rgb[2])))
	m.Tags = mixTags(of, &m)
	return m
}

// mixTags are the tags of m: what is in any part is in the mix, what is good for somebody has to be so of every part.
func mixTags(of []*Beverage, m *Beverage) []string {
	tags := []string{m.Recipe.Carrier}
	if m.Sugar < noSugarLimit {
		tags = append(tags, TagNoSugar)
	}
	if m.Caffeine < noCaffeineMg {
		tags = append(tags, TagCaffeineFree)
	}
	for _, tag := range []string{"tea", "juice", energyTag} {
		if slices.ContainsFunc(of, func(b *Beverage) bool { return slices.Contains(b.Tags, tag) }) {
			tags = append(tags, tag)
		}
	}
	for _, tag := range []string{"sports", "water", kidsTag} {
		if !slices.ContainsFunc(of, func(b *Beverage) bool { return !slices.Contains(b.Tags, tag) }) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// colour is #RRGGBB as numbers; black when it is none.
func colour(hex string) (out [3]float64) {
	if len(hex) != 7 {
		return out
	}
	v, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		return out // the schema has refused it
	}
	return [3]float64{float64(v >> 16 & 0xff), float64(v >> 8 & 0xff), float64(v & 0xff)}
}

// Rebalance sets the share of part i, rounded to a step, and lets the others make room in proportion to what they have.
// The result is new, has shares of at least MixLeast and 100 in all; a single part stays whole.
func Rebalance(parts []MixPart, i, share int) []MixPart {
	out := slices.Clone(parts)
	if len(out) == 0 || i < 0 || i >= len(out) {
		return out
	}
	if len(out) == 1 {
		out[0].Share = mixWhole
		return out
	}
	most := mixWhole - MixLeast*(len(out)-1)
	out[i].Share = min(max((share+MixStep/2)/MixStep*MixStep, MixLeast), most)
	rest, weight := mixWhole-out[i].Share, 0
	for j, p := range parts {
		if j != i {
			weight += max(p.Share, 1)
		}
	}
	given, acc, others := 0, 0, len(out)-1 // shares come from rounded marks of their sum, so that none is lost
	for j, p := range parts {
		if j == i {
			continue
		}
		others--
		acc += max(p.Share, 1)
		mark := (rest*acc/weight + MixStep/2) / MixStep * MixStep
		mark = min(max(mark, given+MixLeast), rest-MixLeast*others)
		out[j].Share, given = mark-given, mark
	}
	return out
}
