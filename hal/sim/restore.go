package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fountain/hal"
)

// Restore continues from the state another plant left behind: the cup and what is in it, the tray, what spilled, the
// cartridges' levels, counters and the history of the valves. A cup does not vanish because a process died. Valves are
// shut; those that were open get a Shut event now. It is meant for a plant nobody has opened yet.
func (p *Plant) Restore(s State) error {
	now := p.lock()
	defer p.mu.Unlock()
	for _, o := range p.holders {
		if o.alive {
			return fmt.Errorf("restore the plant: %w", hal.ErrBusy)
		}
	}
	p.cup.present = s.Cup.Present
	p.cup.total, p.cup.spilledTotal, p.cup.tray = 0, 0, float64(s.TrayUL)
	clear(p.cup.parts)
	clear(p.cup.spilled)
	clear(p.cup.solids)
	if c := p.carb; c != nil && s.Carbonator != nil {
		c.level, c.filling = float64(s.Carbonator.LevelUL), s.Carbonator.Filling
	}
	for name, ul := range s.Nozzle {
		p.cup.film.old[p.ingredient(name)] = float64(ul)
	}
	for name, ul := range s.Cup.Parts {
		i := p.ingredient(name)
		p.cup.parts[i] = float64(ul)
		p.cup.total += float64(ul)
	}
	for name, ul := range s.Spilled {
		i := p.ingredient(name)
		p.cup.spilled[i] = float64(ul)
		p.cup.spilledTotal += float64(ul)
	}
	if !s.Cup.Present {
		f := Fault{Kind: CupRemoved}
		p.faults[f.key()] = &active{Fault: f, since: now}
	}
	for _, c := range s.Slots {
		if i := p.slotIndex(c.Slot); i >= 0 && p.slots[i].present && p.ingredients.names[p.slots[i].ingredient] == c.Ingredient {
			s := &p.slots[i]
			s.level = math.Min(float64(c.LevelUL), float64(s.tag.VolumeUL))
			p.pumps[s.pump].delivered = c.Strokes
			s.line = s.line[:0]
			for _, x := range c.Line {
				s.push(p.lineIngredient(x.Ingredient), float64(x.UL))
			}
			if c.Stirred > 0 {
				s.stirred = c.Stirred
			}
		}
	}
	for i := range p.meters {
		m := &p.meters[i]
		m.pulses = s.Pulses[m.part.ID]
		m.line.seen.Pulses = m.pulses
	}
	sameClock := s.NowNS <= int64(now) // otherwise the host was booted since and the old times mean nothing
	if sameClock {
		for _, e := range s.Events {
			p.events.add(e)
		}
	}
	for _, old := range append(slices.Clone(s.Valves), s.Agitators...) {
		i := p.valveIndex(old.ID)
		if i < 0 {
			continue
		}
		v := &p.valves[i]
		v.supplied = float64(old.SuppliedUL)
		if sameClock {
			v.commandedOpenAt, v.commandedShutAt, v.openedAt, v.shutAt = nano(old.CommandedOpenNS), nano(old.CommandedShutNS), nano(old.OpenedNS), nano(old.ShutNS)
		}
		if old.Commanded {
			v.commandedShutAt = now
			p.events.add(Event{Part: old.ID, What: CommandedShut, AtNS: int64(now)})
		}
		if old.Open {
			p.moved(v, false, now)
		}
	}
	p.sense(now)
	for i := range p.locks {
		p.locks[i].shown = p.locks[i].raw
	}
	p.changes++
	return nil
}

func nano(ns int64) time.Duration { return time.Duration(ns) }
