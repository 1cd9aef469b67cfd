package agent

import (
	"context"
	"strings"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/problem"
)

// alarmDesk shows alarms with their evidence and lets a person clear those that only a person can judge.
type alarmDesk struct{ a *Agent }

var _ apiserver.Alarms = alarmDesk{}

// List is what stands, blocking first.
func (d alarmDesk) List() []api.Alarm {
	list := d.a.board.List()
	out := make([]api.Alarm, len(list))
	for i, l := range list {
		out[i] = api.Alarm{
			Name: l.Name.String(), Severity: string(l.Severity), Scope: l.Scope, What: l.What, Evidence: l.Evidence, Remedy: l.Remedy, Since: l.Since,
		}
	}
	return out
}

// Clear ends an alarm that the catalogue says a person ends. Every other one ends when the unit sees, or an operation
// has measured, that its cause is gone: no word of anybody makes it so.
func (d alarmDesk) Clear(_ context.Context, c api.ClearAlarm) error {
	err := d.clear(c)
	d.a.audit.noted(c.Person, "clear alarm "+c.Name, c.Scope, err)
	return err
}

func (d alarmDesk) clear(c api.ClearAlarm) error {
	name, known := alarm.Parse(c.Name)
	if !known {
		return &problem.Problem{Code: problem.CodeNotFound, Where: c.Name, What: "there is no alarm of this name", Remedy: "see fountainctl alarms"}
	}
	a, stands := d.a.board.Get(name, c.Scope)
	if !stands {
		return d.missing(name, c.Scope)
	}
	switch name.Definition().Ends {
	case alarm.Person:
		return d.a.mended(name, c.Scope)
	case alarm.Proof:
		return &problem.Problem{
			Code: problem.CodeUnsafe, Where: c.Name + " " + a.Scope, What: "only a measurement ends this alarm, nobody's word does", Remedy: a.Remedy,
		}
	default:
		return &problem.Problem{
			Code: problem.CodeUnsafe, Where: c.Name + " " + a.Scope, What: "its cause still stands: " + a.What, Remedy: a.Remedy + "; the alarm then ends by itself",
		}
	}
}

// missing says of which scopes an alarm could be cleared that does not stand for the one that was named.
func (d alarmDesk) missing(name alarm.Name, scope string) error {
	p := &problem.Problem{Code: problem.CodeNotFound, Where: name.String() + " " + scope, What: "this alarm does not stand", Remedy: "see fountainctl alarms"}
	var stands, say []string
	for _, a := range d.a.board.List() {
		if a.Name == name {
			stands, say = append(stands, a.Scope), append(say, "fountainctl alarms clear "+name.String()+" "+a.Scope)
		}
	}
	if len(stands) > 0 {
		p.What, p.Remedy = "this alarm stands for "+strings.Join(stands, ", "), "say for which: "+strings.Join(say, "; ")
	}
	return p
}
