package pour

import (
	"time"

	"fountain/hal"
)

// RinsePhase is where a rinse stands.
type RinsePhase uint8

// Phases of a rinse.
//
//	from     what                                       to       effects
//	Rest     Start                                      Arming   Rearm, Master on
//	Arming   the guard says MASTER is open              Washing  Open
//	Washing  the volume has come                        Still    Shut
//	any      a cup, an interlock, the guard, no flow,   Still    Shut, Master off
//	         a bound, Stop
//	Still    water stands still                         Rest     Master off
const (
	Rest RinsePhase = iota
	Arming
	Washing
	Still
)

// Rinse runs water through the nozzle into the tray. It is a pure rule like State: agent/machine does what it says. The
// zero Rinse rests.
type Rinse struct {
	Phase  RinsePhase
	Master bool
	Failed string // why the last one ended early; empty when it gave its volume

	target   int64
	perPulse float64
	cup      bool // the unit has a cup sensor: a cup under the nozzle ends the rinse
	base     uint64
	pulses   uint64
	last     time.Duration
	armedAt  time.Duration
	openAt   time.Duration
	shutAt   time.Duration
	open     bool
	stuck    bool
	late     uint64
	lateSet  bool
}

// Start begins a rinse of target µL on a line of so many pulses per litre.
func (r *Rinse) Start(now time.Duration, target int64, pulsesPerLitre float64, cupSensor bool, c hal.Count, fx *Effects) {
	fx.n = 0
	if r.Phase != Rest {
		return
	}
	*r = Rinse{Phase: Arming, Master: true, target: target, perPulse: 1e6 / pulsesPerLitre, cup: cupSensor, base: c.Pulses, armedAt: now}
	fx.add(Effect{Action: Rearm})
	fx.add(Effect{Action: Master, On: true})
}

// UL is the water that has flowed, µL.
func (r *Rinse) UL() int64 { return int64(float64(r.pulses) * r.perPulse) }

// Stuck tells whether the valve did not shut.
func (r *Rinse) Stuck() bool { return r.stuck }

// Stop ends it early.
func (r *Rinse) Stop(now time.Duration, why string, fx *Effects) {
	fx.n = 0
	r.abort(now, why, fx)
}

func (r *Rinse) abort(now time.Duration, why string, fx *Effects) {
	if r.Phase != Arming && r.Phase != Washing {
		return
	}
	r.Failed = why
	r.close(now, fx)
	r.master(fx)
}

func (r *Rinse) close(now time.Duration, fx *Effects) {
	r.Phase, r.open, r.shutAt = Still, false, now
	fx.add(Effect{Action: Shut})
}

func (r *Rinse) master(fx *Effects) {
	if r.Master {
		r.Master = false
		fx.add(Effect{Action: Master})
	}
}

// Tick runs the rule; only Water, Locks, LocksErr and Guard of the inputs are used.
func (r *Rinse) Tick(now time.Duration, in *Inputs, fx *Effects) {
	fx.n = 0
	if r.Phase == Rest {
		return
	}
	if n := in.Water.Pulses - r.base; n > r.pulses {
		r.pulses, r.last = n, in.Water.Last
	}
	if why := r.forbidden(in); why != "" {
		r.abort(now, why, fx)
	}
	switch r.Phase {
	case Arming:
		switch {
		case in.Guard.Latched:
			r.abort(now, guardReason(in.Guard.Reason), fx)
		case in.Guard.Open:
			r.Phase, r.open, r.openAt = Washing, true, now
			fx.add(Effect{Action: Open})
		case now-r.armedAt > MasterWait:
			r.abort(now, ReasonMaster, fx)
		}
	case Washing:
		switch {
		case in.Guard.Latched || !in.Guard.Open:
			r.abort(now, guardReason(in.Guard.Reason), fx)
		case r.UL() >= r.target:
			r.close(now, fx)
		case r.pulses == 0 && now-r.openAt > FirstPulse, r.pulses > 0 && now-r.last > PulseGap:
			r.abort(now, ReasonNoFlow, fx)
		case now-r.openAt > RinseMost:
			r.abort(now, ReasonTimeBound, fx)
		}
	case Still:
		r.settle(now, fx)
	}
}

func (r *Rinse) forbidden(in *Inputs) string {
	switch {
	case r.cup && in.Locks&hal.NoCup == 0:
		return ReasonCup
	case in.Locks&hal.TrayFull != 0:
		return ReasonTrayFull
	}
	return unsafe(in)
}

// ReasonCup ends a rinse: a cup is under the nozzle.
const ReasonCup = "cup"

func (r *Rinse) settle(now time.Duration, fx *Effects) {
	since := now - r.shutAt
	if since > StuckAfter && !r.lateSet {
		r.late, r.lateSet = r.pulses, true
	}
	if r.lateSet && r.pulses >= r.late+stuckPulses {
		r.stuck = true
	}
	if r.stuck || since >= SettleMin && now-r.last >= quietTime {
		r.master(fx)
		r.Phase = Rest
	}
}
