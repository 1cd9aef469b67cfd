package inventory

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"fountain/agent/beverage"
	"fountain/sync/wire"
)

// favouriteUL is the least a consumer must have poured for it to count: less is a taste or a slip, µL.
const favouriteUL = 30_000

// maxTicks bounds what is remembered of who poured what when: a month of a busy unit, about 60 KB as they are saved. The
// oldest go first.
const maxTicks = 16_384

// What a pour weighs. What was poured at about this time of day counts up to nine times as much as the rest, so that the
// first row changes between breakfast and night where people's habits do; where nobody has poured at this hour yet,
// the rest alone decides. Integers, so that the order never depends on rounding.
const (
	weightAlways = 2
	weightHour   = 16 // in the same hour of the day
	weightNext   = 8  // in the hour before or after
	// Both are halved when one of the days is a working day and the other is not.
)

// When is the time that favourites are asked for, in the venue's zone.
type When struct {
	Now   time.Time
	Days  int  // look back so far
	Known bool // the clock can be believed; else neither the hour nor the age of a pour means anything
}

// tick is the pours of one beverage in one hour.
type tick struct {
	hour int64 // wall clock of the venue, hours since 1970-01-01 00:00 there
	n    int
}

// wallHour is t's hour on the wall: a day has 24 of them, also when the clocks change.
func wallHour(t time.Time) int64 {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/3600 + int64(t.Hour())
}

// workday tells whether an hour lies on Monday to Friday. 1970-01-01 was a Thursday.
func workday(hour int64) bool {
	day := (hour/24 + 3) % 7 // Monday is 0
	return day < 5
}

// count notes one pour of a beverage. Service pours say nothing about what people like, and nobody could choose a mix
// among favourites.
func (b *Book) count(r *wire.Record) {
	if r.Source == wire.SourceService || r.CountedUL+r.EstimatedUL < favouriteUL {
		return
	}
	at, known := started(r)
	at = at.In(b.zone)
	switch day := at.Format(time.DateOnly); {
	case !known || day == b.st.Today.Day:
		b.st.Today.N++
	case day > b.st.Today.Day:
		b.st.Today = today{day, 1}
	}
	if r.Beverage == wire.Mixed {
		return
	}
	if !known {
		if b.st.Poured[""] == nil {
			b.st.Poured[""] = map[string]int{}
		}
		b.st.Poured[""][r.Beverage]++
		return
	}
	b.note(beverage.ID(r.Beverage), wallHour(at))
}

// note adds one pour to its hour.
func (b *Book) note(id beverage.ID, hour int64) {
	list := b.habits[id]
	i, found := slices.BinarySearchFunc(list, hour, func(t tick, h int64) int { return cmp.Compare(t.hour, h) })
	if found {
		list[i].n++
		return
	}
	b.habits[id] = slices.Insert(list, i, tick{hour, 1})
	if b.ticks++; b.ticks > maxTicks {
		b.forgetOldest()
	}
}

// forgetOldest drops the oldest hours until an eighth of the room is free.
func (b *Book) forgetOldest() {
	var hours []int64
	for _, list := range b.habits {
		for _, t := range list {
			hours = append(hours, t.hour)
		}
	}
	slices.Sort(hours)
	since := hours[len(hours)-maxTicks*7/8]
	b.ticks = 0
	for id, list := range b.habits {
		i, _ := slices.BinarySearchFunc(list, since, func(t tick, h int64) int { return cmp.Compare(t.hour, h) })
		if i == len(list) {
			delete(b.habits, id)
			continue
		}
		b.habits[id] = slices.Clone(list[i:])
		b.ticks += len(list) - i
	}
}

// Today is how many drinks consumers poured since midnight.
func (b *Book) Today(w When) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.Known && b.st.Today.Day != w.Now.In(b.zone).Format(time.DateOnly) {
		return 0
	}
	return b.st.Today.N
}

// Favourites lists at most n beverages that were poured, most liked first, equals by id; pourable filters, nil takes all.
// What was poured at about the present time of day, within an hour and on the same kind of day, counts above the rest.
// Pours made while the clock was unknown count as recent, at no particular hour; while it is unknown now, all that is
// remembered counts the same.
func (b *Book) Favourites(w When, n int, pourable func(beverage.ID) bool) []beverage.ID {
	b.mu.Lock()
	score := map[beverage.ID]int{}
	now := wallHour(w.Now.In(b.zone))
	for id, list := range b.habits {
		for _, t := range list {
			switch {
			case !w.Known:
				score[id] += weightAlways * t.n
			case t.hour <= now-24*int64(w.Days) || t.hour > now+1: // the clock was ahead
			default:
				score[id] += weight(t.hour, now) * t.n
			}
		}
	}
	since := w.Now.In(b.zone).AddDate(0, 0, -w.Days).Format(time.DateOnly)
	for day, m := range b.st.Poured { // without an hour: an unknown clock's, and of an older version
		if day != "" && day <= since && w.Known {
			continue
		}
		for id, k := range m {
			score[beverage.ID(id)] += weightAlways * k
		}
	}
	b.mu.Unlock()
	var ids []beverage.ID
	for id := range score {
		if score[id] > 0 && (pourable == nil || pourable(id)) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y beverage.ID) int {
		return cmp.Or(cmp.Compare(score[y], score[x]), cmp.Compare(x, y))
	})
	return ids[:min(n, len(ids))]
}

// weight of a pour at hour for somebody who stands there now.
func weight(hour, now int64) int {
	apart := (hour - now) % 24
	if apart < 0 {
		apart += 24
	}
	more := 0
	switch apart {
	case 0:
		more = weightHour
	case 1, 23:
		more = weightNext
	}
	if workday(hour) != workday(now) {
		more /= 2
	}
	return weightAlways + more
}

// started is when a record's pour began; false when its clock was not known.
func started(r *wire.Record) (time.Time, bool) {
	if r.Clock == "unknown" {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, r.Started)
	return t, err == nil && t.Year() >= 1970
}

// encodeHabits makes habits small enough to be saved with every pour: per beverage, the distance to the hour before and the
// number of pours, as varints in base64.
func encodeHabits(habits map[beverage.ID][]tick) map[string]string {
	out := make(map[string]string, len(habits))
	for id, list := range habits {
		buf := make([]byte, 0, 4*len(list))
		last := int64(0)
		for _, t := range list {
			buf = binary.AppendUvarint(buf, uint64(t.hour-last))
			buf = binary.AppendUvarint(buf, uint64(t.n))
			last = t.hour
		}
		out[string(id)] = base64.RawStdEncoding.EncodeToString(buf)
	}
	return out
}

// decodeHabits reads what encodeHabits made; at most maxTicks are believed.
func decodeHabits(saved map[string]string) (habits map[beverage.ID][]tick, ticks int, err error) {
	habits = map[beverage.ID][]tick{}
	for _, id := range slices.Sorted(maps.Keys(saved)) {
		buf, err := base64.RawStdEncoding.DecodeString(saved[id])
		if err != nil {
			return nil, 0, fmt.Errorf("read habits of %s: %w", id, err)
		}
		var list []tick
		hour := uint64(0)
		for len(buf) > 0 {
			gap, k := binary.Uvarint(buf)
			n, m := binary.Uvarint(buf[max(k, 0):])
			if k <= 0 || m <= 0 || n == 0 || n > 1<<30 || gap > 1<<32 || hour+gap > 1<<32 || gap == 0 && len(list) > 0 {
				return nil, 0, fmt.Errorf("read habits of %s: no such hour", id)
			}
			hour += gap
			list = append(list, tick{int64(hour), int(n)})
			buf = buf[k+m:]
		}
		if ticks += len(list); ticks > maxTicks {
			return nil, 0, fmt.Errorf("read habits: more than %d hours", maxTicks)
		}
		if len(list) > 0 {
			habits[beverage.ID(id)] = list
		}
	}
	return habits, ticks, nil
}
