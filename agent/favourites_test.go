package agent

import (
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/sync/wire"
)

// TestFavouritesTurnWithTheHour: the first row changes by itself when the venue's hour does, on this unit's own pours, and
// only as long as the clock can be believed.
func TestFavouritesTurnWithTheHour(t *testing.T) {
	inBubble(t, func(c *config.Config) { c.Unit.Timezone = "Asia/Tokyo" }, func(v *virtual) {
		zone := v.a.cfg.Config.Location()
		v.knows.Store(true)
		now := time.Now().In(zone)
		next := now.Truncate(time.Hour).Add(time.Hour)
		morning, evening := v.some("water.still", "", "juice.lemon"), v.some("water.sparkling", "", "")
		seq := uint64(0)
		drink := func(id beverage.ID, at time.Time, times int) {
			for range times {
				seq++
				v.a.book.Apply(&wire.Record{
					Log: "old", Seq: seq, Beverage: string(id), Started: at.UTC().Format(time.RFC3339), Clock: "trusted", Source: wire.SourceTouch, CountedUL: 300_000,
				})
			}
		}
		for d := range 20 {
			drink(morning, next.AddDate(0, 0, -d-1).Add(-2*time.Hour), 1)
			drink(evening, next.AddDate(0, 0, -d-1).Add(time.Minute), 1)
			drink(morning, next.AddDate(0, 0, -d-1).Add(-5*time.Hour), 1)
			drink(evening, next.AddDate(0, 0, -d-1).Add(-10*time.Hour), 2)
		}
		v.a.stockChanged()
		first := func() beverage.ID { return v.a.view.Snapshot().Favourites[0] }
		if now.Hour() == next.Hour() || first() != evening { // an hour before is beside it already
			t.Fatalf("at %s: %s", now.Format(time.TimeOnly), first())
		}
		rev := v.a.view.Snapshot().Rev
		v.a.view.mu.Lock()
		v.a.view.hour = (v.a.view.hour + 1) % 24 // as if the last weighing was in another hour
		v.a.view.favours = nil
		v.a.view.mu.Unlock()
		v.await("weighed again", 3*time.Second, func() bool { s := v.a.view.Snapshot(); return len(s.Favourites) > 0 && s.Rev > rev })
		if first() != evening {
			t.Error(v.a.view.Snapshot().Favourites)
		}
		v.knows.Store(false)
		v.a.stockChanged()
		drink(morning, next.AddDate(0, 0, -30), 21)
		v.a.stockChanged()
		if first() != morning {
			t.Errorf("with an unknown clock the hour decides: %v", v.a.view.Snapshot().Favourites)
		}
	})
}
