package sim

import (
	"slices"
	"time"

	"fountain/hal"
)

// interlock is one debounced safety input.
type interlock struct {
	part      hal.Part
	chip      string
	signal    hal.Interlocks
	debounce  time.Duration
	delay     time.Duration // of a slow chip
	raw       bool          // tripped, as the contact says
	shown     bool          // tripped, after debouncing
	changedAt time.Duration
	bouncing  bool
	stuck     bool
}

func (l *interlock) set(raw bool, at time.Duration) {
	if raw == l.raw {
		return
	}
	l.read(at)
	l.raw, l.changedAt = raw, at
}

func (l *interlock) read(now time.Duration) bool {
	if l.shown != l.raw && now-l.changedAt >= l.debounce+l.delay {
		l.shown = l.raw
	}
	return l.shown
}

// tripped is the true state behind a safety input.
func (p *Plant) tripped(s hal.Interlocks) bool {
	switch s {
	case hal.EStop:
		return p.is(EStopPressed, "")
	case hal.Leak:
		return p.is(LeakSeen, "") || p.cup.tray > p.cup.trayCap
	case hal.Door:
		return p.is(DoorOpen, "")
	case hal.TrayFull:
		return p.is(TrayFull, "") || p.cup.tray > 0.8*p.cup.trayCap
	case hal.NoCup:
		return !p.cup.present
	case hal.NoWater:
		return p.supply.goal < noWater
	case hal.NoCO2:
		return p.co2 < noCO2
	case hal.Carbonating:
		return p.carb != nil && p.carb.filling || p.is(CarbonatorFault, "")
	}
	return false
}

// sense lets the contacts follow what is so.
func (p *Plant) sense(now time.Duration) {
	for i := range p.locks {
		if l := &p.locks[i]; !l.bouncing && !l.stuck {
			l.set(p.tripped(l.signal), now)
		}
	}
}

func (p *Plant) followInput(a *active, on bool, now time.Duration) {
	i := slices.IndexFunc(p.locks, func(l interlock) bool { return l.part.ID == a.Part })
	l := &p.locks[i]
	l.stuck, l.bouncing = p.is(InputStuck, a.Part), p.is(InputChatter, a.Part)
	if a.Kind == InputChatter && on {
		p.bounce(i, a, now)
	}
}

// bounce turns the contact over, and plans the next turn, while the fault lasts.
func (p *Plant) bounce(i int, a *active, now time.Duration) {
	p.plan(now+time.Duration(a.amount*float64(time.Millisecond)), func(at time.Duration) {
		if p.faults[a.key()] != a {
			return
		}
		if l := &p.locks[i]; !l.stuck {
			l.set(!l.raw, at)
			p.changes++
		}
		p.bounce(i, a, at)
	})
}

// NewCup takes the cup away and puts a new, empty one under the nozzle.
func (p *Plant) NewCup() {
	now := p.lock()
	defer p.mu.Unlock()
	clear(p.cup.parts)
	clear(p.cup.solids)
	p.cup.total, p.cup.foam = 0, 0
	p.cup.film.nextCup()
	p.cup.present = true
	delete(p.faults, faultKey{kind: CupRemoved})
	p.sense(now)
	p.changes++
}

// EmptyTray drains the drip tray; spilled volumes in State stay counted.
func (p *Plant) EmptyTray() {
	now := p.lock()
	defer p.mu.Unlock()
	p.cup.tray = 0
	p.sense(now)
	p.changes++
}
