package agent

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fountain/agent/api"
	"fountain/internal/build"
	"fountain/internal/units"
)

// ml formats microlitres for a person.
func ml(ul int64) string { return units.Volume(ul).String() }

// metrics is the Prometheus page of this unit, on a registry of its own.
func (a *Agent) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fountain", Name: name, Help: help}, f))
	}
	counter := func(name, help string, f func() float64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "fountain", Name: name, Help: help}, f))
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "fountain", Name: "build_info", Help: "Version of the agent.",
		ConstLabels: prometheus.Labels{"version": build.Version, "rig": a.cfg.Rig},
	})
	info.Set(1)
	reg.MustRegister(info)

	counter("loop_late_ticks_total", "Ticks of the control loop more than 2 ms late.", func() float64 { return float64(a.machine.State().LateTicks) })
	counter("loop_very_late_ticks_total", "Ticks of the control loop more than 20 ms late.", func() float64 { return float64(a.machine.State().VeryLate) })
	counter("loop_gaps_total", "Gaps of the control loop of more than 100 ms; each shuts every output.", func() float64 { return float64(a.machine.State().LoopGaps) })
	gauge("loop_worst_tick_seconds", "The latest tick of the control loop so far.", func() float64 { return a.machine.State().WorstTick.Seconds() })
	counter("lost_pulses_total", "Pulses of all flow meters known to have been missed.", func() float64 { return float64(a.machine.State().LostPulses) })
	gauge("ready", "1 when the unit can pour.", func() float64 {
		unit, _ := a.view.state(a.machine.State())
		return truth(unit == api.UnitReady || unit == api.UnitPouring)
	})
	gauge("master_open", "1 while the guard says that MASTER is open.", func() float64 { return truth(a.machine.State().MasterOpen) })
	gauge("alarms", "Alarms that stand.", func() float64 { return float64(len(a.board.List())) })
	reg.MustRegister(unitParts{a})
	gauge("store_last_seq", "Newest record of the current log.", func() float64 { return float64(a.store.Stats().Last) })
	gauge("store_acked_seq", "Records of the current log that the cloud has committed.", func() float64 { return float64(a.store.Stats().Acked) })
	gauge("store_pending", "Records not acknowledged, over all logs.", func() float64 { return float64(a.store.Stats().Pending) })
	gauge("store_damaged_files", "Files kept aside because they failed verification.", func() float64 { return float64(a.store.Stats().Damaged) })
	gauge("cloud_online", "1 while connected.", func() float64 { return truth(a.cloud.online()) })
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg})
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
