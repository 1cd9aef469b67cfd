package agent

import (
	"slices"

	"fountain/agent/beverage"
	"fountain/hal"
)

// scopes says on which parts of the rig a carrier's line and a cartridge slot hang: an alarm about one of them blocks
// that line or slot and nothing else. It never changes.
type scopes struct {
	parts map[string]hal.Part
	valve map[beverage.IngredientID]string // by carrier
	line  map[string][]string              // by valve: itself, its meter, the chips of both
	slot  map[string][]string              // by slot: itself, its pump, the pump's chip; without its reader a slot still pours
}

func newScopes(parts []hal.Part) *scopes {
	s := &scopes{parts: map[string]hal.Part{}, valve: map[beverage.IngredientID]string{}, line: map[string][]string{}, slot: map[string][]string{}}
	for _, p := range parts {
		s.parts[p.ID] = p
	}
	for _, p := range parts {
		switch p.Kind {
		case hal.KindValve:
			if p.Carrier == "" {
				continue
			}
			s.valve[beverage.IngredientID(p.Carrier)] = p.ID
			s.line[p.ID] = with(s.line[p.ID], p.ID, p.Chip)
		case hal.KindMeter:
			for _, v := range p.Serves {
				s.line[v] = with(s.line[v], p.ID, p.Chip)
			}
		case hal.KindSlot:
			s.slot[p.ID] = with(nil, p.ID, p.Pump, s.parts[p.Pump].Chip)
		}
	}
	return s
}

// with adds what is named and not there yet.
func with(list []string, more ...string) []string {
	for _, m := range more {
		if m != "" && !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// carrier lists what a carrier's line hangs on.
func (s *scopes) carrier(c beverage.IngredientID) []string { return s.line[s.valve[c]] }
