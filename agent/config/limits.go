package config

import (
	"fmt"
	"time"

	"fountain/internal/problem"
)

// Limits say when water, cold and gas are good enough to pour (spec/peers.md 3; docs/ALARMS.md says what each does).
// Each of the temperatures counts for TempDelay, each of the pressures for PressureDelay, and is over again by its
// hysteresis.
type Limits struct {
	WaterWarn   float64       `mapstructure:"water_warn_c"`   // °C: warmer water warns
	WaterBlock  float64       `mapstructure:"water_block_c"`  // °C: warmer water blocks sparkling drinks
	WaterFreeze float64       `mapstructure:"water_freeze_c"` // °C: colder water warns
	CabinetMin  float64       `mapstructure:"cabinet_min_c"`  // °C of the cartridges
	CabinetMax  float64       `mapstructure:"cabinet_max_c"`
	TempHyst    float64       `mapstructure:"temp_hysteresis_c"`
	TempDelay   time.Duration `mapstructure:"temp_delay"`

	CO2Warn       float64       `mapstructure:"co2_warn_kpa"`  // lower gas warns
	CO2Block      float64       `mapstructure:"co2_block_kpa"` // lower gas blocks sparkling drinks
	WaterMin      float64       `mapstructure:"water_min_kpa"` // of the supply
	WaterMax      float64       `mapstructure:"water_max_kpa"`
	PressureHyst  float64       `mapstructure:"pressure_hysteresis_kpa"`
	PressureDelay time.Duration `mapstructure:"pressure_delay"`

	Carbonate   time.Duration `mapstructure:"carbonate"`    // a carbonator that fills for longer is told
	SensorDelay time.Duration `mapstructure:"sensor_delay"` // a sensor without a sound value for longer is told
}

// Stock says when cartridges are worth a warning.
type Stock struct {
	LowServings  int `mapstructure:"low_servings"`  // servings left of an ingredient
	ExpiringDays int `mapstructure:"expiring_days"` // before a cartridge's date
}

// DefaultLimits are those of a unit that was told nothing.
func DefaultLimits() Limits {
	return Limits{
		WaterWarn: 5.6, WaterBlock: 8, WaterFreeze: 0.5, CabinetMin: 4.4, CabinetMax: 32.2, TempHyst: 0.5, TempDelay: 10 * time.Minute,
		CO2Warn: 552, CO2Block: 414, WaterMin: 138, WaterMax: 552, PressureHyst: 21, PressureDelay: 10 * time.Second,
		Carbonate: 2 * time.Minute, SensorDelay: 10 * time.Second,
	}
}

// DefaultStock is that of a unit that was told nothing.
func DefaultStock() Stock { return Stock{LowServings: 10, ExpiringDays: 7} }

// limitKeys are the keys of Limits and Stock; only the file sets limits.
func limitKeys() []key {
	d, s := DefaultLimits(), DefaultStock()
	celsius, kpa := between(-20, 60), between(0, 2000)
	return []key{
		{path: "limits.water_warn_c", kind: number, def: d.WaterWarn, doc: "warmer water warns, °C", file: true, check: celsius},
		{path: "limits.water_block_c", kind: number, def: d.WaterBlock, doc: "warmer water blocks sparkling drinks, °C", file: true, check: celsius},
		{path: "limits.water_freeze_c", kind: number, def: d.WaterFreeze, doc: "colder water warns, °C", file: true, check: celsius},
		{path: "limits.cabinet_min_c", kind: number, def: d.CabinetMin, doc: "cartridges stored colder warn, °C", file: true, check: celsius},
		{path: "limits.cabinet_max_c", kind: number, def: d.CabinetMax, doc: "cartridges stored warmer warn, °C", file: true, check: celsius},
		{path: "limits.temp_hysteresis_c", kind: number, def: d.TempHyst, doc: "a temperature is good again this far inside its limit, °C", file: true, check: between(0, 10)},
		{path: "limits.temp_delay", kind: duration, def: d.TempDelay, doc: "a temperature has to be bad for so long, pours not counted", file: true, check: within(0, 24*time.Hour)},
		{path: "limits.co2_warn_kpa", kind: number, def: d.CO2Warn, doc: "less gas warns, kPa", file: true, check: kpa},
		{path: "limits.co2_block_kpa", kind: number, def: d.CO2Block, doc: "less gas blocks sparkling drinks, kPa", file: true, check: kpa},
		{path: "limits.water_min_kpa", kind: number, def: d.WaterMin, doc: "less water pressure warns, kPa", file: true, check: kpa},
		{path: "limits.water_max_kpa", kind: number, def: d.WaterMax, doc: "more water pressure warns, kPa", file: true, check: kpa},
		{path: "limits.pressure_hysteresis_kpa", kind: number, def: d.PressureHyst, doc: "a pressure is good again this far inside its limit, kPa", file: true, check: between(0, 500)},
		{path: "limits.pressure_delay", kind: duration, def: d.PressureDelay, doc: "a pressure has to be bad for so long, pours not counted", file: true, check: within(0, time.Hour)},
		{path: "limits.carbonate", kind: duration, def: d.Carbonate, doc: "a carbonator that fills for longer is told", file: true, check: within(time.Second, time.Hour)},
		{path: "limits.sensor_delay", kind: duration, def: d.SensorDelay, doc: "a sensor without a sound value for longer is told", file: true, check: within(0, time.Hour)},
		{path: "stock.low_servings", kind: whole, def: s.LowServings, doc: "warn when so few servings of an ingredient are left", check: between(0, 1000)},
		{path: "stock.expiring_days", kind: whole, def: s.ExpiringDays, doc: "warn so many days before a cartridge expires", check: between(0, 365)},
	}
}

// limit is the field of a key of limitKeys; false when it is none.
func (c *Config) limit(path string) (any, bool) {
	l := &c.Limits
	fields := map[string]any{
		"limits.water_warn_c": l.WaterWarn, "limits.water_block_c": l.WaterBlock, "limits.water_freeze_c": l.WaterFreeze,
		"limits.cabinet_min_c": l.CabinetMin, "limits.cabinet_max_c": l.CabinetMax, "limits.temp_hysteresis_c": l.TempHyst,
		"limits.temp_delay": l.TempDelay, "limits.co2_warn_kpa": l.CO2Warn, "limits.co2_block_kpa": l.CO2Block,
		"limits.water_min_kpa": l.WaterMin, "limits.water_max_kpa": l.WaterMax, "limits.pressure_hysteresis_kpa": l.PressureHyst,
		"limits.pressure_delay": l.PressureDelay, "limits.carbonate": l.Carbonate, "limits.sensor_delay": l.SensorDelay,
		"stock.low_servings": c.Stock.LowServings, "stock.expiring_days": c.Stock.ExpiringDays,
	}
	v, ok := fields[path]
	return v, ok
}

// limitsTogether checks that what warns comes before what blocks.
func (c *Config) limitsTogether() []*problem.Problem {
	l := &c.Limits
	var out []*problem.Problem
	for _, o := range []struct {
		low, high     string
		lowIs, highIs float64
	}{
		{"limits.water_freeze_c", "limits.water_warn_c", l.WaterFreeze, l.WaterWarn},
		{"limits.water_warn_c", "limits.water_block_c", l.WaterWarn, l.WaterBlock},
		{"limits.cabinet_min_c", "limits.cabinet_max_c", l.CabinetMin, l.CabinetMax},
		{"limits.co2_block_kpa", "limits.co2_warn_kpa", l.CO2Block, l.CO2Warn},
		{"limits.water_min_kpa", "limits.water_max_kpa", l.WaterMin, l.WaterMax},
	} {
		if o.lowIs >= o.highIs {
			out = append(out, c.wrong(o.high, fmt.Sprintf("%s is %g, not above %s %g", o.high, o.highIs, o.low, o.lowIs), "raise it, or lower "+o.low))
		}
	}
	return out
}
