package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// foreign is what is in a cartridge that is not ours.
const foreign = "unknown"

// slot is a cartridge slot and the line from its pump to the nozzle.
type slot struct {
	id     string
	pump   int
	reader string // chip; empty: the plant reads the tag by itself

	base       hal.Tag // of the cartridge that was put in; ID empty: none
	present    bool    // with the faults, as what follows
	ingredient int
	level      float64 // µL left
	tag        hal.Tag
	tagErr     error

	line    []segment // from the nozzle to the pump
	settles bool
	stirred float64 // 1 = well mixed, towards settled when nobody moves it
}

// segment is a stretch of a line.
type segment struct {
	ingredient int // −1: air
	ul         float64
}

const air = -1

// push puts ul of an ingredient into the line at the pump.
func (s *slot) push(ingredient int, ul float64) {
	if n := len(s.line); n > 0 && s.line[n-1].ingredient == ingredient {
		s.line[n-1].ul += ul
		return
	}
	s.line = append(s.line, segment{ingredient, ul})
}

// pop lets ul out at the nozzle.
func (p *Plant) pop(s *slot, ul float64) {
	for ul > 0 && len(s.line) > 0 {
		first := &s.line[0]
		part := math.Min(ul, first.ul)
		if first.ingredient != air {
			p.deliver(s, first.ingredient, part)
		}
		ul -= part
		if first.ul -= part; first.ul <= 1e-9 {
			s.line = append(s.line[:0], s.line[1:]...)
		}
	}
}

// deliver lets liquid of a slot leave the nozzle.
func (p *Plant) deliver(s *slot, ingredient int, ul float64) {
	into := p.pourInto(ingredient, ul)
	if s.settles {
		p.cup.solids[ingredient] += into * s.stirred
	}
}

// stroke moves one chamber from the cartridge to the line, and as much from the line to the nozzle.
func (p *Plant) stroke(u *pump) {
	want := u.volume()
	if u.slot < 0 || u.loss > 0 && u.chance.Float64() < u.loss {
		return
	}
	s := &p.slots[u.slot]
	got := 0.0
	if s.present {
		got = math.Min(want, s.level)
	}
	s.level -= got
	switch {
	case len(s.line) > 0: // the pump sucks air for what the cartridge does not give
		if got > 0 {
			s.push(s.ingredient, got)
		}
		if got < want {
			s.push(air, want-got)
		}
		p.pop(s, want)
	case got > 0:
		p.deliver(s, s.ingredient, got)
	}
	if got < want { // the chamber filled only partly: the sensor sees no full stroke
		return
	}
	if u.unseen > 0 && u.chance.Float64() < u.unseen {
		return
	}
	u.delivered++
}

// SetCartridge puts a cartridge into its slot, replacing what is there. The line keeps what is in it, and takes in air
// when the rig file says so (sim.lines).
func (p *Plant) SetCartridge(c Cartridge) error {
	p.lock()
	defer p.mu.Unlock()
	i := p.slotIndex(c.Slot)
	if i < 0 {
		return unknown(c.Slot)
	}
	if c.Ingredient == "" || c.VolumeUL < 0 {
		return fmt.Errorf("cartridge for slot %s: needs an ingredient and a volume of 0 or more", c.Slot)
	}
	if c.ID == "" {
		c.ID = "cart-" + c.Slot
	}
	if c.Expires.IsZero() {
		c.Expires = time.Now().AddDate(0, 0, 180)
	}
	s := &p.slots[i]
	s.level, s.stirred = float64(c.VolumeUL), 1
	s.base = hal.Tag{ID: c.ID, Ingredient: c.Ingredient, VolumeUL: c.VolumeUL, Expires: c.Expires, Lot: c.Lot}
	for _, kind := range []FaultKind{CartridgeGone, CartridgeForeign, CartridgeExpired, CartridgeWrong, CartridgeUnreadable, CartridgeEmpty} {
		delete(p.faults, faultKey{kind, c.Slot}) // they were the old one's
	}
	p.fit(s)
	if lines := p.rig.Sim.Lines; lines.VolumeUL > 0 {
		p.connect(s, lines, c.Primed)
	}
	p.changes++
	return nil
}

// connect joins the new cartridge to the line.
func (p *Plant) connect(s *slot, lines rigfile.SimLines, primed bool) {
	switch {
	case primed:
		s.line = append(s.line[:0], segment{s.ingredient, float64(lines.VolumeUL)})
	case len(s.line) == 0:
		s.line = append(s.line, segment{air, float64(lines.VolumeUL)}) // never primed
	default:
		ul := float64(lines.AirUL)
		if ul == 0 {
			ul = float64(lines.VolumeUL) / 4
		}
		s.drain(ul)
		s.push(air, ul)
	}
}

// drain takes ul away at the pump's end.
func (s *slot) drain(ul float64) {
	for n := len(s.line); ul > 0 && n > 0; n = len(s.line) {
		last := &s.line[n-1]
		part := math.Min(ul, last.ul)
		ul -= part
		if last.ul -= part; last.ul <= 1e-9 {
			s.line = s.line[:n-1]
		}
	}
}

// fit makes the slot what its cartridge and its faults say.
func (p *Plant) fit(s *slot) {
	s.tag, s.tagErr, s.present = s.base, nil, s.base.ID != ""
	if s.present {
		s.ingredient = p.ingredient(s.base.Ingredient)
	}
	if a := p.faults[faultKey{CartridgeWrong, s.id}]; a != nil {
		s.present, s.ingredient = true, p.ingredient(a.With)
		s.tag.ID, s.tag.Ingredient = "other-"+s.id, a.With
	}
	if p.is(CartridgeExpired, s.id) {
		s.tag.Expires = time.Now().AddDate(0, 0, -1)
	}
	if p.is(CartridgeForeign, s.id) {
		s.present, s.ingredient, s.tagErr = true, p.ingredient(foreign), hal.ErrForeign
	}
	if p.is(CartridgeUnreadable, s.id) {
		s.tagErr = hal.ErrUnreadable
	}
	if p.is(CartridgeGone, s.id) {
		s.present = false
	}
}

func (p *Plant) followSlot(a *active, on bool) {
	s := &p.slots[p.slotIndex(a.Part)]
	switch a.Kind {
	case CartridgeEmpty:
		if on {
			s.level = math.Min(s.level, a.amount*1000)
		}
	case LineAir:
		if on {
			s.line = slices.Insert(s.line, 0, segment{air, a.amount * 1000})
		} else {
			s.line = slices.DeleteFunc(s.line, func(x segment) bool { return x.ingredient == air })
		}
	}
	p.fit(s)
}

// tag reads the tag in slot i.
func (p *Plant) tag(i int) (hal.Tag, error) {
	s := &p.slots[i]
	switch {
	case p.goneChips[s.reader]:
		return hal.Tag{}, hal.ErrGone
	case !s.present:
		return hal.Tag{}, hal.ErrNoTag
	case s.tagErr != nil:
		return hal.Tag{}, s.tagErr
	}
	return s.tag, nil
}

// ingredient numbers a name; new names grow the cup's books.
func (p *Plant) ingredient(name string) int {
	if i, ok := p.ingredients.index[name]; ok {
		return i
	}
	i := len(p.ingredients.names)
	p.ingredients.names = append(p.ingredients.names, name)
	p.ingredients.index[name] = i
	for _, by := range []*[]float64{&p.cup.parts, &p.cup.spilled, &p.cup.solids, &p.cup.film.old, &p.cup.film.now} {
		*by = append(*by, 0)
	}
	return i
}
