package inventory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"fountain/agent/beverage"
	"fountain/sync/wire"
)

// maxDays bounds how many days of counts are kept; Favourites cannot look back further.
const maxDays = 21

// favouriteUL is the least a consumer must have poured for it to count: less is a taste or a slip, µL.
const favouriteUL = 30_000

// count notes one pour of a beverage. Service pours say nothing about what people like, and nobody could choose a mix
// among favourites.
func (b *Book) count(r *wire.Record) {
	if r.Source == wire.SourceService || r.Beverage == wire.Mixed || r.CountedUL+r.EstimatedUL < favouriteUL {
		return
	}
	d := day(r)
	if b.st.Poured[d] == nil {
		b.st.Poured[d] = map[string]int{}
	}
	b.st.Poured[d][r.Beverage]++
	for len(b.st.Poured) > maxDays {
		delete(b.st.Poured, slices.Min(slices.Collect(maps.Keys(b.st.Poured))))
	}
}

// Favourites lists at most n beverages poured in the last `days` days before now, most poured first, equals by id.
// pourable filters; nil takes all. Pours made while the clock was unknown count as recent.
func (b *Book) Favourites(now time.Time, days, n int, pourable func(beverage.ID) bool) []beverage.ID {
	since := now.UTC().AddDate(0, 0, -days).Format(time.DateOnly)
	total := map[beverage.ID]int{}
	b.mu.Lock()
	for d, m := range b.st.Poured {
		if d != "" && d <= since {
			continue
		}
		for id, k := range m {
			total[beverage.ID(id)] += k
		}
	}
	b.mu.Unlock()
	var ids []beverage.ID
	for id := range total {
		if pourable == nil || pourable(id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y beverage.ID) int {
		return cmp.Or(cmp.Compare(total[y], total[x]), cmp.Compare(x, y))
	})
	return ids[:min(n, len(ids))]
}
