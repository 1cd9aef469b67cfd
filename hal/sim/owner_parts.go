package sim

import (
	"context"
	"slices"
	"time"

	"fountain/hal"
)

// Interlocks implements hal.Rig.
func (r *ownedRig) Interlocks() hal.InterlockBank { return ownedLocks{r} }

type ownedLocks struct{ r *ownedRig }

// Now implements hal.InterlockBank.
func (l ownedLocks) Now() (hal.Interlocks, error) {
	now, err := l.r.enter()
	if err != nil {
		return 0, err
	}
	defer l.r.p.mu.Unlock()
	bits, gone := l.r.p.interlocks(l.r.o.name, now)
	if f := l.r.o.frozen; f != nil {
		bits, gone = f.locks, f.gone || l.r.o.tooOld(now)
	}
	if gone {
		return 0, hal.ErrGone
	}
	return bits, nil
}

// interlocks reads the debounced inputs of an owner; gone when one of them cannot be read.
func (p *Plant) interlocks(name hal.Owner, now time.Duration) (bits hal.Interlocks, gone bool) {
	for i := range p.locks {
		l := &p.locks[i]
		if l.part.Owner != name {
			continue
		}
		if p.goneChips[l.chip] {
			gone = true
		}
		if l.read(now) {
			bits |= l.signal
		}
	}
	return bits, gone
}

// Meter implements hal.Rig.
func (r *ownedRig) Meter(id string) (hal.FlowMeter, error) {
	for i := range r.p.meters {
		if m := &r.p.meters[i]; m.part.ID == id && m.part.Owner == r.o.name {
			return &ownedMeter{r, i}, nil
		}
	}
	return nil, refuse(r.p.rig.Parts(), id, hal.KindMeter)
}

type ownedMeter struct {
	r *ownedRig
	i int
}

// Count implements hal.FlowMeter. Counters run on while nobody holds the lines.
func (m *ownedMeter) Count() hal.Count {
	m.r.p.lock()
	defer m.r.p.mu.Unlock()
	if f := m.r.o.frozen; f != nil {
		return f.counts[m.i]
	}
	return m.r.p.meters[m.i].line.count()
}

// Pump implements hal.Rig.
func (r *ownedRig) Pump(id string) (hal.Pump, error) {
	for i := range r.p.pumps {
		if u := &r.p.pumps[i]; u.part.ID == id && u.part.Owner == r.o.name {
			return &ownedPump{r, i}, nil
		}
	}
	return nil, refuse(r.p.rig.Parts(), id, hal.KindPump)
}

type ownedPump struct {
	r *ownedRig
	i int
}

// Dose implements hal.Pump.
func (u *ownedPump) Dose(strokes int, every time.Duration) error {
	now, err := u.r.enter()
	if err != nil {
		return err
	}
	defer u.r.p.mu.Unlock()
	return u.r.p.dose(u.i, strokes, every, now)
}

func (p *Plant) dose(i, strokes int, every, now time.Duration) error {
	u := &p.pumps[i]
	switch {
	case p.goneChips[u.chip]:
		return hal.ErrGone
	case strokes <= 0:
		return nil
	}
	if late := p.slowChips[u.chip]; late > 0 {
		p.plan(now+late, func(at time.Duration) { p.queue(i, strokes, every, at) })
		return nil
	}
	p.queue(i, strokes, every, now)
	return nil
}

func (p *Plant) queue(i, strokes int, every, now time.Duration) {
	if p.pumps[i].dose(strokes, every, now) && !slices.Contains(p.active, i) {
		p.active = append(p.active, i)
	}
	p.changes++
}

// Delivered implements hal.Pump.
func (u *ownedPump) Delivered() uint64 {
	u.r.p.lock()
	defer u.r.p.mu.Unlock()
	if f := u.r.o.frozen; f != nil {
		return f.delivered[u.i] - u.r.o.base[u.i]
	}
	return u.r.p.pumps[u.i].delivered - u.r.o.base[u.i]
}

// Stop implements hal.Pump.
func (u *ownedPump) Stop() error {
	now, err := u.r.enter()
	if err != nil {
		return err
	}
	defer u.r.p.mu.Unlock()
	if p := &u.r.p.pumps[u.i]; !u.r.p.goneChips[p.chip] {
		p.stop(now)
		return nil
	}
	return hal.ErrGone
}

// Slot implements hal.Rig.
func (r *ownedRig) Slot(id string) (hal.CartridgeSlot, error) {
	for i := range r.p.slots {
		if r.p.slots[i].id == id && r.o.name == hal.OwnerAgent {
			return &ownedSlot{r, i}, nil
		}
	}
	return nil, refuse(r.p.rig.Parts(), id, hal.KindSlot)
}

type ownedSlot struct {
	r *ownedRig
	i int
}

// Sensor implements hal.Rig.
func (r *ownedRig) Sensor(id string) (hal.Sensor, error) {
	for i := range r.p.sensors {
		if r.p.sensors[i].part.ID == id && r.p.sensors[i].part.Owner == r.o.name {
			return &ownedSensor{r, i}, nil
		}
	}
	return nil, refuse(r.p.rig.Parts(), id, hal.KindSensor)
}

type ownedSensor struct {
	r *ownedRig
	i int
}

// Read implements hal.Sensor.
func (s *ownedSensor) Read() hal.Reading {
	now := s.r.p.lock()
	defer s.r.p.mu.Unlock()
	x := &s.r.p.sensors[s.i]
	got := x.got
	if f := s.r.o.frozen; f != nil {
		got = f.sensors[s.i]
	}
	return got.now(now, x.every)
}

// Tag implements hal.CartridgeSlot.
func (s *ownedSlot) Tag(ctx context.Context) (hal.Tag, error) {
	if err := ctx.Err(); err != nil {
		return hal.Tag{}, err
	}
	if _, err := s.r.enter(); err != nil {
		return hal.Tag{}, err
	}
	defer s.r.p.mu.Unlock()
	return s.r.p.tag(s.i)
}
