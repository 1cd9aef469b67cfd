package machine

import (
	"fmt"
	"slices"
	"time"

	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// loadLocks takes over what waited for a person when the last process ended.
func (m *Machine) loadLocks() error {
	if m.deps.Locks == nil {
		return nil
	}
	locks, err := m.deps.Locks.LoadLocks()
	if err != nil {
		return fmt.Errorf("load lock-outs: %w", err)
	}
	for _, f := range locks {
		f.Locked = true
		m.kept = append(m.kept, f)
		m.locked[f.Scope] = f.Code
	}
	return nil
}

// lock keeps a scope from pouring until ClearLockout.
func (lo *loop) lock(f Fault) {
	f.Locked = true
	lo.raise(f)
}

// raise shows a fault; one that stands already gets new evidence only when it gets locked.
func (lo *loop) raise(f Fault) {
	i := lo.find(f.Scope, f.Code)
	switch {
	case i < 0:
		lo.faults = append(lo.faults, f)
	case f.Locked && !lo.faults[i].Locked:
		lo.faults[i] = f
	default:
		return
	}
	lo.clerk.fault(f)
	lo.faultsChanged(f.Locked)
}

// drop ends a fault that passes by itself.
func (lo *loop) drop(scope, code string) {
	if i := lo.find(scope, code); i >= 0 {
		was := lo.faults[i].Locked
		lo.faults = slices.Delete(lo.faults, i, i+1)
		lo.faultsChanged(was)
	}
}

func (lo *loop) find(scope, code string) int {
	return slices.IndexFunc(lo.faults, func(f Fault) bool { return f.Scope == scope && f.Code == code })
}

// faultsChanged publishes the list: to State, to Start, and to the store when lock-outs are among the change.
func (lo *loop) faultsChanged(locks bool) {
	lo.faultRev++
	if !locks {
		return
	}
	var keep []Fault
	lo.m.mu.Lock()
	clear(lo.m.locked)
	for _, f := range lo.faults {
		if !f.Locked {
			continue
		}
		lo.m.locked[f.Scope] = f.Code
		if f.Code != pour.ReasonJournal { // the next process finds out for itself
			keep = append(keep, f)
		}
	}
	lo.m.mu.Unlock()
	lo.m.emptyRev.Add(1)
	lo.clerk.locks(keep)
}

// lockedUnit is the code of the lock-out that keeps the whole unit from pouring; "" when there is none.
func (lo *loop) lockedUnit() string {
	for i := range lo.faults {
		if f := &lo.faults[i]; f.Locked && f.Scope == ScopeUnit {
			return f.Code
		}
	}
	return ""
}

// lockedFor is the lock-out of what a pour needs; nil when there is none.
func (lo *loop) lockedFor(l *lease) *Fault {
	for i := range lo.faults {
		f := &lo.faults[i]
		if !f.Locked {
			continue
		}
		if f.Scope == l.plan.Carrier.Valve {
			return f
		}
		for j := range l.plan.Doses {
			if f.Scope == l.plan.Doses[j].Slot {
				return f
			}
		}
	}
	return nil
}

// answer handles the questions of people.
func (lo *loop) answer(now time.Duration) {
	select {
	case a := <-lo.m.asks:
		a.answer <- lo.clearLock(now, a.scope, a.code)
	default:
	}
}

// clearLock ends a lock-out unless its cause can still be seen.
func (lo *loop) clearLock(now time.Duration, scope, code string) error {
	i := lo.find(scope, code)
	if i < 0 || !lo.faults[i].Locked {
		return &problem.Problem{Code: problem.CodeNotFound, Where: scope + " " + code, What: "there is no such lock-out", Remedy: "list the alarms with `fountainctl alarms`"}
	}
	switch s := lo.svc.session; {
	case lo.lease != nil || lo.rinse.Phase != pour.Rest:
		return busy()
	case s != nil && s.run.Live(): // idle meters are not looked at then, and trying a part shuts others
		return inService()
	}
	stands := func(what, remedy string) error {
		return &problem.Problem{Code: problem.CodeConflict, Where: scope + " " + code, What: what, Remedy: remedy}
	}
	switch code {
	case CodeFlow, pour.ReasonStuckOpen:
		for i := range lo.watches {
			if w := &lo.watches[i]; w.pulseAt > 0 && now-w.pulseAt < clearQuiet {
				return stands("water still flows through "+lo.m.lines[i].id, "shut the water supply, mend the valve, then clear the lock-out")
			}
		}
	case pour.ReasonHardware:
		if err := lo.reachable(scope); err != nil {
			return stands("it still does not obey: "+err.Error(), "check its wiring and its board, then clear the lock-out")
		}
	}
	lo.drop(scope, code)
	return nil
}

// clearQuiet is how long every meter has to stand still before a valve counts as shut.
const clearQuiet = time.Second

// reachable tries a part with a command that moves nothing.
func (lo *loop) reachable(scope string) error {
	if scope == ScopeUnit {
		return lo.m.deps.Rig.Outputs().Apply(lo.m.all, 0)
	}
	if mask, ok := lo.m.valves[scope]; ok {
		return lo.m.deps.Rig.Outputs().Apply(mask, 0)
	}
	for _, p := range lo.m.plates {
		if p.ID == scope && p.Kind == hal.KindSlot && lo.m.pumps[p.Pump] != nil {
			return lo.m.pumps[p.Pump].Stop()
		}
	}
	return nil
}

// conclude draws from a pour that has ended what concerns the unit and its lines.
func (lo *loop) conclude(now time.Duration) {
	p, valve := &lo.pour, lo.lease.plan.Carrier.Valve
	if p.Stuck() {
		lo.lock(Fault{
			Scope: ScopeUnit, Code: pour.ReasonStuckOpen, Part: valve,
			Evidence: fmt.Sprintf("water went on through %s after it was told to shut; MASTER serves every line, so none can be opened", valve),
		})
	}
	flows := fmt.Sprintf("in pour %s, after %.1f ml", lo.lease.id, float64(p.CarrierUL())/1000)
	reason := p.Reason
	if other := lo.strayLine(); other >= 0 && lo.watches[other].strays >= pour.StrayPulses && reason != pour.ReasonStuckOpen {
		reason = pour.ReasonStuckOpen // seen only after it had ended for another reason
		if p.CarrierUL() == 0 || p.Reason == pour.ReasonWrongWay {
			reason = pour.ReasonWrongWay
		}
	}
	switch reason {
	case pour.ReasonStuckOpen:
		if other := lo.strayLine(); !p.Stuck() && other >= 0 {
			o := &lo.m.lines[other]
			lo.lock(Fault{
				Scope: ScopeUnit, Code: pour.ReasonStuckOpen, Part: o.valve,
				Evidence: fmt.Sprintf("%s counted %d pulses with %s shut while %s poured; MASTER serves every line, so none can be opened", o.id, lo.watches[other].strays, o.valve, valve),
			})
		}
	case pour.ReasonWrongWay:
		if other := lo.strayLine(); other >= 0 {
			o := &lo.m.lines[other]
			ev := fmt.Sprintf("%s was opened and %s counted: valves or meters are exchanged", valve, o.id)
			lo.lock(Fault{Scope: valve, Code: pour.ReasonWrongWay, Part: o.id, Evidence: ev})
			lo.lock(Fault{Scope: o.valve, Code: pour.ReasonWrongWay, Part: o.id, Evidence: ev})
		}
	case pour.ReasonMeterLost:
		lo.lock(Fault{Scope: valve, Code: pour.ReasonMeterLost, Part: lo.lease.plan.Carrier.Meter, Evidence: "its pulses ended in full flow " + flows})
	case pour.ReasonOverFlow:
		lo.lock(Fault{Scope: valve, Code: pour.ReasonOverFlow, Evidence: "more water than the machine can give " + flows})
	case pour.ReasonAir:
		lo.raise(Fault{Scope: valve, Code: pour.ReasonAir, Evidence: "the meter spun too fast and unevenly " + flows})
	case pour.ReasonNoFlow:
		lo.noFlow++
		lo.raise(Fault{Scope: valve, Code: pour.ReasonNoFlow, Evidence: "no water " + flows})
	}
	if p.Outcome != "" && p.Reason == "" && p.CarrierUL() > 0 { // a whole drink: the line is well
		lo.drop(valve, pour.ReasonNoFlow)
		lo.drop(valve, pour.ReasonAir)
	}
	if p.CarrierUL() > 0 && p.Reason != pour.ReasonNoFlow {
		lo.noFlow = 0
	}
	if n := p.Phantom(); n > phantomNote {
		for i := range lo.watches {
			if lo.watches[i].line.valve == valve {
				lo.watches[i].ghostAt = now
			}
		}
		lo.raise(Fault{Scope: valve, Code: CodeEMI, Evidence: fmt.Sprintf("%d pulses that no water makes %s", n, flows)})
	}
	lo.after(now)
}

// phantomNote pulses in one pour are left out in silence: a contact bounces now and then.
const phantomNote = 3

// strayLine is the line besides the one that pours whose meter counted most; −1 when none did.
func (lo *loop) strayLine() int {
	best := -1
	for i := range lo.watches {
		if n := lo.watches[i].strays; n > 0 && (best < 0 || n > lo.watches[best].strays) {
			best = i
		}
	}
	return best
}

// disobeyed notes hardware that did not do what it was told: the pour ends, and the part waits for a check.
func (lo *loop) disobeyed(scope, part string, err error) {
	if err == nil {
		return
	}
	lo.rigFault = true
	lo.lock(Fault{Scope: scope, Code: pour.ReasonHardware, Part: part, Evidence: part + ": " + err.Error()})
}

// passing shows what keeps drinks from being poured and passes by itself. What changes nothing costs nothing.
func (lo *loop) passing() {
	if lo.locksErr != nil {
		return
	}
	for _, p := range [...]struct {
		bit     hal.Interlocks
		code    string
		carrier string
		why     string
	}{
		{hal.NoCO2, CodeNoCO2, carrierSparkling, "the CO2 pressure switch says there is no gas"},
		{hal.Carbonating, CodeCarbonating, carrierSparkling, "the carbonator fills"},
	} {
		on := lo.locks&p.bit != 0
		if on == (lo.passed&p.bit != 0) {
			continue
		}
		lo.passed ^= p.bit
		for i := range lo.m.lines {
			if l := &lo.m.lines[i]; l.carrier == p.carrier && on {
				lo.raise(Fault{Scope: l.valve, Code: p.code, Evidence: p.why})
			} else if l.carrier == p.carrier {
				lo.drop(l.valve, p.code)
			}
		}
	}
}

// clearAll ends every lock-out; what is still wrong comes back.
func (lo *loop) clearAll() {
	n := len(lo.faults)
	lo.faults = slices.DeleteFunc(lo.faults, func(f Fault) bool { return f.Locked })
	if len(lo.faults) != n {
		lo.faultsChanged(true)
	}
}
