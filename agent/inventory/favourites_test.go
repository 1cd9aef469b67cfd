package inventory

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/beverage"
	"fountain/sync/wire"
)

// bar is a book that pours are entered into.
type bar struct {
	*Book
	seq uint64
}

func newBar(t testing.TB, zone *time.Location) *bar {
	t.Helper()
	b, err := New(planogram(), nil, zone)
	if err != nil {
		t.Fatal(err)
	}
	return &bar{Book: b}
}

func (b *bar) pour(id string, at time.Time, times int, change ...func(*wire.Record)) {
	for range times {
		b.seq++
		r := &wire.Record{
			Log: "la", Seq: b.seq, Beverage: id, Started: at.UTC().Format(time.RFC3339), Clock: "trusted", Source: wire.SourceTouch, CountedUL: 300_000,
		}
		if at.IsZero() {
			r.Started, r.Clock = "1970-01-01T00:00:10.000Z", "unknown"
		}
		for _, c := range change {
			c(r)
		}
		b.Apply(r)
	}
}

// again is the book after a restart.
func (b *bar) again(t testing.TB) *bar {
	t.Helper()
	saved, err := b.Save()
	if err != nil {
		t.Fatal(err)
	}
	next, err := New(planogram(), saved, b.zone)
	if err != nil {
		t.Fatal(err)
	}
	return &bar{next, b.seq}
}

func at(now time.Time, days int) When { return When{Now: now, Days: days, Known: true} }

func likes(t *testing.T, b *bar, w When, want ...beverage.ID) {
	t.Helper()
	for _, b := range []*bar{b, b.again(t)} {
		if got := b.Favourites(w, 8, nil); !slices.Equal(got, want) {
			t.Errorf("at %s: %v, want %v", w.Now.Format(time.RFC1123), got, want)
		}
	}
}

func TestFavouritesCount(t *testing.T) {
	b := newBar(t, time.UTC)
	day := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	b.pour("b.two", day, 2)
	b.pour("a.two", day, 2, func(r *wire.Record) { r.Source = wire.SourcePhone })
	b.pour("c.three", time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC), 3)
	b.pour("d.old", time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC), 9)
	b.pour("e.service", day, 9, func(r *wire.Record) { r.Source = wire.SourceService })
	b.pour("f.taste", day, 9, func(r *wire.Record) { r.CountedUL = 10_000 })
	b.pour("g.noclock", time.Time{}, 1)
	b.pour(wire.Mixed, day, 9)
	b.pour("h.ahead", day.AddDate(1, 0, 0), 9)
	likes(t, b, at(time.Date(2026, 3, 5, 13, 0, 0, 0, time.UTC), 14), "c.three", "a.two", "b.two", "g.noclock")
	only := func(id beverage.ID) bool { return id != "c.three" }
	if got := b.Favourites(at(time.Date(2026, 3, 5, 13, 0, 0, 0, time.UTC), 14), 2, only); !slices.Equal(got, []beverage.ID{"a.two", "b.two"}) {
		t.Errorf("%v", got)
	}
}

// TestFavouritesFollowTheDay: coffee shop or canteen, the first row is what people take at this hour, on this kind of day,
// in the venue's own time; where nobody poured at this hour the rest decides.
func TestFavouritesFollowTheDay(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	b := newBar(t, berlin)
	monday := time.Date(2026, 10, 5, 0, 0, 0, 0, berlin)
	for d := range 28 {
		day := monday.AddDate(0, 0, d)
		hour := func(h int) time.Time { return time.Date(day.Year(), day.Month(), day.Day(), h, 20, 0, 0, berlin) }
		b.pour("tea.morning", hour(8), 3)
		b.pour("cola.evening", hour(19), 8)
		b.pour("water.always", hour(10+d%6), 2)
		if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
			b.pour("juice.brunch", hour(8), 8)
		}
	}
	clock := func(d, h, m int) When {
		return at(time.Date(2026, 11, d, h, m, 0, 0, berlin), 28) // the clocks went back on 25 October
	}
	likes(t, b, clock(2, 8, 0), "tea.morning", "juice.brunch", "cola.evening", "water.always")  // a Monday
	likes(t, b, clock(2, 7, 30), "tea.morning", "cola.evening", "juice.brunch", "water.always") // half an hour early
	likes(t, b, clock(1, 8, 59), "juice.brunch", "tea.morning", "cola.evening", "water.always") // a Sunday
	likes(t, b, clock(2, 19, 0), "cola.evening", "tea.morning", "juice.brunch", "water.always")
	likes(t, b, clock(2, 3, 0), "cola.evening", "tea.morning", "juice.brunch", "water.always") // nobody was ever there at 3
	lost := clock(2, 8, 0)
	lost.Now, lost.Known = time.Date(1970, 1, 1, 8, 0, 0, 0, time.UTC), false // the hour means nothing
	likes(t, b, lost, "cola.evening", "tea.morning", "juice.brunch", "water.always")
}

// TestFavouritesProperties: what was poured at this hour is never behind what was poured as often at another; one more
// pour never puts a beverage back; the order survives a restart and does not depend on the order of the pours; what is
// older than the window counts for nothing.
func TestFavouritesProperties(t *testing.T) {
	type entry struct {
		id, hours int
	}
	zone := time.FixedZone("venue", -5*3600)
	start := time.Date(2026, 6, 1, 0, 0, 0, 0, zone)
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) entry {
			return entry{rapid.IntRange(0, 5).Draw(rt, "drink"), rapid.IntRange(0, 60*24).Draw(rt, "hour")}
		}), 1, 80).Draw(rt, "pours")
		w := at(start.Add(time.Duration(rapid.IntRange(30*24, 62*24).Draw(rt, "now"))*time.Hour), 28)
		enter := func(list []entry) *bar {
			b := newBar(t, zone)
			for _, e := range list {
				b.pour(fmt.Sprintf("d.%d", e.id), start.Add(time.Duration(e.hours)*time.Hour), 1)
			}
			return b
		}
		b := enter(list)
		got := b.Favourites(w, 8, nil)
		if again := b.again(t).Favourites(w, 8, nil); !slices.Equal(got, again) {
			rt.Fatalf("%v, after a restart %v", got, again)
		}
		back := slices.Clone(list)
		slices.Reverse(back)
		if other := enter(back).Favourites(w, 8, nil); !slices.Equal(got, other) {
			rt.Fatalf("%v, poured the other way round %v", got, other)
		}
		inWindow := map[beverage.ID]bool{}
		for _, e := range list {
			h := start.Add(time.Duration(e.hours) * time.Hour)
			if h.After(w.Now.Add(-28*24*time.Hour)) && !h.After(w.Now.Add(time.Hour)) {
				inWindow[beverage.ID(fmt.Sprintf("d.%d", e.id))] = true
			}
		}
		if len(got) != len(inWindow) {
			rt.Fatalf("%v, poured in the window: %v", got, inWindow)
		}
		more := list[rapid.IntRange(0, len(list)-1).Draw(rt, "more")]
		id := beverage.ID(fmt.Sprintf("d.%d", more.id))
		before := slices.Index(got, id)
		after := slices.Index(enter(append(slices.Clone(list), more)).Favourites(w, 8, nil), id)
		if before >= 0 && after > before {
			rt.Fatalf("one more of %s and it goes from place %d to %d", id, before, after)
		}
	})
}

// TestFavouritesPreferTheHour: of two beverages poured as often on the same days, the one poured at this hour comes first,
// whatever else was poured; the one poured in the hour beside it comes between it and the rest.
func TestFavouritesPreferTheHour(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Date(2026, 6, 30, rapid.IntRange(0, 23).Draw(rt, "now"), 30, 0, 0, time.UTC)
		b := newBar(t, time.UTC)
		for _, d := range rapid.SliceOfN(rapid.IntRange(1, 26), 1, 20).Draw(rt, "days") {
			then := func(hour int) time.Time { // on that day, which is of one kind from its start to its end
				return time.Date(2026, 6, 30-d, ((now.Hour()+hour)%24+24)%24, 10, 0, 0, time.UTC)
			}
			b.pour("c.now", then(0), 1)
			b.pour("b.beside", then(rapid.SampledFrom([]int{-1, 1}).Draw(rt, "beside")), 1)
			b.pour("a.apart", then(rapid.IntRange(2, 22).Draw(rt, "apart")), 1)
			b.pour(fmt.Sprintf("n.%d", rapid.IntRange(0, 3).Draw(rt, "noise")), then(rapid.IntRange(0, 23).Draw(rt, "at")), 2)
		}
		got := b.Favourites(at(now, 28), 8, func(id beverage.ID) bool { return id[0] != 'n' })
		if !slices.Equal(got, []beverage.ID{"c.now", "b.beside", "a.apart"}) {
			rt.Fatalf("%v", got)
		}
	})
}

// TestFavouritesBounded: a busy unit's book stays small, and keeps what is newest.
func TestFavouritesBounded(t *testing.T) {
	b := newBar(t, time.UTC)
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for h := range 2000 {
		for d := range 20 {
			b.pour(fmt.Sprintf("brand-%02d.drink", d), begin.Add(time.Duration(h)*time.Hour), 1)
		}
	}
	if b.ticks > maxTicks || b.ticks < maxTicks*3/4 {
		t.Errorf("%d hours kept", b.ticks)
	}
	n := 0
	for _, list := range b.habits {
		n += len(list)
		if !slices.IsSortedFunc(list, func(x, y tick) int { return int(x.hour - y.hour) }) || list[len(list)-1].hour != wallHour(begin.Add(1999*time.Hour)) {
			t.Error("the newest hours are gone")
		}
	}
	saved, err := b.Save()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d hours take %d bytes", n, len(saved))
	if n != b.ticks || len(saved) > 80<<10 {
		t.Errorf("%d hours, %d counted, %d bytes", n, b.ticks, len(saved))
	}
	for _, bad := range []map[string]string{{"a": "!"}, {"a": "AA"}, {"a": "gICAgICAgICAgAE"}, {"a": "AQAB"}} {
		if _, _, err := decodeHabits(bad); err == nil {
			t.Errorf("%v is read", bad)
		}
	}
	if _, err := New(planogram(), []byte(`{"v":1,"habits":{"a":"!"}}`), time.UTC); err != nil {
		t.Errorf("damaged habits stop the unit: %v", err)
	}
}

// TestFavouritesOfAnOlderVersion: what was counted by the day keeps counting until it is too old.
func TestFavouritesOfAnOlderVersion(t *testing.T) {
	b, err := New(planogram(), []byte(`{"v":1,"poured":{"2026-03-04":{"a.a":3},"2026-01-04":{"b.b":9},"":{"c.c":1}}}`), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	likes(t, &bar{Book: b}, at(time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC), 28), "a.a", "c.c")
}

func TestToday(t *testing.T) {
	tokyo := time.FixedZone("tokyo", 9*3600)
	b := newBar(t, tokyo)
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, tokyo)
	b.pour("a.a", noon.AddDate(0, 0, -1), 7)
	if n := b.Today(at(noon, 28)); n != 0 {
		t.Errorf("%d before the first", n)
	}
	b.pour("a.a", noon.Add(-11*time.Hour), 2) // yesterday in Greenwich
	b.pour(wire.Mixed, noon, 1)
	b.pour("a.a", noon, 1, func(r *wire.Record) { r.Source = wire.SourceService })
	b.pour("a.a", time.Time{}, 1)
	b.pour("a.a", noon.AddDate(0, 0, -2), 1) // a late one of another log
	if n := b.again(t).Today(at(noon, 28)); n != 4 {
		t.Errorf("%d drinks today, want 4", n)
	}
	if n := b.Today(at(noon.Add(12*time.Hour), 28)); n != 0 {
		t.Errorf("%d after midnight", n)
	}
}

// Whatever was saved, reading it ends in order and within bounds, and what is read is saved the same way again.
func FuzzHabits(f *testing.F) {
	f.Add("a", "gICAgICAgICAgAE")
	f.Add("b", encodeHabits(map[beverage.ID][]tick{"b": {{495_000, 3}, {495_001, 1}, {495_200, 90}}})["b"])
	f.Fuzz(func(t *testing.T, id, saved string) {
		habits, n, err := decodeHabits(map[string]string{id: saved})
		if err != nil {
			return
		}
		list := habits[beverage.ID(id)]
		if n != len(list) || n > maxTicks || !slices.IsSortedFunc(list, func(x, y tick) int { return int(x.hour - y.hour) }) {
			t.Fatalf("%v", list)
		}
		again, _, err := decodeHabits(encodeHabits(habits))
		if err != nil || !slices.Equal(again[beverage.ID(id)], list) {
			t.Fatalf("%v became %v, %v", list, again, err)
		}
	})
}
