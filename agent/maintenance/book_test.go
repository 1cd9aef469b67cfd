package maintenance

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/hal"
	"fountain/internal/problem"
)

// memory is a store that can fail.
type memory struct {
	at   map[string][]byte
	fail error
}

func (m *memory) Setting(key string) ([]byte, bool, error) { b, ok := m.at[key]; return b, ok, nil }

func (m *memory) PutSetting(key string, v []byte) error {
	if m.fail != nil {
		return m.fail
	}
	if m.at == nil {
		m.at = map[string][]byte{}
	}
	m.at[key] = v
	return nil
}

var day0 = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func lines() []Line {
	return []Line{
		{ID: "still", Kind: hal.KindValve, Ingredient: "water.still"},
		{ID: "soda", Kind: hal.KindValve, Ingredient: "water.sparkling"},
		{ID: "m1", Kind: hal.KindMeter},
		{ID: "p1", Kind: hal.KindPump, Ingredient: "cola", Slot: "s1"},
	}
}

func openBook(t *testing.T, m *memory, now time.Time) *Book {
	t.Helper()
	b, err := OpenBook(m, lines(), now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func clean(id string, rinsed int64, outcome string) Report {
	return Report{
		ID: id, Kind: api.OpClean, Line: "still", Recipe: "line-clean", Person: "ann", Started: day0, Ended: day0.Add(time.Hour), Outcome: outcome,
		WastedUL: 4_000_000, scope: "still", rinseUL: rinsed, proven: outcome == api.OpDone && rinsed >= 1_500_000, jobs: []string{jobKey(JobClean, "still")},
	}
}

// TestNoWordClearsACleaning: the lock-out of a line outlasts everything but the proof of its final rinse: a restart, a
// failed or stopped run, a shorter recipe, a report without proof. There is no PIN for it (Bevi has one, peers 2).
func TestNoWordClearsACleaning(t *testing.T) {
	m := &memory{}
	b := openBook(t, m, day0)
	begin := func(id string, rinse int64) {
		t.Helper()
		if err := b.Begin(Work{ID: id, Kind: api.OpClean, Line: "still", Person: "ann", Started: day0, Scope: "still", RinseUL: rinse}); err != nil {
			t.Fatal(err)
		}
	}
	end := func(r Report) {
		t.Helper()
		if err := b.End(r); err != nil {
			t.Fatal(err)
		}
	}
	locked := func(when string) {
		t.Helper()
		if b.LockedOut()["still"] != LockCleaning {
			t.Fatalf("%s: not locked out", when)
		}
		if b.LockedOut()["soda"] != "" {
			t.Fatalf("%s: another line is locked out", when)
		}
	}
	begin("1", 1_500_000)
	locked("from the start")
	b = openBook(t, m, day0.Add(time.Hour)) // power cut
	locked("after a restart")
	if c := b.Cut(); c == nil || c.ID != "1" {
		t.Errorf("what was cut short: %+v", c)
	}
	if l := b.Log(); len(l) != 1 || l[0].Outcome != Interrupted {
		t.Errorf("log %+v", l)
	}
	begin("2", 1_500_000)
	end(clean("2", 1_400_000, api.OpFailed))
	locked("after a failed run")
	begin("3", 250_000) // a shorter recipe owes what the longer one began
	short := clean("3", 260_000, api.OpDone)
	short.proven = true
	end(short)
	locked("after a shorter recipe")
	begin("4", 1_500_000)
	if err := b.NotBegun("4"); err != nil {
		t.Fatal(err)
	}
	locked("after a refused start")
	begin("5", 1_500_000)
	claimed := clean("5", 1_500_000, api.OpDone)
	claimed.proven = false
	end(claimed)
	locked("after a run that proved nothing")
	other := clean("6", 2_000_000, api.OpDone)
	other.scope = "soda"
	begin("6", 1_500_000)
	end(other)
	locked("after another line was cleaned")
	end(Report{ID: "7", Kind: api.OpSelfTest, Outcome: api.OpDone, Person: "ann", Ended: day0, sound: []string{"still"}})
	locked("after a self-test")
	begin("8", 1_500_000)
	end(clean("8", 1_500_000, api.OpDone))
	if len(b.LockedOut()) != 0 {
		t.Errorf("proven, and still locked out: %v", b.LockedOut())
	}
	if l, _ := b.Line("still"); l.Cleaned == nil || !l.Cleaned.Equal(day0.Add(time.Hour)) {
		t.Errorf("line %+v", l)
	}
}

// TestBeginIsDurable: what cannot be stored does not begin, and locks nothing out in memory either.
func TestBeginIsDurable(t *testing.T) {
	m := &memory{}
	b := openBook(t, m, day0)
	m.fail = errors.New("disk full")
	if err := b.Begin(Work{ID: "1", Scope: "still"}); err == nil {
		t.Error("begun without being stored")
	}
	if len(b.LockedOut()) != 0 {
		t.Error("locked out by what did not begin")
	}
	m.fail = nil
	if err := b.Begin(Work{ID: "1", Scope: Nozzle, Started: day0}); err != nil {
		t.Fatal(err)
	}
	if l := b.LockedOut(); l["still"] == "" || l["soda"] == "" || l["p1"] != "" {
		t.Errorf("the nozzle concerns every valve: %v", l)
	}
	if err := b.NotBegun("1"); err != nil || len(b.LockedOut()) != 0 {
		t.Errorf("taken back: %v, %v", err, b.LockedOut())
	}
	m.fail = errors.New("disk full")
	if err := b.End(clean("1", 9_000_000, api.OpDone)); err == nil {
		t.Error("ended without being stored")
	}
	if len(b.Log()) != 0 {
		t.Error("entered what was not stored")
	}
}

func TestCalibrationHistory(t *testing.T) {
	m := &memory{}
	b := openBook(t, m, day0)
	for i, f := range []float64{1.01, 1.02, 1.03} {
		at := day0.AddDate(0, i, 0)
		r := Report{ID: string(rune('a' + i)), Kind: api.OpCalibrate, Outcome: api.OpDone, Person: "ann", calibrations: map[string]api.Calibration{"m1": {At: at, Factor: f, Expires: at.AddDate(0, calibMonths, 0)}}}
		if err := b.End(r); err != nil {
			t.Fatal(err)
		}
	}
	b = openBook(t, m, day0)
	l, err := b.Line("m1")
	if err != nil || l.Calibration.Factor != 1.03 || len(l.History) != 2 || l.History[0].Factor != 1.02 {
		t.Fatalf("%+v %v", l, err)
	}
	for _, want := range []float64{1.02, 1.01, 0} {
		if err := b.Undo("m1"); err != nil {
			t.Fatal(err)
		}
		if got := b.Factors()["m1"]; got != want {
			t.Errorf("after undo %v, want %v", got, want)
		}
	}
	if err := b.Undo("m1"); problem.From(err).Code != problem.CodeConflict {
		t.Errorf("undo of nothing: %v", err)
	}
	for range 30 {
		b.data.calibrate("m1", api.Calibration{Factor: 1})
	}
	if n := len(b.data.Calibrations["m1"]); n != keptCalibrations {
		t.Errorf("%d calibrations kept", n)
	}
}

func TestDue(t *testing.T) {
	b := openBook(t, &memory{}, day0)
	names := func(now time.Time) (out []string) {
		for _, d := range b.Due(now) {
			s := d.Job + "/" + d.Line
			if d.Overdue {
				s += "!"
			}
			out = append(out, s)
		}
		return out
	}
	for _, tc := range []struct {
		after time.Duration
		want  string
	}{
		{time.Hour, ""},
		{24 * time.Hour, "nozzle/"},
		{36 * time.Hour, "nozzle/!"},
		{7 * 24 * time.Hour, "nozzle/! clean/p1 clean/soda clean/still"},
		{14 * 24 * time.Hour, "nozzle/! clean/p1! clean/soda! clean/still! brix/"},
		{185 * 24 * time.Hour, "nozzle/! clean/p1! clean/soda! clean/still! brix/! calibrate/m1 calibrate/p1"},
	} {
		if got := strings.Join(names(day0.Add(tc.after)), " "); got != tc.want {
			t.Errorf("after %v: %s, want %s", tc.after, got, tc.want)
		}
	}
	at := day0.AddDate(0, 3, 0)
	_ = b.End(Report{ID: "1", Kind: api.OpCalibrate, Outcome: api.OpDone, Person: "ann", Ended: at, calibrations: map[string]api.Calibration{"m1": {At: at, Factor: 1, Expires: at.AddDate(0, calibMonths, 0)}}})
	_ = b.End(Report{ID: "2", Kind: api.OpBrix, Outcome: api.OpDone, Person: "ann", Ended: at, jobs: []string{jobKey(JobBrix, "")}})
	_ = b.End(Report{ID: "3", Kind: api.OpBrix, Outcome: api.OpFailed, Person: "ann", Ended: at, jobs: []string{jobKey(JobNozzle, "")}})
	got := strings.Join(names(at.AddDate(0, 0, 1)), " ")
	if strings.Contains(got, "brix") || strings.Contains(got, "m1") || !strings.Contains(got, "nozzle") {
		t.Errorf("after the jobs were done: %s", got)
	}
	if got := strings.Join(names(at.AddDate(0, calibMonths, 0)), " "); !strings.Contains(got, "calibrate/m1") || !strings.Contains(got, "brix/!") {
		t.Errorf("half a year later: %s", got)
	}
	for _, d := range b.Due(at.AddDate(1, 0, 0)) {
		if d.What == "" || d.Remedy == "" || d.At.IsZero() {
			t.Errorf("due without words: %+v", d)
		}
	}
}

func TestBookOfANewerVersion(t *testing.T) {
	m := &memory{}
	openBook(t, m, day0)
	m.at[setting] = []byte(`{"schema":99}`)
	if _, err := OpenBook(m, nil, day0); problem.From(err).Code != problem.CodeNewerSchema {
		t.Errorf("newer schema: %v", err)
	}
	m.at[setting] = []byte(`{"sch`)
	if _, err := OpenBook(m, nil, day0); problem.From(err).Code != problem.CodeDamaged {
		t.Errorf("damaged: %v", err)
	}
}

// TestBookStaysSmall: it is one value of the store, at most 1 MiB.
func TestBookStaysSmall(t *testing.T) {
	m := &memory{}
	var many []Line
	for i := range 82 {
		many = append(many, Line{ID: "pump-" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Kind: hal.KindPump})
	}
	b, err := OpenBook(m, many, day0)
	if err != nil {
		t.Fatal(err)
	}
	for k := range 60 {
		r := Report{ID: "01KAQ0000000000000000000" + string(rune('a'+k%26)), Kind: api.OpSelfTest, Person: "somebody with a long name", Outcome: api.OpDone, calibrations: map[string]api.Calibration{}}
		for _, l := range many {
			r.jobs = append(r.jobs, jobKey(JobClean, l.ID))
			r.calibrations[l.ID] = api.Calibration{At: day0, Person: r.Person, Factor: 1.0123456, Expires: day0, Points: make([]api.CalPoint, 2)}
		}
		for range 400 {
			r.Evidence = append(r.Evidence, api.Evidence{What: "still, cycle 1: flow through flow_sparkling, whose valves are shut", Unit: "pulses", Is: 12.345, Max: 150})
		}
		if err := b.End(r); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.at[setting]); n > 700<<10 {
		t.Errorf("%d bytes", n)
	} else {
		t.Logf("%d KiB", n>>10)
	}
}
