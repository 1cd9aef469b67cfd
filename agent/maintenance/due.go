package maintenance

import (
	"cmp"
	"slices"
	"time"

	"fountain/hal"
)

// Kinds of recurring jobs.
const (
	JobNozzle    = "nozzle"    // nozzle and diffuser by hand, daily
	JobClean     = "clean"     // a line, weekly
	JobCalibrate = "calibrate" // a meter or a pump, 6 months
	JobBrix      = "brix"      // the ratio, 14 days
)

// Intervals of the jobs (spec/peers.md 2.1): nozzle daily and connectors weekly (cokesolutions.com, cleaning 101), pub
// meters re-checked every 6 months (buyingapub.com/4279), ratio lamp every 2 weeks (US 5102011).
const (
	nozzleEvery = 24 * time.Hour
	cleanEvery  = 7 * 24 * time.Hour
	brixEvery   = 14 * 24 * time.Hour
	calibMonths = 6
)

// Due is one job whose time has come.
type Due struct {
	Job     string    // Job…
	Line    string    // line it is about; empty: the unit
	At      time.Time // since when it is due
	Last    time.Time // when it was last done with proof; zero: never
	By      string    // who did it then
	Overdue bool      // half an interval late, or more
	What    string    // one plain sentence
	Remedy  string
}

// Due lists what is due at now, longest due first. The caller decides whether now can be trusted.
func (b *Book) Due(now time.Time) []Due {
	var out []Due
	for _, d := range b.Schedule() {
		if !now.Before(d.At) {
			d.Overdue = now.Sub(d.At) >= d.At.Sub(after(d.At, d.Job, -1))/2
			out = append(out, d)
		}
	}
	return out
}

// Schedule lists every job with the time it is due next, soonest first. What was never done counts from the day the book
// began.
func (b *Book) Schedule() []Due {
	b.mu.Lock()
	defer b.mu.Unlock()
	add := func(out []Due, job, line, what, remedy string) []Due {
		last := b.data.Done[jobKey(job, line)]
		return append(out, Due{Job: job, Line: line, At: b.dueAt(job, line), Last: last.At, By: last.Person, What: what, Remedy: remedy})
	}
	out := add(nil, JobNozzle, "", "the nozzle has to be cleaned", "fountainctl clean nozzle")
	out = add(out, JobBrix, "", "the ratio of water and syrup has to be checked", "fountainctl brix BEVERAGE, with a split cup")
	for _, l := range b.lines {
		switch l.Kind {
		case hal.KindValve:
			out = add(out, JobClean, l.ID, "the line "+l.ID+" has to be cleaned", "fountainctl clean "+l.ID)
		case hal.KindMeter:
			out = add(out, JobCalibrate, l.ID, "the flow meter "+l.ID+" has to be calibrated", "fountainctl calibrate "+l.ID)
		case hal.KindPump:
			out = add(out, JobClean, l.ID, "the line of pump "+l.ID+" has to be cleaned", "fountainctl clean "+l.ID)
			out = add(out, JobCalibrate, l.ID, "the pump "+l.ID+" has to be calibrated", "fountainctl calibrate "+l.ID)
		}
	}
	slices.SortStableFunc(out, func(x, y Due) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Line, y.Line)) })
	return out
}

// dueAt is when a job is due next.
func (b *Book) dueAt(job, line string) time.Time {
	if job == JobCalibrate {
		if h := b.data.Calibrations[line]; len(h) > 0 {
			return h[0].Expires
		}
	}
	from := b.data.Begun
	if d, ok := b.data.Done[jobKey(job, line)]; ok && job != JobCalibrate {
		from = d.At
	}
	return after(from, job, 1)
}

// after is n intervals of a job after t.
func after(t time.Time, job string, n int) time.Time {
	switch job {
	case JobNozzle:
		return t.Add(time.Duration(n) * nozzleEvery)
	case JobClean:
		return t.Add(time.Duration(n) * cleanEvery)
	case JobBrix:
		return t.Add(time.Duration(n) * brixEvery)
	}
	return t.AddDate(0, n*calibMonths, 0)
}

func jobKey(job, line string) string { return job + "/" + line }
