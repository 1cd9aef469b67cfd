package sim

import (
	"fmt"
	"math"
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
		p.faults[Fault{Kind: CupRemoved}] = true
	}
	for _, c := range s.Slots {
		if i := p.slotIndex(c.Slot); i >= 0 && p.slots[i].present && p.ingredients.names[p.slots[i].ingredient] == c.Ingredient {
			p.slots[i].level = math.Min(float64(c.LevelUL), float64(p.slots[i].tag.VolumeUL))
			p.pumps[p.slots[i].pump].delivered = c.Strokes
		}
	}
	for i := range p.meters {
		p.meters[i].pulses = s.Pulses[p.meters[i].part.ID]
	}
	sameClock := s.NowNS <= int64(now) // otherwise the host was booted since and the old times mean nothing
	if sameClock {
		for _, e := range s.Events {
			p.events.add(e)
		}
	}
	for _, old := range s.Valves {
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
