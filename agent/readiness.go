package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/machine"
	"fountain/hal"
	"fountain/internal/problem"
)

// Timing of the sensors.
const (
	senseEvery  = time.Second
	frozenAfter = time.Hour // a value that has not moved for so long, over frozenPours pours, is not measured
	frozenPours = 20
)

// readiness judges water, cold and gas once a second, away from the control loop, and refuses what an alarm blocks.
//
//	hal.Sensor, inputs ──step──► alarms (with delay and hysteresis) ──► board ──Refuse──► machine.Start
//	                                                                      └────► view: Snapshot.Blocked
//
// State it owns: the gauges. step belongs to one goroutine; the rest is safe for concurrent use.
type readiness struct {
	limits    config.Limits
	board     *alarm.Board
	owned     []alarm.Name
	scopes    *scopes
	probes    []*probe
	sparkling string // its valve; empty: the rig has none

	filling   time.Duration // the carbonator, since when
	isFilling bool

	mu      sync.Mutex
	passing map[string]string // scope -> code of what passes by itself in seconds and is no alarm
	values  map[string]hal.Reading
}

var _ machine.Ready = (*readiness)(nil)

// probe is one sensor with its rules.
type probe struct {
	id     string
	role   hal.Role
	sensor hal.Sensor
	rules  []*rule

	bad   time.Duration // without a sound value since
	isBad bool
	good  hal.Reading // the last sound value
	moved time.Duration
	pours int
	seen  bool
}

// rule is one limit of one sensor.
type rule struct {
	name  alarm.Name
	scope string
	gauge alarm.Gauge
	unit  string
}

func newReadiness(l config.Limits, rig hal.Rig, board *alarm.Board, sc *scopes) (*readiness, error) {
	if l == (config.Limits{}) {
		l = config.DefaultLimits()
	}
	r := &readiness{
		limits: l, board: board, owned: alarm.RaisedBy("agent/readiness.go"), scopes: sc, sparkling: sc.valve[carrierSparkling], passing: map[string]string{}, values: map[string]hal.Reading{},
	}
	for _, p := range rig.Parts() {
		if p.Kind != hal.KindSensor || p.Owner != hal.OwnerAgent {
			continue
		}
		s, err := rig.Sensor(p.ID)
		if err != nil {
			return nil, fmt.Errorf("open sensor %s: %w", p.ID, err)
		}
		r.probes = append(r.probes, &probe{id: p.ID, role: p.Role, sensor: s, rules: r.rules(p.Role)})
	}
	return r, nil
}

// rules are the limits of a role.
func (r *readiness) rules(role hal.Role) []*rule {
	l := r.limits
	temp := func(n alarm.Name, scope string, bound float64, above bool) *rule {
		return &rule{name: n, scope: scope, unit: "°C", gauge: alarm.Gauge{Limit: alarm.Limit{Bound: bound, Above: above, Hyst: l.TempHyst, Delay: l.TempDelay}}}
	}
	press := func(n alarm.Name, scope string, bound float64, above bool) *rule {
		return &rule{name: n, scope: scope, unit: "kPa", gauge: alarm.Gauge{Limit: alarm.Limit{Bound: bound, Above: above, Hyst: l.PressureHyst, Delay: l.PressureDelay}}}
	}
	switch role {
	case hal.RoleWaterTemp:
		out := []*rule{temp(alarm.WaterWarm, "", l.WaterWarn, true), temp(alarm.WaterFreezing, "", l.WaterFreeze, false)}
		if r.sparkling != "" {
			out = append(out, temp(alarm.WaterTooWarm, r.sparkling, l.WaterBlock, true))
		}
		return out
	case hal.RoleCabinetTemp:
		return []*rule{temp(alarm.CabinetTemperature, "", l.CabinetMax, true), temp(alarm.CabinetTemperature, "", l.CabinetMin, false)}
	case hal.RoleWaterPressure:
		return []*rule{press(alarm.WaterPressureLow, "", l.WaterMin, false), press(alarm.WaterPressureHigh, "", l.WaterMax, true)}
	case hal.RoleCO2Pressure:
		if r.sparkling != "" {
			return []*rule{press(alarm.CO2Low, r.sparkling, l.CO2Warn, false), press(alarm.CO2Out, r.sparkling, l.CO2Block, false)}
		}
	}
	return nil
}

// sense reads the sensors until ctx ends.
func (a *Agent) sense(ctx context.Context) error {
	begin := time.Now()
	tick := time.NewTicker(senseEvery)
	defer tick.Stop()
	for {
		st := a.machine.State()
		if a.readiness.step(time.Since(begin), st.Interlocks, st.Phase.Active(), st.Last) {
			a.view.stockChanged()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step reads everything once and tells the board. pouring says that a pour flows: what is bad then does not count. last
// is the newest pour. It reports whether what passes has changed.
func (r *readiness) step(now time.Duration, locks hal.Interlocks, pouring bool, last uint64) bool {
	var want []alarm.Alarm
	for _, p := range r.probes {
		got := p.sensor.Read()
		want = append(want, p.step(now, got, !pouring, last, r.limits.SensorDelay)...)
		r.mu.Lock()
		r.values[p.id] = got
		r.mu.Unlock()
	}
	passing := map[string]string{}
	if r.sparkling != "" {
		if locks&hal.NoCO2 != 0 {
			want = drop(want, alarm.CO2Out)
			want = append(want, alarm.Alarm{Name: alarm.CO2Out, Scope: r.sparkling, Evidence: "the gas switch says that there is none"})
		}
		filling := locks&hal.Carbonating != 0
		if filling && !r.isFilling {
			r.filling = now
		}
		r.isFilling = filling
		switch took := now - r.filling; {
		case !filling:
		case took >= r.limits.Carbonate:
			want = append(want, alarm.Alarm{
				Name: alarm.CarbonatorNotReady, Scope: r.sparkling, Evidence: fmt.Sprintf("filling for longer than %s", r.limits.Carbonate),
			})
		default:
			passing[r.sparkling] = alarm.CodeNoFizz
		}
	}
	r.board.Keep(r.owned, want)
	r.mu.Lock()
	defer r.mu.Unlock()
	if maps.Equal(passing, r.passing) {
		return false
	}
	r.passing = passing
	return true
}

func drop(list []alarm.Alarm, n alarm.Name) []alarm.Alarm {
	return slices.DeleteFunc(list, func(a alarm.Alarm) bool { return a.Name == n })
}

// step judges one reading.
func (p *probe) step(now time.Duration, got hal.Reading, counts bool, pour uint64, patience time.Duration) []alarm.Alarm {
	var want []alarm.Alarm
	why := p.unsound(now, got, pour)
	switch {
	case why == "":
		p.isBad, p.good = false, got
	case !p.isBad:
		p.isBad, p.bad = true, now
	}
	if why != "" && now-p.bad >= patience {
		ev := why
		if p.seen {
			ev += fmt.Sprintf("; the last sound value was %.1f", p.good.Value)
		}
		want = append(want, alarm.Alarm{Name: alarm.SensorBad, Scope: p.id, Evidence: ev})
	}
	for _, r := range p.rules {
		if why != "" {
			r.gauge.Skip(now)
		} else {
			r.gauge.Step(now, got.Value, counts)
		}
		if r.gauge.Bad() {
			want = append(want, alarm.Alarm{Name: r.name, Scope: r.scope, Evidence: r.evidence(p)})
		}
	}
	return want
}

// evidence rounds, so that a value that wobbles is no change of the alarm every second.
func (r *rule) evidence(p *probe) string {
	word := "below"
	if r.gauge.Above {
		word = "above"
	}
	return fmt.Sprintf("%s: %.0f %s, %s %g", p.id, p.good.Value, r.unit, word, r.gauge.Bound)
}

// unsound says why a reading is no sound value; empty when it is one.
func (p *probe) unsound(now time.Duration, got hal.Reading, pour uint64) string {
	switch {
	case got.Quality != hal.Good && got.Why != "":
		return got.Why
	case got.Quality != hal.Good:
		return "no sound value"
	}
	if !p.seen || got.Value != p.good.Value || p.role == hal.RoleCabinetTemp {
		p.seen, p.moved, p.pours = true, now, int(pour)
		return ""
	}
	if now-p.moved >= frozenAfter && int(pour)-p.pours >= frozenPours {
		return fmt.Sprintf("the value has not moved over %d pours", frozenPours)
	}
	return ""
}

// Refuse says what keeps a drink from being poured from this line and these slots; nil: nothing. What concerns the whole
// unit is refused before; a line that found no water may be tried, by a technician.
func (r *readiness) Refuse(carrier beverage.IngredientID, slots []string) *problem.Problem {
	scopes := slices.Clone(r.scopes.carrier(carrier))
	for _, s := range slots {
		scopes = append(scopes, r.scopes.slot[s]...)
	}
	blocked := r.board.Blocked()
	a, ok := blocked.Without(alarm.NoFlow).Of(scopes...)
	if !ok {
		return nil
	}
	return &problem.Problem{Code: problem.CodeUnavailable, Where: a.Code(), What: a.What, Remedy: a.Remedy, Retry: true}
}

// passes is what blocks a scope for now without being an alarm.
func (r *readiness) passes(scopes ...string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range scopes {
		if code := r.passing[s]; code != "" {
			return code
		}
	}
	return ""
}

// readings are the newest values by sensor.
func (r *readiness) readings() map[string]hal.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.values)
}
