package sim

import (
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
	outputs  []int  // bit i is p.valves[outputs[i]]: valves and agitators
	want     uint64 // what the holder's HAL believes to be commanded
	failed   uint64 // outputs that failed while something was open, and nobody has taken note
	deadMan  bool   // the holder's HAL lives in this process and shuts what is not renewed
	deadline []time.Duration
	base     []uint64 // pump strokes confirmed before the rig was opened
	frozen   *frozen  // answers that stand still; nil: they do not
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

// deadMan shuts what a living holder has not renewed by t; behind a chip that does not answer it goes on trying.
func (p *Plant) deadMan(o *owner, t time.Duration) {
	if !o.armed() {
		return
	}
	for i, d := range o.deadline {
		if d > 0 && d <= t && !p.goneChips[p.valves[o.outputs[i]].chip] {
			o.deadline[i] = 0
			o.want &^= 1 << i
			p.tell(o.outputs[i], false, d)
		}
	}
}

// tell commands an output through its chip, however slow that is.
func (p *Plant) tell(i int, open bool, at time.Duration) {
	if late := p.slowChips[p.valves[i].chip]; late > 0 {
		p.plan(at+late, func(at time.Duration) { p.command(i, open, at) })
		return
	}
	p.command(i, open, at)
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
				o.outputs = append(o.outputs, i)
			}
		}
		if len(o.outputs) > 64 {
			return nil, fmt.Errorf("owner %s has %d outputs: at most 64 fit one group", name, len(o.outputs))
		}
		o.deadline = make([]time.Duration, len(o.outputs))
		o.base = make([]uint64, len(p.pumps))
		p.owners[name] = o
		p.holders = append(p.holders, o)
	}
	if o.alive {
		return nil, fmt.Errorf("open the lines of %s: %w", name, hal.ErrBusy)
	}
	if err := p.refuseOpen(name); err != nil {
		return nil, err
	}
	o.alive, o.deadMan = true, deadMan
	o.gen++
	_ = p.shutAll(o, now) // what does not answer is in Health
	p.freeze(o, p.is(RigStall, string(name)), now)
	for i := range p.pumps {
		o.base[i] = p.pumps[i].delivered
	}
	p.changes++
	return &ownedRig{p: p, o: o, gen: o.gen}, nil
}

// shutAll commands every output of o shut and stops its pumps. What is behind a chip that does not answer stays as it is
// (its dead-man goes on trying): hal.ErrGone. Without allocation.
func (p *Plant) shutAll(o *owner, now time.Duration) (err error) {
	o.failed = 0
	for i, k := range o.outputs {
		if v := &p.valves[k]; p.goneChips[v.chip] {
			if o.want&(1<<i) != 0 {
				err = hal.ErrGone
				o.deadline[i] = now
			}
			continue
		}
		o.deadline[i] = 0
		o.want &^= 1 << i
		p.tell(k, false, now)
	}
	for i := range p.pumps {
		u := &p.pumps[i]
		switch {
		case u.part.Owner != o.name:
		case !p.goneChips[u.chip]:
			u.stop(now)
		case u.queue > 0:
			err = hal.ErrGone
		}
	}
	return err
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
		_ = p.shutAll(o, now) // nobody is left to hear it
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
	_ hal.Sensor        = (*ownedSensor)(nil)
	_ hal.Heart         = (*ownedRig)(nil)
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
	if n := len(r.o.outputs); n < 64 && mask>>n != 0 {
		return hal.ErrUnknownPart
	}
	gone := mask&r.o.failed != 0
	if gone {
		bits = r.p.takeNote(r.o, mask, bits)
	}
	for i, vi := range r.o.outputs {
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
		r.o.want &^= bit
		r.o.deadline[i] = 0
		if open {
			r.o.want |= bit
			r.o.deadline[i] = now + v.part.MaxOpen
		}
		r.p.tell(vi, open, now)
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
	return r.o.want
}

// Bit implements hal.Outputs.
func (r *ownedRig) Bit(id string) (uint64, error) {
	for i, vi := range r.o.outputs {
		if r.p.valves[vi].part.ID == id {
			return 1 << i, nil
		}
	}
	return 0, refuse(r.p.rig.Parts(), id, hal.KindValve, hal.KindAgitator)
}

// refuse explains why a part cannot be had: it is someone else's, or there is none of that kind.
func refuse(parts []hal.Part, id string, kinds ...hal.Kind) error {
	for _, part := range parts {
		if part.ID == id && slices.Contains(kinds, part.Kind) {
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
	defer r.p.mu.Unlock()
	return r.p.shutAll(r.o, now)
}

// Beat implements hal.Heart: an edge of the board's heartbeat line.
func (r *ownedRig) Beat() error {
	now, err := r.enter()
	if err != nil {
		return err
	}
	defer r.p.mu.Unlock()
	if r.p.hold == 0 || r.o.name != hal.OwnerGuard {
		return nil
	}
	if r.p.goneChips[r.p.rig.Heartbeat.Line.Chip] {
		return hal.ErrGone
	}
	r.p.beat(now)
	return nil
}

// Close implements hal.Rig.
func (r *ownedRig) Close() error {
	now, err := r.enter()
	if err != nil {
		return nil // closed before, or taken over: nothing of ours is left to make safe
	}
	err = r.p.shutAll(r.o, now)
	r.o.alive = false
	r.p.changes++
	r.p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("close rig: %w", err)
	}
	return nil
}

// Health implements hal.Rig: chips that do not answer, by the parts of this owner behind them.
func (r *ownedRig) Health() []hal.Fault {
	now, err := r.enter()
	if err != nil {
		return []hal.Fault{{Part: string(r.o.name), What: err.Error()}}
	}
	defer r.p.mu.Unlock()
	if r.o.tooOld(now) {
		return []hal.Fault{{Part: "plant", What: whys[whyGone], Kind: hal.FaultGone}}
	}
	return r.p.health()
}
