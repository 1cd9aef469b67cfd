package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
)

// shelfBook is a service book with given contents.
type shelfBook struct {
	due   []maintenance.Due
	locks map[string]maintenance.Lock
	lines []api.Line
}

func (b shelfBook) Due(time.Time) []maintenance.Due    { return b.due }
func (b shelfBook) Locks() map[string]maintenance.Lock { return b.locks }
func (b shelfBook) Lines() []api.Line                  { return b.lines }

func TestCareAlarms(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	cal := func(expires time.Time) *api.Calibration {
		return &api.Calibration{At: now.AddDate(0, -6, 0), Person: "ada", Expires: expires}
	}
	sound := []api.Line{{ID: "flow_still", Kind: "flow-meter", Calibration: cal(now.AddDate(0, 1, 0))}, {ID: "still", Kind: "valve"}}
	many := slices.Clone(sound)
	for _, id := range []string{"p01", "p02", "p03", "p04", "p05"} {
		many = append(many, api.Line{ID: id, Kind: "dosing-pump"})
	}
	for _, c := range []struct {
		name    string
		b       careBook
		clock   bool
		checked bool
		want    []string
	}{
		{"all well", shelfBook{lines: sound}, true, true, nil},
		{"no book yet", nil, true, false, []string{"rig_check_missing/"}},
		{"never calibrated", shelfBook{lines: append(sound, api.Line{ID: "p01", Kind: "dosing-pump"})}, true, true, []string{"calibration_missing/p01"}},
		{"many never calibrated", shelfBook{lines: many}, true, true, []string{"calibration_missing/"}},
		{"expired", shelfBook{lines: []api.Line{{ID: "flow_still", Kind: "flow-meter", Calibration: cal(now)}}}, true, true, []string{"calibration_expired/flow_still"}},
		{"expired by a clock nobody set", shelfBook{lines: []api.Line{{ID: "flow_still", Kind: "flow-meter", Calibration: cal(now)}}}, false, true, nil},
		{"due", shelfBook{due: []maintenance.Due{
			{Job: maintenance.JobClean, Line: "still", At: now},
			{Job: maintenance.JobNozzle, At: now, Overdue: true},
			{Job: maintenance.JobBrix, At: now},
			{Job: maintenance.JobCalibrate, Line: "flow_still", At: now}, // told by its calibration
		}}, true, true, []string{"brix_due/", "clean_due/still", "clean_overdue/nozzle"}},
		{"due by a clock nobody set", shelfBook{due: []maintenance.Due{{Job: maintenance.JobClean, Line: "still", At: now}}}, false, true, nil},
		{"unfinished, whatever the clock", shelfBook{locks: map[string]maintenance.Lock{
			"still": {Code: maintenance.LockCleaning}, "sparkling": {Code: maintenance.LockStuck},
		}}, false, true, []string{"clean_unfinished/still"}},
		{"nozzle unfinished", shelfBook{locks: map[string]maintenance.Lock{maintenance.Nozzle: {Code: maintenance.LockCleaning}}}, true, true, []string{"clean_unfinished/unit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, a := range careAlarms(c.b, now, c.clock, c.checked) {
				got = append(got, a.Name.String()+"/"+a.Scope)
				if a.Evidence == "" {
					t.Errorf("%s has no evidence", a.Name)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// A cleaning that was begun and not finished takes its line away, whatever anybody says, and no other line.
func TestUnfinishedCleaningBlocksItsLine(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		id := v.some(still, "", "")
		if err := v.a.ops.book.Begin(maintenance.Work{ID: "op", Kind: api.OpClean, Line: "still", Person: "ada", Started: time.Now(), Scope: "still"}); err != nil {
			t.Fatal(err)
		}
		v.a.ops.lock()
		v.raised(alarm.CleanUnfinished, "still", time.Second)
		v.goesOn(sparkling, still, "cleaning")
		if _, err := v.start(id, 150_000); err == nil {
			t.Error("it pours all the same")
		}
		if err := v.clearAlarm(alarm.CleanUnfinished, "still"); err == nil {
			t.Error("a word ended it")
		}
	})
}

func TestWearChart(t *testing.T) {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	feed := func(c *wearChart, n int, lag func(i int) float64) {
		for i := range n {
			c.take(pour.Lag{Mean: ms(lag(i)), N: c.N + 1}, day.AddDate(0, 0, c.N))
		}
	}
	base := func() *wearChart {
		c := &wearChart{}
		feed(c, wearSkip+wearBase, func(i int) float64 { return 40 + float64(i%3) })
		return c
	}
	for _, c := range []struct {
		name string
		lag  func(i int) float64
		n    int
		worn bool
	}{
		{"steady", func(i int) float64 { return 40 + float64(i%3) }, 500, false},
		{"a few outliers", func(i int) float64 { return []float64{41, 80}[b2i(i%5 == 0)] }, 200, false},
		{"slow drift", func(i int) float64 { return 41 + 0.3*float64(i) }, 100, true},
		{"faster than it was", func(int) float64 { return 12 }, 10, true},
		{"well again", func(i int) float64 { return []float64{41, 80}[b2i(i < 20)] }, 40, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := base()
			feed(w, c.n, c.lag)
			if w.Worn != c.worn {
				t.Errorf("worn %v: %+v", w.Worn, w)
			}
		})
	}
	w := base()
	feed(w, 30, func(int) float64 { return 80 })
	a := w.alarm("still", pour.Lag{Mean: ms(80), N: 55}, day.AddDate(0, 0, 55))
	if a.Scope != "still" || !strings.Contains(a.Evidence, "80ms, was 41ms") || !strings.Contains(a.Evidence, "days") {
		t.Errorf("alarm %+v", a)
	}
	if w.take(pour.Lag{Mean: ms(40), N: 1}, day); w.Worn || w.Base != 0 {
		t.Errorf("another valve: %+v", w)
	}
	if w.take(pour.Lag{Mean: ms(40), N: 1}, day) {
		t.Error("no new pour is a change")
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
