package agent

import (
	"cmp"

	"fountain/agent/alarm"
	"fountain/agent/machine"
	"fountain/agent/pour"
)

// mended takes a person's word that the cause of an alarm is gone. What the machine locked out it unlocks itself, and
// refuses while it can still see the cause; the rest is a note that was read. The error is a problem.
func (a *Agent) mended(n alarm.Name, scope string) error {
	scope = cmp.Or(scope, alarm.ScopeUnit)
	for _, f := range a.machine.Lockouts() {
		al, ok := ofMachine(f)
		if !ok || al.Name != n || cmp.Or(al.Scope, alarm.ScopeUnit) != scope {
			continue
		}
		if err := a.machine.ClearLockout(f.Scope, f.Code); err != nil {
			return err
		}
	}
	a.board.Clear(n, scope) // what is still so comes back with the next look
	a.look()
	return nil
}

// ofMachine is the alarm of one of the machine's faults; false for what readiness or the view tells.
func ofMachine(f machine.Fault) (alarm.Alarm, bool) {
	switch f.Code {
	case machine.CodeNoCO2, machine.CodeCarbonating:
		return alarm.Alarm{}, false
	case pour.ReasonNoFlow: // once may be a slip; the view counts the misses
		if !f.Locked {
			return alarm.Alarm{}, false
		}
	}
	ev := f.Evidence
	if f.Part != "" && f.Part != f.Scope {
		ev = f.Part + ": " + ev
	}
	n, ok := machineAlarms[f.Code]
	if ok {
		d := n.Definition()
		ok = d.Severity == alarm.Warns || f.Locked || f.Scope == machine.ScopeUnit || d.Ends == alarm.Itself
	}
	switch {
	case ok:
		return alarm.Alarm{Name: n, Scope: f.Scope, Evidence: ev}, true
	case f.Locked: // a code of a newer machine: it blocks all the same
		return alarm.Alarm{Name: alarm.OutputFault, Scope: f.Scope, Evidence: f.Code + ": " + ev}, true
	}
	return alarm.Alarm{Name: alarm.PartFault, Scope: f.Scope, What: f.Evidence, Evidence: f.Code}, true
}
