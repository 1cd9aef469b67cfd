package machine

import (
	"math"

	"fountain/agent/beverage"
	"fountain/agent/maintenance"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/internal/problem"
)

// SetCalibration replaces the calibration of every meter and pump by factors of their name plates, by part id: 1.02 gives
// 2 % more than the plate says; a part without one goes by its plate. Pours that start from now on use it; a pour under
// way and its record keep what they began with. On error nothing has changed.
func (m *Machine) SetCalibration(factors map[string]float64) error {
	m.config.Lock()
	defer m.config.Unlock()
	parts := make([]hal.Part, len(m.plates))
	for i, p := range m.plates {
		if f, ok := factors[p.ID]; ok {
			if !(f > 0) || math.IsInf(f, 0) {
				return &problem.Problem{Code: problem.CodeBadConfig, Where: p.ID, What: "the calibration factor is not a positive number", Remedy: "calibrate the part again"}
			}
			switch p.Kind {
			case hal.KindMeter:
				p.PulsesPerLitre /= f
			case hal.KindPump:
				p.StrokeNL = max(1, int64(math.Round(1000*float64(p.StrokeUL)*f)))
			}
		}
		parts[i] = p
	}
	now := m.menu.Load()
	l, err := recipe.Build(parts, m.planogram)
	if err != nil {
		return err
	}
	m.parts = parts
	m.menu.Store(&menu{catalogue: now.catalogue, lineup: l})
	return nil
}

// Plan computes what a pour of a beverage would take, without pouring: for a Brix check.
func (m *Machine) Plan(id beverage.ID, targetUL int64) (*recipe.Plan, error) {
	menu := m.menu.Load()
	return recipe.Compute(menu.catalogue, menu.lineup, stockView{m}, m.cfg.Limits, id, targetUL, false)
}

// SetLockedOut replaces the lines that must not pour: valves and pumps with the code why. A pour under way goes on.
func (m *Machine) SetLockedOut(lines map[string]string) { m.barred.Store(&lines) }

// refusesLine refuses a plan that needs a line that is locked out.
func (m *Machine) refusesLine(p *recipe.Plan) error {
	locked := m.barred.Load()
	if locked == nil || len(*locked) == 0 {
		return nil
	}
	line := p.Carrier.Valve
	code, found := (*locked)[line]
	for _, d := range p.Doses {
		if c, ok := (*locked)[d.Pump]; ok && !found {
			line, code, found = d.Pump, c, true
		}
	}
	if !found {
		return nil
	}
	what, remedy := "this line is locked out: "+code, "call a technician"
	if code == maintenance.LockCleaning {
		what, remedy = "this line is being cleaned and its final rinse is not proven", "finish the cleaning"
	}
	return &problem.Problem{Code: problem.CodeUnsafe, Where: line, What: what, Remedy: remedy}
}
