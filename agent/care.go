package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/hal"
)

// careEvery is how often the service book is looked at; what an operation changes is seen at once by look.
const careEvery = 10 * time.Second

// careGroup is from how many lines on one alarm of the unit speaks for all of them: eighty pumps that were never
// calibrated are one thing to know, not eighty.
const careGroup = 4

// careBook is what the alarms need of the service book; *maintenance.Book is one.
type careBook interface {
	Due(now time.Time) []maintenance.Due
	Locks() map[string]maintenance.Lock
	Lines() []api.Line
}

var _ careBook = (*maintenance.Book)(nil)

// careAlarms says what service work is due, late or unfinished. A clock that nobody has set judges no date: what is due
// is then not told, but a cleaning that was not finished locks its lines all the same.
func careAlarms(b careBook, now time.Time, clock, checked bool) []alarm.Alarm {
	var out []alarm.Alarm
	if !checked {
		out = append(out, alarm.Alarm{Name: alarm.RigCheckMissing, Evidence: "no self-test was passed on this unit"})
	}
	if b == nil {
		return out
	}
	for id, l := range b.Locks() {
		if l.Code != maintenance.LockCleaning {
			continue // the machine's own lock-outs are told by the watch
		}
		a := alarm.Alarm{Name: alarm.CleanUnfinished, Scope: id, Evidence: "since " + l.Since.UTC().Format(time.DateTime)}
		if id == maintenance.Nozzle {
			a.Scope = alarm.ScopeUnit // it concerns every line
		}
		out = append(out, a)
	}
	due := map[alarm.Name][]line{}
	for _, l := range b.Lines() {
		if l.Kind != string(hal.KindMeter) && l.Kind != string(hal.KindPump) {
			continue
		}
		switch c := l.Calibration; {
		case c == nil:
			due[alarm.CalibrationMissing] = append(due[alarm.CalibrationMissing], line{l.ID, "the name plate's figure is used"})
		case clock && !c.Expires.IsZero() && !now.Before(c.Expires):
			due[alarm.CalibrationExpired] = append(due[alarm.CalibrationExpired], line{l.ID, "calibrated by " + c.Person + " on " + date(c.At)})
		}
	}
	if clock {
		for _, d := range b.Due(now) {
			n := alarm.CleanDue
			switch {
			case d.Job == maintenance.JobBrix:
				n = alarm.BrixDue
			case d.Job != maintenance.JobClean && d.Job != maintenance.JobNozzle:
				continue
			case d.Overdue:
				n = alarm.CleanOverdue
			}
			scope := d.Line
			if d.Job == maintenance.JobNozzle {
				scope = maintenance.Nozzle
			}
			due[n] = append(due[n], line{scope, dueWords(d)})
		}
	}
	for n, lines := range due {
		out = append(out, grouped(n, lines)...)
	}
	return out
}

type line struct{ id, evidence string }

func dueWords(d maintenance.Due) string {
	s := d.What + ", due since " + date(d.At)
	if !d.Last.IsZero() {
		s += "; last done on " + date(d.Last) + " by " + d.By
	}
	return s
}

// grouped makes one alarm for each line, or one for all of many.
func grouped(n alarm.Name, lines []line) []alarm.Alarm {
	var out []alarm.Alarm
	if len(lines) < careGroup {
		for _, l := range lines {
			out = append(out, alarm.Alarm{Name: n, Scope: l.id, Evidence: l.evidence})
		}
		return out
	}
	slices.SortFunc(lines, func(x, y line) int { return strings.Compare(x.id, y.id) })
	ids := make([]string, 0, careGroup)
	for _, l := range lines[:careGroup] {
		ids = append(ids, l.id)
	}
	what := strings.ReplaceAll(n.Definition().Cause, "{scope}", fmt.Sprintf("each of %d lines", len(lines)))
	more := ""
	if len(lines) > careGroup {
		more = fmt.Sprintf(" and %d more", len(lines)-careGroup)
	}
	return []alarm.Alarm{{
		Name: n, What: what, Evidence: strings.Join(ids, ", ") + more, Remedy: strings.ReplaceAll(n.Definition().Remedy, "{scope}", "LINE"),
	}}
}

// tend keeps the alarms of care true until ctx ends.
func (a *Agent) tend(ctx context.Context) error {
	owned := alarm.RaisedBy("agent/care.go")
	tick := time.NewTicker(careEvery)
	defer tick.Stop()
	for {
		a.board.Keep(owned, careAlarms(a.careBook(), time.Now(), sure(clockQuality()), a.setup.rigChecked()))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-a.retend:
		}
	}
}

// cared asks for the alarms of care to be judged at once: an operation has ended, a calibration was undone.
func (a *Agent) cared() {
	wake(a.retend)
}

// careBook is the service book; nil while there is none.
func (a *Agent) careBook() careBook {
	if a.ops == nil {
		return nil
	}
	return a.ops.book
}
