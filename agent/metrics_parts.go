package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"fountain/agent/alarm"
	"fountain/hal"
)

// unitParts are the metrics with labels: alarms by name, sensors, cartridges, waste.
type unitParts struct{ a *Agent }

var _ prometheus.Collector = unitParts{}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("fountain", "", name), help, labels, nil)
}

var (
	descAlarm       = desc("alarm", "Scopes in which the alarm stands.", "name", "severity")
	descRaised      = desc("alarm_raised_total", "How often the alarm was raised since the start, over all scopes.", "name", "severity")
	descSensor      = desc("sensor_value", "Newest value of a sensor, °C or kPa as its role says.", "sensor", "role")
	descSensorGood  = desc("sensor_good", "1 while the sensor's value is sound.", "sensor", "role")
	descSlots       = desc("cartridge_slots", "Cartridge slots by state.", "state")
	descLeft        = desc("cartridge_left_ml", "Left in a cartridge by the count.", "slot", "ingredient")
	descWaste       = desc("waste_ml_total", "What flowed and was no drink, by what it was for.", "kind")
	descBlocked     = desc("beverages_blocked", "Beverages that cannot be poured now, by reason.", "reason")
	descValveLag    = desc("valve_close_lag_seconds", "Learned close lag of a carrier's valve.", "valve")
	descLearnedFrom = desc("valve_close_lag_pours", "Pours the close lag was learned from.", "valve")
)

// Describe sends every description.
func (p unitParts) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descAlarm, descRaised, descSensor, descSensorGood, descSlots, descLeft, descWaste, descBlocked, descValveLag, descLearnedFrom,
	} {
		ch <- d
	}
}

// Collect sends every value.
func (p unitParts) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	stands := map[alarm.Name]int{}
	for _, l := range p.a.board.List() {
		stands[l.Name]++
	}
	for _, n := range alarm.Names() {
		severity := string(n.Definition().Severity)
		gauge(descAlarm, float64(stands[n]), n.String(), severity)
		counter(descRaised, float64(p.a.board.Raised(n)), n.String(), severity)
	}
	for id, r := range p.a.readiness.readings() {
		role := string(p.a.scopes.parts[id].Role)
		gauge(descSensor, r.Value, id, role)
		gauge(descSensorGood, truth(r.Quality == hal.Good), id, role)
	}
	for state, n := range p.a.slots.counts() {
		gauge(descSlots, float64(n), state)
	}
	for _, l := range p.a.book.Levels() {
		gauge(descLeft, float64(l.LeftUL)/1000, l.Slot, string(l.Ingredient))
	}
	for kind, ul := range p.a.waste() {
		counter(descWaste, float64(ul)/1000, kind)
	}
	for reason, n := range p.a.view.reasons() {
		gauge(descBlocked, float64(n), reason)
	}
	for valve, l := range p.a.machine.Lags() {
		gauge(descValveLag, l.Value().Seconds(), valve)
		gauge(descLearnedFrom, float64(l.N), valve)
	}
}

// waste is what flowed and was no drink, µL: rinses between drinks since the start, service work since the book began.
func (a *Agent) waste() map[string]int64 {
	out := map[string]int64{"nozzle_rinse": a.machine.State().RinsedUL}
	for kind, ul := range a.ops.book.WastedUL() {
		out[kind] = ul
	}
	return out
}

// reasons counts the blocked beverages by reason.
func (v *view) reasons() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[string]int{}
	for _, why := range v.blocked {
		out[why]++
	}
	return out
}
