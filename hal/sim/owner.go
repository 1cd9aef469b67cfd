package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// owner is one process' hold on its lines. Guarded by Plant.mu.
type owner struct {
	name     hal.Owner
	alive    bool
	gen      uint64 // of the current holder; an older rig of the same owner is gone
	valves   []int  // bit i is p.valves[valves[i]]
	deadMan  bool   // the holder's HAL lives in this process and shuts what is not renewed
	deadline []time.Duration
	base     []uint64 // pump strokes confirmed before the rig was opened
}

func (o *owner) armed() bool {
	if !o.alive || !o.deadMan {
		return false
	}
	for _, d := range o.deadline {
		if d > 0 {
			return true
		}
	}
	return false
}

// deadMan shuts what a living holder has not renewed by t.
func (p *Plant) deadMan(o *owner, t time.Duration) {
	if !o.armed() {
		return
	}
	for i, d := range o.deadline {
		if d > 0 && d <= t {
			o.deadline[i] = 0
			p.command(&p.valves[o.valves[i]], false, d)
		}
	}
}

// Open takes the lines of an owner and commands them shut. ErrBusy while another holder lives. The rig's dead-man runs
// as long as the holder lives: in the plant's time, exactly at max_open.
func (p *Plant) Open(name hal.Owner) (hal.Rig, error) { return p.open(name, true) }

func (p *Plant) open(name hal.Owner, deadMan bool) (*ownedRig, error) {
	if name != hal.OwnerAgent && name != hal.OwnerGuard {
		return nil, fmt.Errorf("owner %q: %w", name, hal.ErrNotOwner)
	}
	now := p.lock()
	defer p.mu.Unlock()
	o := p.owners[name]
	if o == nil {
		o = &owner{name: name}
		for i := range p.valves {
			if p.valves[i].part.Owner == name {
				o.valves = append(o.valves, i)
			}
		}
		if len(o.valves) > 64 {
			return nil, fmt.Errorf("owner %s has %d outputs: at most 64 fit one group", name, len(o.valves))
		}
		o.deadline = make([]time.Duration, len(o.valves))
		o.base = make([]uint64, len(p.pumps))
		p.owners[name] = o
		p.holders = append(p.holders, o)
	}
	if o.alive {
		return nil, fmt.Errorf("open the lines of %s: %w", name, hal.ErrBusy)
	}
	o.alive, o.deadMan = true, deadMan
	o.gen++
	p.shutAll(o, now)
	for i := range p.pumps {
		o.base[i] = p.pumps[i].delivered
	}
	p.changes++
	return &ownedRig{p: p, o: o, gen: o.gen}, nil
}

// shutAll commands every output of o shut and stops its pumps. Without allocation.
func (p *Plant) shutAll(o *owner, now time.Duration) {
	for i, vi := range o.valves {
		o.deadline[i] = 0
		p.command(&p.valves[vi], false, now)
	}
	for i := range p.pumps {
		if p.pumps[i].part.Owner == o.name {
			p.pumps[i].stop(now)
		}
	}
}

// Kill is the death of an owner's process: nobody closes anything. Lines hold or release as the rig file says
// (sim.on_owner_death). Pump drivers that hold finish the strokes they were given; released ones stop.
func (p *Plant) Kill(name hal.Owner) {
	now := p.lock()
	defer p.mu.Unlock()
	if o := p.owners[name]; o != nil && o.alive {
		p.die(o, now)
	}
}

func (p *Plant) die(o *owner, now time.Duration) {
	o.alive = false
	clear(o.deadline)
	p.changes++
	if p.rig.Sim.OnOwnerDeath == rigfile.DeathRelease {
		p.shutAll(o, now)
	}
}

// Stall stops an owner's process without killing it (SIGSTOP): its dead-man sleeps as well until Resume.
func (p *Plant) Stall(name hal.Owner) { p.stall(name, true) }

// Resume lets a stalled owner go on.
func (p *Plant) Resume(name hal.Owner) { p.stall(name, false) }

func (p *Plant) stall(name hal.Owner, on bool) {
	p.lock()
	defer p.mu.Unlock()
	if o := p.owners[name]; o != nil && o.alive {
		o.deadMan = !on
	}
}

// ownedRig is the in-process hal.Rig of one owner.
type ownedRig struct {
	p   *Plant
	o   *owner
	gen uint64
}

var (
	_ hal.Rig           = (*ownedRig)(nil)
	_ hal.Outputs       = (*ownedRig)(nil)
	_ hal.InterlockBank = ownedLocks{}
	_ hal.FlowMeter     = (*ownedMeter)(nil)
	_ hal.Pump          = (*ownedPump)(nil)
	_ hal.CartridgeSlot = (*ownedSlot)(nil)
)

// enter locks the plant for a call of this holder. On error the plant is not locked.
func (r *ownedRig) enter() (time.Duration, error) {
	now := r.p.lock()
	if !r.o.alive || r.o.gen != r.gen {
		r.p.mu.Unlock()
		return 0, hal.ErrClosed
	}
	return now, nil
}

// Parts implements hal.Rig.
func (r *ownedRig) Parts() []hal.Part { return slices.Clone(r.p.rig.Parts()) }

// Outputs implements hal.Rig.
func (r *ownedRig) Outputs() hal.Outputs { return r }

// Apply implements hal.Outputs. Valves of a chip that does not answer stay as they are: hal.ErrGone.
func (r *ownedRig) Apply(mask, bits uint64) error {
	now, err := r.enter()
	if err != nil {
		return err
	}
	defer r.p.mu.Unlock()
	if n := len(r.o.valves); n < 64 && mask>>n != 0 {
		return hal.ErrUnknownPart
	}
	gone := false
	for i, vi := range r.o.valves {
		bit := uint64(1) << i
		if mask&bit == 0 {
			continue
		}
		v := &r.p.valves[vi]
		if r.p.goneChips[v.chip] {
			gone = true
			continue
		}
		open := bits&bit != 0
		r.p.command(v, open, now)
		r.o.deadline[i] = 0
		if open {
			r.o.deadline[i] = now + v.part.MaxOpen
		}
	}
	if gone {
		return hal.ErrGone
	}
	return nil
}

// Commanded implements hal.Outputs.
func (r *ownedRig) Commanded() uint64 {
	if _, err := r.enter(); err != nil {
		return 0
	}
	defer r.p.mu.Unlock()
	return r.p.commandedBits(r.o)
}

func (p *Plant) commandedBits(o *owner) uint64 {
	var bits uint64
	for i, vi := range o.valves {
		if p.valves[vi].commanded {
			bits |= 1 << i
		}
	}
	return bits
}

// Bit implements hal.Outputs.
func (r *ownedRig) Bit(id string) (uint64, error) {
	for i, vi := range r.o.valves {
		if r.p.valves[vi].part.ID == id {
			return 1 << i, nil
		}
	}
	return 0, r.p.refuse(id, hal.KindValve)
}

// refuse explains why a part cannot be had: it is someone else's, or there is none of that kind.
func (p *Plant) refuse(id string, kind hal.Kind) error {
	for _, part := range p.rig.Parts() {
		if part.ID == id && part.Kind == kind {
			return fmt.Errorf("part %q: %w", id, hal.ErrNotOwner)
		}
	}
	return unknown(id)
}

// Safe implements hal.Rig.
func (r *ownedRig) Safe(error) error {
	now, err := r.enter()
	if err != nil {
		return err
	}
	r.p.shutAll(r.o, now)
	r.p.mu.Unlock()
	return nil
}

// Close implements hal.Rig.
func (r *ownedRig) Close() error {
	now, err := r.enter()
	if err != nil {
		return nil // closed before, or taken over: nothing of ours is left to make safe
	}
	r.p.shutAll(r.o, now)
	r.o.alive = false
	r.p.changes++
	r.p.mu.Unlock()
	return nil
}

// Health implements hal.Rig: chips that do not answer, by the parts of this owner behind them.
func (r *ownedRig) Health() []hal.Fault {
	if _, err := r.enter(); err != nil {
		return []hal.Fault{{Part: string(r.o.name), What: err.Error()}}
	}
	defer r.p.mu.Unlock()
	return r.p.health()
}

func (p *Plant) health() []hal.Fault {
	var out []hal.Fault
	for _, c := range p.rig.Chips {
		if p.goneChips[c.ID] {
			out = append(out, hal.Fault{Part: c.ID, What: "the chip does not answer", Kind: hal.FaultGone})
		}
	}
	return out
}

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
			return &ownedMeter{r, m}, nil
		}
	}
	return nil, r.p.refuse(id, hal.KindMeter)
}

type ownedMeter struct {
	r *ownedRig
	m *meter
}

// Count implements hal.FlowMeter. Counters run on while nobody holds the lines.
func (m *ownedMeter) Count() hal.Count {
	m.r.p.lock()
	defer m.r.p.mu.Unlock()
	return hal.Count{Pulses: m.m.pulses, Last: m.m.last, Period: m.m.period}
}

// Pump implements hal.Rig.
func (r *ownedRig) Pump(id string) (hal.Pump, error) {
	for i := range r.p.pumps {
		if u := &r.p.pumps[i]; u.part.ID == id && u.part.Owner == r.o.name {
			return &ownedPump{r, i}, nil
		}
	}
	return nil, r.p.refuse(id, hal.KindPump)
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
	if u.dose(strokes, every, now) && !slices.Contains(p.active, i) {
		p.active = append(p.active, i)
	}
	p.changes++
	return nil
}

// Delivered implements hal.Pump.
func (u *ownedPump) Delivered() uint64 {
	u.r.p.lock()
	defer u.r.p.mu.Unlock()
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
	return nil, r.p.refuse(id, hal.KindSlot)
}

type ownedSlot struct {
	r *ownedRig
	i int
}

// Sensor implements hal.Rig.
func (r *ownedRig) Sensor(id string) (hal.Sensor, error) { return nil, r.p.refuse(id, hal.KindSensor) }

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

func (p *Plant) tag(i int) (hal.Tag, error) {
	if s := &p.slots[i]; s.present {
		return s.tag, nil
	}
	return hal.Tag{}, hal.ErrNoTag
}
