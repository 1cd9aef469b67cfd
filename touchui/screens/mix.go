package screens

import (
	"cmp"
	"slices"

	"fountain/agent/beverage"
)

// part is one column of a mix. One of 0 % is out of the drink and keeps its place.
type part struct {
	offer Offer
	share int // per cent, a multiple of beverage.MixStep
}

// mixing is what a person mixes: up to beverage.MixMost beverages that may be mixed, 100 % together. It is pure.
type mixing struct {
	cols []part
	kept []part // by 'Keep it', for this visit
}

// begin starts with what was kept, or with favourites.
func (m *mixing) begin(c *beverage.Catalogue, menu *Menu) {
	m.cols = slices.Clone(m.kept)
	if len(m.cols) > 0 {
		return
	}
	favs, _ := menu.Favourites()
	m.fill(c, append(slices.Clone(favs), menu.pourable()...))
}

// fill takes from the offers what can be mixed, in order: of different brands as far as there are.
func (m *mixing) fill(c *beverage.Catalogue, from []Offer) {
	m.cols = nil
	for i, o := range append(slices.Clone(from), from...) {
		next := append(slices.Clone(m.cols), part{offer: o})
		same := slices.ContainsFunc(m.cols, func(p part) bool { return p.offer.Brand.ID == o.Brand.ID })
		if len(next) > beverage.MixMost || same && i < len(from) || !beverage.Mixable(c, idsOf(m.cols, -1), o.Beverage.ID) {
			continue
		}
		for i, share := range firstShares[len(next)] {
			next[i].share = share
		}
		if _, err := (&mixing{cols: next}).drink(c); err == nil {
			m.cols = next
		}
	}
}

// firstShares are the levels before anybody moved one, by the number of columns.
var firstShares = [beverage.MixMost + 1][]int{{}, {100}, {60, 40}, {50, 30, 20}}

// in are the columns that are in the drink.
func (m *mixing) in() []part {
	return slices.DeleteFunc(slices.Clone(m.cols), func(c part) bool { return c.share == 0 })
}

// parts are what the agent is asked for.
func (m *mixing) parts() []beverage.MixPart {
	var out []beverage.MixPart
	for _, c := range m.in() {
		out = append(out, beverage.MixPart{Beverage: c.offer.Beverage.ID, Share: c.share})
	}
	return out
}

// drink is what the columns give.
func (m *mixing) drink(c *beverage.Catalogue) (beverage.Beverage, error) {
	return beverage.Mix(c, m.parts())
}

// move moves the level of column i to share as far as the drink stays one that may be mixed; false: not all the way. The
// others make room from what they had before, or when a drag began.
func (m *mixing) move(c *beverage.Catalogue, from []int, i, share int) bool {
	to := rebalance(from, i, share)
	step := beverage.MixStep
	if to[i] < m.cols[i].share {
		step = -step
	}
	for at := m.cols[i].share; ; at += step {
		next := m.with(rebalance(from, i, at))
		if _, err := next.drink(c); err != nil {
			return false
		}
		m.cols = next.cols
		if at == to[i] {
			return true
		}
	}
}

func (m *mixing) with(shares []int) *mixing {
	out := &mixing{cols: slices.Clone(m.cols)}
	for i := range out.cols {
		out.cols[i].share = shares[i]
	}
	return out
}

func (m *mixing) shares() []int {
	out := make([]int, len(m.cols))
	for i, c := range m.cols {
		out[i] = c.share
	}
	return out
}

// swap puts another beverage into column i; the level stays as far as it may.
func (m *mixing) swap(c *beverage.Catalogue, i int, o Offer) bool {
	next := m.with(m.shares())
	next.cols[i].offer = o
	for share := max(next.cols[i].share, beverage.MixStep); share >= 0; share -= beverage.MixStep {
		try := next.with(rebalance(next.shares(), i, share))
		if _, err := try.drink(c); err == nil {
			m.cols = try.cols
			return true
		}
	}
	return false
}

// swaps lists what column i could hold instead.
func (m *mixing) swaps(c *beverage.Catalogue, i int, from []Offer) []Offer {
	others := idsOf(m.cols, i)
	return slices.DeleteFunc(slices.Clone(from), func(o Offer) bool {
		return o.Beverage.ID == m.cols[i].offer.Beverage.ID || !beverage.Mixable(c, others, o.Beverage.ID)
	})
}

func (m *mixing) keep() { m.kept = slices.Clone(m.cols) }

func (m *mixing) isKept() bool { return slices.Equal(m.kept, m.cols) }

func idsOf(cols []part, without int) []beverage.ID {
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

// rebalance sets share i of 100, rounded to a step, and lets the others make room in proportion to what they have: each
// that is in keeps at least a step while there is room, the smallest go out first, what is out stays out. If only i is
// in, the others come in evenly when it goes down. Where share i already is, nothing changes.
func rebalance(shares []int, i, share int) []int {
	const step, whole = beverage.MixStep, 100
	out := make([]int, len(shares))
	if len(shares) == 1 {
		return []int{whole}
	}
	out[i] = (max(0, min(whole, share)) + step/2) / step * step
	var others []int // columns, those with most first
	for j, v := range shares {
		if j != i && v > 0 {
			others = append(others, j)
		}
	}
	weight := func(j int) int { return shares[j] }
	if len(others) == 0 {
		for j := range shares {
			if j != i {
				others = append(others, j)
			}
		}
		weight = func(int) int { return 1 }
	}
	slices.SortStableFunc(others, func(a, b int) int { return cmp.Compare(weight(b), weight(a)) })
	room := (whole - out[i]) / step
	others = others[:min(len(others), room)]
	sum := 0
	for _, j := range others {
		sum += weight(j)
	}
	for k, j := range others {
		n := (2*room*weight(j) + sum - 1) / (2 * sum) // to the nearest, half a step to those after it
		n = max(1, min(room-(len(others)-k-1), n))
		out[j] = n * step
		room -= n
		sum -= weight(j)
	}
	return out
}
