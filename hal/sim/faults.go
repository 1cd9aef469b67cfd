package sim

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"fountain/hal"
)

// FaultKind is something that goes wrong, or a person does, to the machine.
type FaultKind string

// Kinds of faults. Part names what they strike; kinds that say "machine" take none.
const (
	SupplyCut      FaultKind = "supply-cut"      // machine: no water
	StuckOpen      FaultKind = "stuck-open"      // valve
	StuckShut      FaultKind = "stuck-shut"      // valve
	HalfFlow       FaultKind = "half-flow"       // valve
	MeterDead      FaultKind = "meter-dead"      // meter
	CartridgeEmpty FaultKind = "cartridge-empty" // slot: what is left vanishes; clearing does not refill
	CartridgeGone  FaultKind = "cartridge-gone"  // slot: pulled out; clearing puts it back
	ChipGone       FaultKind = "chip-gone"       // chip: does not answer
	EStopPressed   FaultKind = "e-stop"          // machine
	LeakSeen       FaultKind = "leak"            // machine
	DoorOpen       FaultKind = "door"            // machine
	TrayFull       FaultKind = "tray-full"       // machine
	CupRemoved     FaultKind = "cup-removed"     // machine: clearing puts the same cup back
)

// faultParts lists every kind with the kind of part it strikes ("" for the machine).
var faultParts = []struct {
	kind FaultKind
	part string
}{
	{SupplyCut, ""},
	{EStopPressed, ""},
	{DoorOpen, ""},
	{CupRemoved, ""},
	{TrayFull, ""},
	{LeakSeen, ""},
	{StuckOpen, string(hal.KindValve)},
	{StuckShut, string(hal.KindValve)},
	{HalfFlow, string(hal.KindValve)},
	{MeterDead, string(hal.KindMeter)},
	{CartridgeEmpty, string(hal.KindSlot)},
	{CartridgeGone, string(hal.KindSlot)},
	{ChipGone, "chip"},
}

// Fault is one fault at one part.
type Fault struct {
	Part string    `json:"part,omitempty"`
	Kind FaultKind `json:"kind"`
}

// Inject makes f so, now.
func (p *Plant) Inject(f Fault) error { return p.setFault(f, true) }

// Clear ends f. Clearing what was not injected does nothing.
func (p *Plant) Clear(f Fault) error { return p.setFault(f, false) }

func (p *Plant) setFault(f Fault, on bool) error {
	now := p.lock()
	defer p.mu.Unlock()
	if err := p.checkFault(f); err != nil {
		return err
	}
	if !on && !p.faults[f] {
		return nil
	}
	if on {
		p.faults[f] = true
	} else {
		delete(p.faults, f)
	}
	p.changes++
	switch f.Kind {
	case StuckOpen, StuckShut, HalfFlow:
		v := &p.valves[p.valveIndex(f.Part)]
		v.half = p.faults[Fault{f.Part, HalfFlow}]
		switch {
		case p.faults[Fault{f.Part, StuckOpen}]:
			v.jam = stuckOpen
		case p.faults[Fault{f.Part, StuckShut}]:
			v.jam = stuckShut
		default:
			v.jam = free
		}
	case MeterDead:
		i := slices.IndexFunc(p.meters, func(m meter) bool { return m.part.ID == f.Part })
		p.meters[i].dead = on
	case CartridgeEmpty:
		if on {
			p.slots[p.slotIndex(f.Part)].level = 0
		}
	case CartridgeGone:
		s := &p.slots[p.slotIndex(f.Part)]
		s.present = !on && s.tag.ID != ""
	case SupplyCut:
		p.cut = on
	case ChipGone:
		p.goneChips[f.Part] = on
	case CupRemoved:
		p.cup.present = !on
	}
	p.sense(now)
	return nil
}

func (p *Plant) checkFault(f Fault) error {
	for _, k := range faultParts {
		if k.kind != f.Kind {
			continue
		}
		found := false
		switch k.part {
		case "":
			found = f.Part == ""
		case "chip":
			for _, c := range p.rig.Chips {
				found = found || c.ID == f.Part
			}
		default:
			for _, part := range p.rig.Parts() {
				found = found || part.ID == f.Part && string(part.Kind) == k.part
			}
		}
		if !found {
			return fmt.Errorf("fault %s: %w", f.Kind, unknown(f.Part))
		}
		return nil
	}
	known := make([]string, 0, len(faultParts))
	for _, k := range faultParts {
		known = append(known, string(k.kind))
	}
	return fmt.Errorf("fault %q: there is no such kind; there are %s", f.Kind, strings.Join(known, ", "))
}

func (p *Plant) valveIndex(id string) int {
	return slices.IndexFunc(p.valves, func(v valve) bool { return v.part.ID == id })
}

func (p *Plant) slotIndex(id string) int {
	return slices.IndexFunc(p.slots, func(s slot) bool { return s.id == id })
}

// tripped is the true state behind a safety input.
func (p *Plant) tripped(s hal.Interlocks) bool {
	switch s {
	case hal.EStop:
		return p.faults[Fault{Kind: EStopPressed}]
	case hal.Leak:
		return p.faults[Fault{Kind: LeakSeen}] || p.cup.tray > p.cup.trayCap
	case hal.Door:
		return p.faults[Fault{Kind: DoorOpen}]
	case hal.TrayFull:
		return p.faults[Fault{Kind: TrayFull}] || p.cup.tray > 0.8*p.cup.trayCap
	case hal.NoCup:
		return !p.cup.present
	}
	return false
}

// sense lets the contacts follow what is so.
func (p *Plant) sense(now time.Duration) {
	for i := range p.locks {
		p.locks[i].set(p.tripped(p.locks[i].signal), now)
	}
}

// NewCup takes the cup away and puts a new, empty one under the nozzle.
func (p *Plant) NewCup() {
	now := p.lock()
	defer p.mu.Unlock()
	clear(p.cup.parts)
	p.cup.total = 0
	p.cup.present = true
	delete(p.faults, Fault{Kind: CupRemoved})
	p.sense(now)
	p.changes++
}

// EmptyTray drains the drip tray; spilled volumes in State stay counted.
func (p *Plant) EmptyTray() {
	now := p.lock()
	defer p.mu.Unlock()
	p.cup.tray = 0
	p.sense(now)
	p.changes++
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

func (p *Plant) volumes(by []float64) map[string]int64 {
	out := map[string]int64{}
	for i, v := range by {
		if r := int64(math.Round(v)); r > 0 {
			out[p.ingredients.names[i]] = r
		}
	}
	return out
}
