package machine

import (
	"time"

	"fountain/hal"
)

// watch is a meter seen while nothing is poured.
type watch struct {
	meter hal.FlowMeter
	base  uint64
}

// checkHealth asks the hardware once a second what is wrong with it.
func (lo *loop) checkHealth(now time.Duration) {
	if lo.lease != nil || (lo.healthAt > 0 && now-lo.healthAt < healthEvery) {
		return
	}
	lo.healthAt = now
	lo.health = lo.m.deps.Rig.Health()
}

// watchIdle finds water that flows while everything is shut.
func (lo *loop) watchIdle(now time.Duration) {
	if lo.lease != nil || lo.svc.session != nil {
		lo.watchAt = 0
		return
	}
	fresh := lo.watchAt == 0 || now-lo.watchAt >= watchTime
	for i := range lo.watches {
		w := &lo.watches[i]
		n := w.meter.Count().Pulses
		if !fresh && n > w.base+watchPulses && lo.sticky == "" {
			lo.sticky = FaultFlow
		}
		if fresh {
			w.base = n
		}
	}
	if fresh {
		lo.watchAt = now
	}
}
