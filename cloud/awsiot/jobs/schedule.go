package jobs

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Bounds of a schedule (API reference of SchedulingConfig).
const (
	minLead     = 30 * time.Minute // from now to start or end, and from start to end
	maxStart    = 366 * 24 * time.Hour
	maxEnd      = 2 * 366 * 24 * time.Hour
	maxDuration = 1430 // minutes of a window
	maxWindows  = 10
)

// timeLayouts are the forms of a start or end; without an offset they mean UTC.
var timeLayouts = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02 15:04", "2006-01-02 15:04:05"}

func parseTime(s string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time like 2026-11-23T06:30", s)
}

// schedule is a SchedulingConfig understood. The zero value is always open.
type schedule struct {
	start, end time.Time // zero: none
	behavior   string
	windows    []window
}

type window struct {
	cron cron
	long time.Duration
}

func parseSchedule(c *SchedulingConfig) (s schedule, err error) {
	if c == nil {
		return s, nil
	}
	if c.StartTime != "" {
		if s.start, err = parseTime(c.StartTime); err != nil {
			return s, fmt.Errorf("startTime: %w", err)
		}
	}
	if c.EndTime != "" {
		if s.end, err = parseTime(c.EndTime); err != nil {
			return s, fmt.Errorf("endTime: %w", err)
		}
	}
	s.behavior = c.EndBehavior
	if s.behavior == "" {
		s.behavior = endStop
	}
	for i, w := range c.Windows {
		k, err := parseCron(w.StartTime)
		if err != nil {
			return s, fmt.Errorf("maintenanceWindows.%d.startTime: %w", i+1, err)
		}
		if w.Minutes == nil {
			return s, fmt.Errorf("maintenanceWindows.%d.durationInMinutes is missing", i+1)
		}
		s.windows = append(s.windows, window{k, time.Duration(*w.Minutes) * time.Minute})
	}
	return s, nil
}

// What happens at the end of a schedule.
const (
	endStop        = "STOP_ROLLOUT"
	endCancel      = "CANCEL"
	endForceCancel = "FORCE_CANCEL"
)

func (c *checker) scheduling(cfg *SchedulingConfig, now time.Time) {
	if cfg == nil {
		return
	}
	const at = "schedulingConfig."
	if cfg.EndBehavior != "" {
		c.oneOf(cfg.EndBehavior, at+"endBehavior", endStop, endCancel, endForceCancel)
	}
	if len(cfg.Windows) > maxWindows {
		c.fault(len(cfg.Windows), at+"maintenanceWindows", "Member must have length less than or equal to %d", maxWindows)
	}
	for i, w := range cfg.Windows {
		c.needed(w.Minutes, fmt.Sprintf("%smaintenanceWindows.%d.member.durationInMinutes", at, i+1), 1, maxDuration)
	}
	s, err := parseSchedule(cfg)
	if err != nil {
		c.fault("", strings.TrimSuffix(at, "."), "%s", err)
		return
	}
	from := now
	if !s.start.IsZero() {
		from = s.start
		if d := s.start.Sub(now); d < minLead-time.Minute || d > maxStart { // written times have no seconds
			c.fault(cfg.StartTime, at+"startTime", "Member must be from 30 minutes to a year from now")
		}
	}
	if s.end.IsZero() {
		return
	}
	lead := minLead
	if s.start.IsZero() {
		lead -= time.Minute
	}
	switch {
	case s.end.Sub(from) < lead:
		c.fault(cfg.EndTime, at+"endTime", "Member must be at least 30 minutes after now and after startTime")
	case s.end.Sub(from) > maxEnd, s.end.Sub(now) > maxEnd:
		c.fault(cfg.EndTime, at+"endTime", "Member must be at most two years after now and after startTime")
	}
}

// open says whether a rollout may go on now, and when that changes next; zero: never.
func (s *schedule) open(now time.Time) (bool, time.Time) {
	if now.Before(s.start) {
		return false, s.start
	}
	if len(s.windows) == 0 {
		return true, time.Time{}
	}
	var next time.Time
	for _, w := range s.windows {
		// The latest start not after now is within the longest duration, or the window is not open.
		for at := w.cron.next(now.Add(-w.long)); !at.IsZero() && !at.After(now); at = w.cron.next(at) {
			if end := at.Add(w.long); end.After(now) {
				return true, end
			}
		}
		if at := w.cron.next(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return false, next
}

// starts lists the next openings of windows, at most n.
func (s *schedule) starts(now time.Time, n int) []time.Time {
	var out []time.Time
	if now.Before(s.start) {
		now = s.start.Add(-time.Minute)
	}
	for len(out) < n {
		var first time.Time
		for _, w := range s.windows {
			if at := w.cron.next(now); !at.IsZero() && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		if first.IsZero() || !s.end.IsZero() && !first.Before(s.end) {
			return out
		}
		out, now = append(out, first), first
	}
	return out
}

// cron is "cron(minutes hours day-of-month month day-of-week year)" in UTC: a set of allowed values for each field.
type cron struct {
	minutes, hours, days, months, weekdays uint64
	years                                  map[int]bool // nil: any
	dayOfMonth                             bool         // else the weekday decides
}

var (
	monthNames = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	dayNames   = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

func parseCron(s string) (c cron, err error) {
	if inner, ok := strings.CutPrefix(s, "cron("); ok {
		if s, ok = strings.CutSuffix(inner, ")"); !ok {
			return c, errors.New("the bracket is not closed")
		}
	}
	f := strings.Fields(s)
	if len(f) == 5 {
		f = append(f, "*")
	}
	if len(f) != 6 {
		return c, fmt.Errorf("%d fields: want minutes, hours, day of month, month, day of week and year", len(f))
	}
	c.dayOfMonth = f[4] == "?" || f[4] == "*"
	if f[2] != "?" && f[2] != "*" && !c.dayOfMonth {
		return c, errors.New("day of month or day of week must be ?")
	}
	sets := []struct {
		into        *uint64
		text, name  string
		least, most int
		names       []string
	}{
		{&c.minutes, f[0], "minutes", 0, 59, nil},
		{&c.hours, f[1], "hours", 0, 23, nil},
		{&c.days, f[2], "day of month", 1, 31, nil},
		{&c.months, f[3], "month", 1, 12, monthNames},
		{&c.weekdays, f[4], "day of week", 1, 7, dayNames},
	}
	for _, set := range sets {
		values, err := cronSet(set.text, set.least, set.most, set.names)
		if err != nil {
			return c, fmt.Errorf("%s: %w", set.name, err)
		}
		for _, v := range values {
			*set.into |= 1 << v
		}
	}
	if f[5] != "*" {
		years, err := cronSet(f[5], 1970, 2199, nil)
		if err != nil {
			return c, fmt.Errorf("year: %w", err)
		}
		c.years = map[int]bool{}
		for _, y := range years {
			c.years[y] = true
		}
	}
	return c, nil
}

// cronSet reads one field: lists of values, ranges and steps.
func cronSet(text string, least, most int, names []string) (out []int, err error) {
	number := func(s string) (int, error) {
		for i, n := range names {
			if strings.EqualFold(s, n) {
				return i + least, nil
			}
		}
		v, err := strconv.Atoi(s)
		if err != nil || v < least || v > most {
			return 0, fmt.Errorf("%q is not from %d to %d", s, least, most)
		}
		return v, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return nil, fmt.Errorf("step %q", stepText)
			}
		}
		from, to := least, most
		if span != "*" && span != "?" {
			a, b, ranged := strings.Cut(span, "-")
			if from, err = number(a); err != nil {
				return nil, err
			}
			switch {
			case ranged:
				if to, err = number(b); err != nil {
					return nil, err
				}
			case !stepped:
				to = from
			}
		}
		if from > to {
			return nil, fmt.Errorf("%q runs backwards", span)
		}
		for v := from; v <= to; v += step {
			out = append(out, v)
		}
	}
	return out, nil
}

func (c *cron) day(t time.Time) bool {
	if c.months&(1<<int(t.Month())) == 0 || c.years != nil && !c.years[t.Year()] {
		return false
	}
	if c.dayOfMonth {
		return c.days&(1<<t.Day()) != 0
	}
	return c.weekdays&(1<<(int(t.Weekday())+1)) != 0
}

// farthest is how far ahead a next start is looked for: past the next 29 February.
const farthest = 9 * 366

// next is the first match after t; zero when there is none in sight.
func (c *cron) next(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	for range farthest {
		if c.day(t) {
			for h := t.Hour(); h < 24; h++ {
				if c.hours&(1<<h) == 0 {
					continue
				}
				from := 0
				if h == t.Hour() {
					from = t.Minute()
				}
				if m := bits.TrailingZeros64(c.minutes >> from << from); m < 60 {
					return time.Date(t.Year(), t.Month(), t.Day(), h, m, 0, 0, time.UTC)
				}
			}
		}
		t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}
