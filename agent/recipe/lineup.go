package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fountain/agent/beverage"
	"fountain/hal"
	"fountain/internal/problem"
)

// Carrier is the line that serves a carrier ingredient: its valve and the meter that counts it.
type Carrier struct {
	Ingredient     beverage.IngredientID
	Valve          string
	Meter          string
	PulsesPerLitre float64       // of this meter, calibrated if it was
	MaxOpen        time.Duration // the valve's dead-man time; 0 = none known
	QMaxULs        int64         // the most this machine can let through, µL/s; 0 = not known
	CurrentMA      int64         // MASTER and this valve together, while they are open
}

// Doser is a cartridge slot with its pump.
type Doser struct {
	Ingredient beverage.IngredientID
	Slot       string
	Pump       string
	StrokeNL   int64   // volume of one stroke, nL, calibrated if it was
	MaxRate    float64 // strokes per second
	CurrentMA  int64   // while it strokes; 0 = not known
}

// Lineup says which part of the rig serves which ingredient. It never changes after Build.
type Lineup struct {
	carriers map[beverage.IngredientID]Carrier
	dosers   map[beverage.IngredientID][]Doser // in planogram order
}

// Build combines the rig's parts with the planogram. It refuses with CodeBadConfig and the slot's or part's id when
// they do not fit: a planogram slot the rig lacks, a slot without a pump, a carrier without a meter of its own.
func Build(parts []hal.Part, plano *beverage.Planogram) (*Lineup, error) {
	byID := make(map[string]hal.Part, len(parts))
	meterOf := map[string]hal.Part{} // by valve
	for _, p := range parts {
		byID[p.ID] = p
		if p.Kind == hal.KindMeter {
			for _, v := range p.Serves {
				meterOf[v] = p
			}
		}
	}
	master := byID[hal.Master]
	l := &Lineup{carriers: map[beverage.IngredientID]Carrier{}, dosers: map[beverage.IngredientID][]Doser{}}
	for _, p := range parts {
		if p.Kind != hal.KindValve || p.Carrier == "" {
			continue
		}
		ing := beverage.IngredientID(p.Carrier)
		m, ok := meterOf[p.ID]
		switch {
		case !ok || m.PulsesPerLitre <= 0:
			return nil, misfit(p.ID, "no flow meter counts this valve", "add the valve to a meter's serves, with pulses_per_litre")
		case l.carriers[ing].Valve != "":
			return nil, misfit(p.ID, fmt.Sprintf("%s already flows through valve %s", ing, l.carriers[ing].Valve), "give each carrier one valve")
		}
		l.carriers[ing] = Carrier{
			Ingredient: ing, Valve: p.ID, Meter: m.ID, PulsesPerLitre: m.PulsesPerLitre, MaxOpen: p.MaxOpen,
			QMaxULs: master.QMax, CurrentMA: master.CurrentMA + p.CurrentMA,
		}
	}
	if plano == nil {
		return l, nil
	}
	for _, s := range plano.Slots {
		slot, ok := byID[s.Slot]
		if !ok || slot.Kind != hal.KindSlot {
			return nil, misfit(s.Slot, "the planogram names a cartridge slot that the rig does not have", "correct the planogram or the rig file")
		}
		pump, ok := byID[slot.Pump]
		if !ok || pump.Kind != hal.KindPump || pump.StrokeUL <= 0 || pump.MaxRate <= 0 {
			return nil, misfit(s.Slot, "the cartridge slot has no working pump", "give it a pump with stroke_ul and max_rate in the rig file")
		}
		stroke := pump.StrokeNL
		if stroke <= 0 {
			stroke = 1000 * pump.StrokeUL
		}
		l.dosers[s.Ingredient] = append(l.dosers[s.Ingredient], Doser{
			Ingredient: s.Ingredient, Slot: s.Slot, Pump: pump.ID, StrokeNL: stroke, MaxRate: pump.MaxRate,
			CurrentMA: pump.CurrentMA,
		})
	}
	return l, nil
}

// Carrier returns the line of a carrier ingredient.
func (l *Lineup) Carrier(ing beverage.IngredientID) (Carrier, bool) {
	c, ok := l.carriers[ing]
	return c, ok
}

// Carriers lists the lines, by ingredient.
func (l *Lineup) Carriers() []Carrier {
	return slices.SortedFunc(maps.Values(l.carriers), func(a, b Carrier) int { return strings.Compare(string(a.Ingredient), string(b.Ingredient)) })
}

// Dosers returns the cartridge slots meant for an ingredient, in planogram order.
func (l *Lineup) Dosers(ing beverage.IngredientID) []Doser { return slices.Clone(l.dosers[ing]) }

func misfit(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: what, Remedy: remedy}
}
