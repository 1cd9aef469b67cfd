package agent

import (
	"errors"
	"fmt"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/config"
	"fountain/agent/inventory"
	"fountain/agent/record"
	"fountain/hal"
	"fountain/internal/units"
)

// States of a cartridge slot, as api.Cartridge tells them.
const (
	slotOK         = "ok"
	slotEmpty      = "empty"
	slotAbsent     = "absent"
	slotWrong      = "wrong"
	slotForeign    = "foreign"
	slotExpired    = "expired"
	slotUnreadable = "unreadable"
	slotUnverified = "unverified"
)

// unreadableAfter is how many readings in a row fail before a person is told: a tag at the edge of the field fails now
// and then.
const unreadableAfter = 3

// overfull is how much more than a full cartridge a tag may claim: cartridges are filled by weight.
const overfull = 1.05

// sight is what the readings of one slot have said so far.
type sight struct {
	read   bool // a reading has told what is there, or that nobody can tell (ErrNoReader)
	tag    hal.Tag
	err    error // of the last reading that told something: nil, ErrNoTag, ErrForeign, ErrNoReader
	fails  int   // readings in a row since then that told nothing
	why    error // of the last of them
	claims bool  // the tag claims more than a cartridge holds
}

// take takes in one reading and reports whether it tells something else than before.
func (s *sight) take(tag hal.Tag, err error, fullUL int64) (news bool) {
	switch {
	case err == nil, errors.Is(err, hal.ErrNoTag), errors.Is(err, hal.ErrForeign), errors.Is(err, hal.ErrNoReader):
	default:
		s.fails++
		s.why = err
		return false
	}
	claims := err == nil && fullUL > 0 && float64(tag.VolumeUL) > overfull*float64(fullUL)
	if err != nil {
		tag = hal.Tag{}
	}
	news = !s.read || !errors.Is(err, s.err) || s.err != nil && err == nil || claims != s.claims || !sameTag(tag, s.tag)
	s.read, s.tag, s.err, s.fails, s.why, s.claims = true, tag, err, 0, nil, claims
	return news
}

// sameTag leaves a volume that falls aside: a tag that is written to counts down with every pour.
func sameTag(a, b hal.Tag) bool {
	return a.ID == b.ID && a.Ingredient == b.Ingredient && a.Lot == b.Lot && a.Expires.Equal(b.Expires) && a.VolumeUL <= b.VolumeUL
}

// clockView is what the unit knows of the time.
type clockView struct {
	now    time.Time
	sure   bool      // the clock was set since the start
	atMost time.Time // it is at least this late, for sure; zero: nothing is known
}

// expired tells whether a date has passed for sure, or only by a clock that nobody has set.
func (c clockView) expired(date time.Time) (surely, maybe bool) {
	if date.IsZero() {
		return false, false
	}
	if c.sure && !c.now.Before(date) || !c.atMost.IsZero() && !c.atMost.Before(date) {
		return true, true
	}
	return false, !c.now.Before(date)
}

// verdict is the state of one slot with the alarms that go with it.
type verdict struct {
	state  string
	alarms []alarm.Alarm
	remedy string
}

// judgeSlot says what is to be thought of a slot. servings is what is left of its ingredient over all slots; negative:
// nothing needs it.
func judgeSlot(l inventory.Level, s sight, c clockView, cfg config.Stock, servings int) verdict {
	var v verdict
	add := func(n alarm.Name, state, evidence string) {
		v.alarms = append(v.alarms, alarm.Alarm{Name: n, Scope: l.Slot, Evidence: evidence})
		if v.state == "" && state != "" {
			v.state = state
			v.remedy = n.Remedy(l.Slot)
		}
	}
	if s.fails >= unreadableAfter {
		add(alarm.CartridgeUnreadable, "", fmt.Sprintf("%d readings in a row: %v", unreadableAfter, s.why))
		if l.Cartridge == "" { // nothing is known of the slot: nothing is drawn from it
			v.state, v.remedy = slotUnreadable, alarm.CartridgeUnreadable.Remedy(l.Slot)
			return v
		}
	}
	surely, maybe := c.expired(l.Expires)
	held := func() string { return fmt.Sprintf("cartridge %s of %s", l.Cartridge, l.Ingredient) } // few are told of
	switch {
	case s.read && errors.Is(s.err, hal.ErrForeign):
		add(alarm.CartridgeForeign, slotForeign, "its tag is no cartridge's")
		return v
	case s.claims:
		add(alarm.CartridgeForeign, slotForeign, fmt.Sprintf("tag %s claims %s, a full one holds %s", s.tag.ID, units.Volume(s.tag.VolumeUL), units.Volume(l.FullUL)))
		return v
	case l.Cartridge == "" && !s.read && s.fails < unreadableAfter:
		v.state = slotUnreadable // not told yet, and nobody is bothered
		return v
	case l.Cartridge == "":
		add(alarm.CartridgeAbsent, slotAbsent, "here belongs "+string(l.Ingredient))
		return v
	case l.Foreign != "":
		add(alarm.CartridgeWrong, slotWrong, fmt.Sprintf("it holds %s, here belongs %s", l.Foreign, l.Ingredient))
		return v
	case surely:
		add(alarm.CartridgeExpired, slotExpired, held()+" expired on "+date(l.Expires))
	case maybe:
		add(alarm.ExpiryUnsure, "", held()+" expired on "+date(l.Expires)+", the clock says "+date(c.now))
	case !l.Expires.IsZero() && c.now.AddDate(0, 0, cfg.ExpiringDays).After(l.Expires):
		add(alarm.CartridgeExpiring, "", held()+" expires on "+date(l.Expires))
	}
	if l.Empty || l.LeftUL <= 0 {
		add(alarm.CartridgeEmpty, slotEmpty, held())
	} else if !surely && servings >= 0 && servings < cfg.LowServings {
		add(alarm.CartridgeLow, "", fmt.Sprintf("%d servings of %s left", servings, l.Ingredient))
	}
	if l.Refilled {
		add(alarm.CartridgeRefilled, "", fmt.Sprintf("%s: %s left by the count, the tag has claimed more than before", held(), units.Volume(l.LeftUL)))
	}
	switch {
	case v.state != "":
	case s.read && errors.Is(s.err, hal.ErrNoReader):
		by := l.By
		if by == "" {
			by = "nobody"
		}
		add(alarm.CartridgeUnverified, slotUnverified, "registered by "+by)
	case s.fails >= unreadableAfter:
		v.state, v.remedy = slotUnreadable, alarm.CartridgeUnreadable.Remedy(l.Slot)
	default:
		v.state = slotOK
	}
	return v
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// sure tells whether a quality of the clock is good enough to throw a cartridge away.
func sure(quality string) bool { return quality == record.ClockTrusted }
