package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/hal"
)

// gauge is a sensor that says what the test wants.
type gauge struct{ hal.Reading }

func (g *gauge) Read() hal.Reading { return g.Reading }

// weather is readiness with a sensor of each role, driven by hand.
type weather struct {
	t     *testing.T
	r     *readiness
	board *alarm.Board
	water *gauge
	gas   *gauge
	now   time.Duration
	locks hal.Interlocks
	pours bool
	last  uint64
}

func newWeather(t *testing.T) *weather {
	t.Helper()
	sc := newScopes([]hal.Part{
		{ID: "still", Kind: hal.KindValve, Carrier: "water.still"},
		{ID: "sparkling", Kind: hal.KindValve, Carrier: "water.sparkling"},
		{ID: "t_water", Kind: hal.KindSensor, Role: hal.RoleWaterTemp},
		{ID: "p_co2", Kind: hal.KindSensor, Role: hal.RoleCO2Pressure},
	})
	w := &weather{t: t, board: alarm.New(nil), water: &gauge{hal.Reading{Value: 3, At: 1}}, gas: &gauge{hal.Reading{Value: 690, At: 1}}}
	w.r = &readiness{
		limits: config.DefaultLimits(), board: w.board, owned: alarm.RaisedBy("agent/readiness.go"), scopes: sc, sparkling: "sparkling",
		passing: map[string]string{}, values: map[string]hal.Reading{},
	}
	w.r.probes = []*probe{
		{id: "t_water", role: hal.RoleWaterTemp, sensor: w.water, rules: w.r.rules(hal.RoleWaterTemp)},
		{id: "p_co2", role: hal.RoleCO2Pressure, sensor: w.gas, rules: w.r.rules(hal.RoleCO2Pressure)},
	}
	return w
}

// pass lets time go by, a sample a second, and returns what stands.
func (w *weather) pass(d time.Duration) string {
	for end := w.now + d; w.now < end; w.now += time.Second {
		w.r.step(w.now, w.locks, w.pours, w.last)
	}
	var out []string
	for _, a := range w.board.List() {
		out = append(out, a.Name.String()+"/"+a.Scope)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (w *weather) expect(d time.Duration, want string) {
	w.t.Helper()
	if got := w.pass(d); got != want {
		w.t.Errorf("after %s at %s: %q, want %q", d, w.now, got, want)
	}
}

// refused is the code that keeps a carrier from pouring.
func (w *weather) refused(c beverage.IngredientID) string {
	if p := w.r.Refuse(c, nil); p != nil {
		return p.Where
	}
	return ""
}

const warm = "water_too_warm/sparkling water_warm/unit"

func TestColdHasDelayAndHysteresis(t *testing.T) {
	w := newWeather(t)
	delay := w.r.limits.TempDelay
	w.expect(time.Minute, "")
	w.water.Value = 9
	w.expect(delay-time.Second, "")
	w.water.Value = 3 // a short rise
	w.expect(time.Minute, "")
	w.water.Value = 9
	w.expect(delay+2*time.Second, warm)
	if got := w.refused("water.sparkling") + "|" + w.refused("water.still"); got != "too_warm|" {
		t.Errorf("refused %s", got)
	}
	w.water.Value = 7.6 // inside the limit, not by the hysteresis
	w.expect(time.Minute, warm)
	w.water.Value = 7.4
	w.expect(2*time.Second, "water_warm/unit")
	if got := w.refused("water.sparkling"); got != "" {
		t.Errorf("refused %s", got)
	}
	w.water.Value = 5
	w.expect(2*time.Second, "")
}

// The water gets warmer while it flows: that is no fault of the chiller.
func TestARiseWhilePouringDoesNotCount(t *testing.T) {
	w := newWeather(t)
	w.water.Value, w.pours = 9, true
	w.expect(10*w.r.limits.TempDelay, "")
	w.pours = false
	w.expect(w.r.limits.TempDelay/2, "")
	w.pours = true
	w.expect(time.Hour, "")
	w.pours = false
	w.expect(w.r.limits.TempDelay/2+3*time.Second, warm)
}

// A sensor that fails takes nothing away, and gives nothing back that was taken before.
func TestFailedSensorChangesNothing(t *testing.T) {
	w := newWeather(t)
	w.expect(time.Minute, "")
	w.gas.Quality, w.gas.Why = hal.Bad, "open"
	w.expect(w.r.limits.SensorDelay, "")
	w.expect(10*time.Second, "sensor_bad/p_co2")
	if a, _ := w.board.Get(alarm.SensorBad, "p_co2"); !strings.Contains(a.Evidence, "open") || !strings.Contains(a.Evidence, "690") {
		t.Errorf("evidence %q", a.Evidence)
	}
	if got := w.refused("water.sparkling"); got != "" {
		t.Errorf("an unknown pressure refuses %s", got)
	}
	w.gas.Reading = hal.Reading{Value: 200, At: 1}
	w.expect(20*time.Second, "co2_low/sparkling co2_out/sparkling")
	w.gas.Quality, w.gas.Value = hal.Bad, 5000 // shorted: no sound value, whatever it says
	w.expect(time.Hour, "co2_low/sparkling co2_out/sparkling sensor_bad/p_co2")
	w.gas.Reading = hal.Reading{Value: 690, At: 2}
	w.expect(2*time.Second, "")
}

// A value that has not moved over an hour of pours is not measured; at rest it may stand still.
func TestFrozenSensorIsNoticed(t *testing.T) {
	w := newWeather(t)
	w.expect(5*time.Hour, "")
	w.last = frozenPours
	w.expect(time.Minute, "sensor_bad/p_co2 sensor_bad/t_water")
	w.water.Value += 0.1
	w.gas.Value -= 1
	w.expect(2*time.Second, "")
}

func TestGasAndCarbonator(t *testing.T) {
	w := newWeather(t)
	w.gas.Value = 500
	w.expect(20*time.Second, "co2_low/sparkling")
	if got := w.refused("water.sparkling"); got != "" {
		t.Errorf("low gas refuses %s", got)
	}
	w.gas.Value = 690
	w.expect(2*time.Second, "")
	w.locks = hal.NoCO2
	w.expect(time.Second, "co2_out/sparkling")
	if got := w.refused("water.sparkling"); got != alarm.CodeNoFizz {
		t.Errorf("the switch refuses %q", got)
	}
	w.locks = 0
	w.expect(time.Second, "")
	w.locks = hal.Carbonating
	w.expect(time.Second, "")
	if got := w.r.passes("sparkling"); got != alarm.CodeNoFizz || w.r.passes("still") != "" {
		t.Errorf("a filling carbonator lets %q pass", got)
	}
	w.expect(w.r.limits.Carbonate, "carbonator_not_ready/sparkling")
	w.locks = 0
	w.expect(time.Second, "")
	if got := w.r.passes("sparkling"); got != "" {
		t.Errorf("filled, and still %q", got)
	}
}
