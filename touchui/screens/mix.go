package screens

import (
	"slices"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// mixing is what a person mixes: up to beverage.MixMost beverages in columns, 100 % together. A column of 0 % is out of
// the drink and keeps its place. It is remembered for the visit.
type mixing struct {
	cols []mixColumn
	kept []mixColumn // by 'Keep it'
}

type mixColumn struct {
	offer Offer
	share int // per cent, a multiple of beverage.MixStep
}

// parts are what the agent is asked for: the columns that are in.
func (m *mixing) parts() []beverage.MixPart {
	var out []beverage.MixPart
	for _, c := range m.cols {
		if c.share > 0 {
			out = append(out, beverage.MixPart{Beverage: c.offer.Beverage.ID, Share: c.share})
		}
	}
	return out
}

// newMix is the page on which drinks are mixed.
func newMix(u *UI) page { return newMixPage(u) }

// startMix fills columns with favourites that can be mixed, most poured first.
func startMix(u *UI) []mixColumn {
	var cols []mixColumn
	favs, _ := u.menu.Favourites()
	for _, o := range append(slices.Clone(favs), u.menu.pourable()...) {
		if len(cols) == beverage.MixMost {
			break
		}
		if beverage.Mixable(u.cat, idsOf(cols, -1), o.Beverage.ID) {
			cols = append(cols, mixColumn{offer: o})
		}
	}
	for i, share := range firstShares(len(cols)) {
		cols[i].share = share
	}
	return cols
}

// firstShares are the levels before anybody moved one.
func firstShares(n int) []int {
	switch n {
	case 0:
		return nil
	case 1:
		return []int{100}
	case 2:
		return []int{60, 40}
	}
	return []int{50, 30, 20}
}

func idsOf(cols []mixColumn, without int) []beverage.ID {
	var out []beverage.ID
	for i, c := range cols {
		if i != without {
			out = append(out, c.offer.Beverage.ID)
		}
	}
	return out
}

// pourable lists what can be poured, in the order of the wall.
func (m *Menu) pourable() []Offer {
	var out []Offer
	for _, b := range m.order {
		for _, o := range m.brands[b.ID] {
			if o.Pourable() {
				out = append(out, o)
			}
		}
	}
	return out
}

// rebalance sets column i to share, rounded to a step, and lets the others make room in proportion to what they have.
// The result is 100 together. Columns that are out stay out; one that is alone stays whole.
func rebalance(shares []int, i, share int) []int {
	out := slices.Clone(shares)
	if i < 0 || i >= len(out) {
		return out
	}
	const step, whole = beverage.MixStep, 100
	share = (max(0, min(whole, share)) + step/2) / step * step
	rest, in := 0, 0
	for j, v := range out {
		if j != i && v > 0 {
			rest += v
			in++
		}
	}
	if in == 0 {
		if len(out) == 1 || share == whole {
			out[i] = whole
			return out
		}
		for j := range out { // the one that is alone goes down: the next one makes up for it
			if j != i {
				out[i], out[j] = share, whole-share
				return out
			}
		}
	}
	free := whole - share // for the others, each at least one step or out
	out[i] = share
	given, seen := 0, 0
	for j, v := range shares {
		if j == i || v == 0 {
			continue
		}
		seen += v
		mark := (free*seen/rest + step/2) / step * step // shares come from rounded marks, so that none is lost
		out[j] = mark - given
		given = mark
	}
	return out
}

// ask implements chooser.
func (p *mixPage) ask(r *api.StartPour) { r.Beverage, r.Mix = "", p.mix.parts() }
