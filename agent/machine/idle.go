package machine

import (
	"fmt"
	"time"

	"fountain/agent/pour"
	"fountain/hal"
)

// watch is the loop's eye on one line's meter.
type watch struct {
	line    *line
	idle    pour.Watch
	stray   pour.Stray
	strays  uint64 // pulses while another line pours
	lost    uint64 // pulses known to be missed, when the health was looked at last
	seen    uint64
	pulseAt time.Duration // newest pulse
	ghostAt time.Duration // newest interference or air; 0: none is told
}

// ghostNote is how long interference and air are told after they were seen last.
const ghostNote = 10 * time.Minute

func (lo *loop) openWatches() {
	for i := range lo.m.lines {
		l := &lo.m.lines[i]
		lo.watches = append(lo.watches, watch{line: l, idle: pour.Watch{Shortest: l.shortest}, stray: pour.Stray{Shortest: l.shortest}})
	}
}

// checkHealth asks the hardware once a second what is wrong with it.
func (lo *loop) checkHealth(now time.Duration) {
	if lo.lease != nil || (lo.healthAt > 0 && now-lo.healthAt < healthEvery) {
		return
	}
	lo.healthAt = now
	lo.health = lo.m.deps.Rig.Health()
	for i := range lo.watches {
		w := &lo.watches[i]
		if n := w.line.meter.Count().Lost; n != w.lost {
			lo.m.ticks.lost.Add(n - w.lost)
			lo.health = append(lo.health, hal.Fault{Part: w.line.id, What: fmt.Sprintf("%d pulses were lost", n-w.lost), Kind: hal.FaultLost})
			w.lost = n
		}
	}
}

// watchIdle judges what meters do while everything is shut. Nothing of it is a sale.
func (lo *loop) watchIdle(now time.Duration) {
	still := lo.lease == nil && lo.rinse.Phase == pour.Rest && lo.svc.session == nil
	for i := range lo.watches {
		w := &lo.watches[i]
		if !still {
			w.idle.Reset()
			continue
		}
		c := w.line.meter.Count()
		if c.Pulses != w.seen {
			w.seen, w.pulseAt = c.Pulses, now
		}
		switch w.idle.Look(now, c) {
		case pour.GhostLeak:
			lo.lock(Fault{
				Scope: ScopeUnit, Code: CodeFlow, Part: w.line.id,
				Evidence: fmt.Sprintf("%s counted more than %d pulses in %v with every valve shut", w.line.id, pour.LeakPulses, pour.LeakTime),
			})
		case pour.GhostEMI:
			w.ghostAt = now
			lo.raise(Fault{Scope: w.scope(), Code: CodeEMI, Part: w.line.id, Evidence: w.line.id + " sent pulses faster than any water turns it"})
		case pour.GhostAir:
			w.ghostAt = now
			lo.raise(Fault{Scope: w.scope(), Code: CodeAir, Part: w.line.id, Evidence: w.line.id + " sent a short uneven burst with every valve shut"})
		case pour.GhostWeep:
			lo.raise(Fault{
				Scope: w.scope(), Code: CodeWeep, Part: w.line.id,
				Evidence: fmt.Sprintf("%s counted %d single pulses within an hour with every valve shut", w.line.id, w.idle.Drips()),
			})
		}
		if lo.weepAt == 0 || now-lo.weepAt > time.Minute {
			if w.idle.Drips() == 0 {
				lo.drop(w.scope(), CodeWeep)
			}
			if w.ghostAt > 0 && now-w.ghostAt > ghostNote {
				w.ghostAt = 0
				lo.drop(w.scope(), CodeEMI)
				lo.drop(w.scope(), CodeAir)
			}
		}
	}
	if lo.weepAt == 0 || now-lo.weepAt > time.Minute {
		lo.weepAt = now
	}
}

func (w *watch) scope() string {
	if w.line.valve != "" {
		return w.line.valve
	}
	return w.line.id
}

// stirring is the schedule of the agitators.
type stirring struct {
	next  []time.Duration // by agitator
	on    int             // the one that runs; −1: none
	until time.Duration
}

// stirAfter is how long no agitator starts after a safety input was reset: a reset must not start anything.
const stirAfter = time.Minute

// stir runs one agitator at a time, while nothing else moves, and stops it in the tick in which something wants to.
func (lo *loop) stir(now time.Duration) {
	s := &lo.stirs
	if len(lo.m.stirs) == 0 {
		return
	}
	if s.next == nil {
		s.on, s.next = -1, make([]time.Duration, len(lo.m.stirs))
		for i := range s.next { // not all at once after a start
			s.next[i] = now + lo.m.stirs[i].every
		}
	}
	if lo.tripped() {
		lo.calmStirs(now)
		return
	}
	free := lo.lease == nil && lo.m.current.Load() == nil && lo.rinse.Phase == pour.Rest && !lo.unshut && !lo.occupied()
	switch {
	case s.on >= 0 && (!free || now >= s.until):
		lo.stillStirs(now)
	case s.on < 0 && free:
		for i := range s.next {
			if now < s.next[i] {
				continue
			}
			a := &lo.m.stirs[i]
			if err := lo.m.deps.Rig.Outputs().Apply(a.mask, a.mask); err != nil {
				lo.raise(Fault{Scope: a.id, Code: pour.ReasonHardware, Part: a.id, Evidence: a.id + ": " + err.Error()})
				s.next[i] = now + a.every
				continue
			}
			lo.drop(a.id, pour.ReasonHardware)
			s.on, s.until = i, now+a.run
			return
		}
	}
}

// calmStirs stops the agitator that runs for safety's sake: it is not resumed, and none starts for a while.
func (lo *loop) calmStirs(now time.Duration) {
	s := &lo.stirs
	if len(s.next) == 0 {
		return
	}
	if i := s.on; i >= 0 {
		lo.stillStirs(now)
		s.next[i] = now + lo.m.stirs[i].every
	}
	for i := range s.next {
		s.next[i] = max(s.next[i], now+stirAfter)
	}
}

// stillStirs stops the agitator that runs. One that was cut short starts again when it is quiet.
func (lo *loop) stillStirs(now time.Duration) {
	s := &lo.stirs
	if len(s.next) == 0 || s.on < 0 {
		return
	}
	a := &lo.m.stirs[s.on]
	lo.ended(lo.m.deps.Rig.Outputs().Apply(a.mask, 0))
	if now >= s.until {
		s.next[s.on] = now + a.every
	}
	s.on = -1
}
