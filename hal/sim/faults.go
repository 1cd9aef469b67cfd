package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// active is a fault while it lasts.
type active struct {
	Fault
	amount float64 // Amount or the kind's default
	since  time.Duration
}

// Inject makes f so, now. Injecting a kind again at the same part changes its numbers.
func (p *Plant) Inject(f Fault) error {
	now := p.lock()
	defer p.mu.Unlock()
	return p.inject(f, now)
}

// Clear ends f; only its kind and part matter. Clearing what was not injected does nothing.
func (p *Plant) Clear(f Fault) error {
	now := p.lock()
	defer p.mu.Unlock()
	if _, err := p.checkTarget(f); err != nil {
		return err
	}
	p.end(f.key(), now)
	return nil
}

// ClearAll ends every fault.
func (p *Plant) ClearAll() {
	now := p.lock()
	defer p.mu.Unlock()
	for _, i := range faultInfos { // in a fixed order: ending one may draw random numbers
		for _, k := range p.lasting() {
			if k.kind == i.Kind {
				p.end(k, now)
			}
		}
	}
}

// lasting lists the faults that last, in a fixed order.
func (p *Plant) lasting() []faultKey {
	out := make([]faultKey, 0, len(p.faults))
	for k := range p.faults {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b faultKey) int {
		if a.kind != b.kind {
			return strings.Compare(string(a.kind), string(b.kind))
		}
		return strings.Compare(a.part, b.part)
	})
	return out
}

func (p *Plant) inject(f Fault, now time.Duration) error {
	info, err := p.checkFault(f)
	if err != nil {
		return err
	}
	p.end(f.key(), now) // with its old numbers
	a := &active{Fault: f, amount: f.Amount, since: now}
	if a.amount == 0 {
		par, _ := info.Amount()
		a.amount = par.Default
	}
	p.faults[f.key()] = a
	p.changes++
	p.follow(a, true, now)
	if f.For > 0 {
		p.plan(now+f.For, func(at time.Duration) {
			if p.faults[f.key()] == a {
				p.end(f.key(), at)
			}
		})
	}
	return nil
}

func (p *Plant) end(k faultKey, now time.Duration) {
	a := p.faults[k]
	if a == nil {
		return
	}
	delete(p.faults, k)
	p.changes++
	p.follow(a, false, now)
}

// has tells whether a fault lasts, and its amount.
func (p *Plant) has(kind FaultKind, part string) (amount float64, on bool) {
	if a := p.faults[faultKey{kind, part}]; a != nil {
		return a.amount, true
	}
	return 0, false
}

// is is has without the amount.
func (p *Plant) is(kind FaultKind, part string) bool { return p.faults[faultKey{kind, part}] != nil }

// schedule plans the faults of the rig file.
func (p *Plant) schedule(list []rigfile.SimFault) error {
	for i, s := range list {
		f := Fault{Kind: FaultKind(s.Kind), Part: s.Part, With: s.With, Amount: s.Amount, For: s.For}
		if _, err := p.checkFault(f); err != nil {
			return fmt.Errorf("sim.faults[%d]: %w", i, err)
		}
		if s.At <= 0 {
			if err := p.inject(f, p.at); err != nil {
				return fmt.Errorf("sim.faults[%d]: %w", i, err)
			}
			continue
		}
		p.plan(p.at+s.At, func(at time.Duration) {
			_ = p.inject(f, at) // it was checked above, and nothing it names can vanish
		})
	}
	return nil
}

// checkTarget refuses kinds and parts that are not there, and says what is.
func (p *Plant) checkTarget(f Fault) (FaultInfo, error) {
	info, ok := infoOf(f.Kind)
	if !ok {
		known := make([]string, 0, len(faultInfos))
		for _, k := range faultInfos {
			known = append(known, string(k.Kind))
		}
		return info, fmt.Errorf("fault %q: there is no such kind; there are %s", f.Kind, strings.Join(known, ", "))
	}
	if !p.hasPart(info.Part, f.Part) {
		return info, fmt.Errorf("fault %s: %w", f.Kind, unknown(f.Part))
	}
	return info, nil
}

// checkFault refuses what the plant cannot do.
func (p *Plant) checkFault(f Fault) (FaultInfo, error) {
	info, err := p.checkTarget(f)
	if err != nil {
		return info, err
	}
	if par, ok := info.Amount(); f.Amount != 0 && (!ok || f.Amount < par.Min || f.Amount > par.Max) {
		if !ok {
			return info, fmt.Errorf("fault %s takes no amount", f.Kind)
		}
		return info, fmt.Errorf("fault %s: amount %v is not between %v and %v", f.Kind, f.Amount, par.Min, par.Max)
	}
	if f.For < 0 {
		return info, fmt.Errorf("fault %s: for %v is less than nothing", f.Kind, f.For)
	}
	return info, p.checkWith(info, f)
}

func (p *Plant) checkWith(info FaultInfo, f Fault) error {
	if par, ok := info.With(); !ok {
		if f.With != "" {
			return fmt.Errorf("fault %s takes no second name", f.Kind)
		}
		return nil
	} else if f.With == "" {
		return fmt.Errorf("fault %s: name %s", f.Kind, par.What)
	}
	if f.Kind != ValvesSwapped && f.Kind != MetersSwapped {
		return nil
	}
	if f.With == f.Part || !p.hasPart(info.Part, f.With) {
		return fmt.Errorf("fault %s with: %w", f.Kind, unknown(f.With))
	}
	for k, a := range p.faults {
		if k.kind == f.Kind && k.part != f.Part && (k.part == f.With || a.With == f.Part || a.With == f.With) {
			return fmt.Errorf("fault %s: %s and %s are exchanged already", f.Kind, k.part, a.With)
		}
	}
	return nil
}

func (p *Plant) hasPart(kind hal.Kind, id string) bool {
	switch kind {
	case PartMachine:
		return id == ""
	case PartChip:
		return slices.ContainsFunc(p.rig.Chips, func(c rigfile.Chip) bool { return c.ID == id })
	case PartOwner:
		return id == string(hal.OwnerGuard) || id == string(hal.OwnerAgent)
	}
	return slices.ContainsFunc(p.rig.Parts(), func(part hal.Part) bool { return part.ID == id && part.Kind == kind })
}

// follow lets the machine follow a fault that begins or ends.
func (p *Plant) follow(a *active, on bool, now time.Duration) {
	info, _ := infoOf(a.Kind)
	switch info.Part {
	case hal.KindValve:
		p.followValve(a, on, now)
	case hal.KindMeter:
		p.followMeter(a, on, now)
	case hal.KindPump:
		u := &p.pumps[p.pumpIndex(a.Part)]
		u.loss, _ = p.has(StrokeLoss, a.Part)
		u.unseen, _ = p.has(StrokeUnseen, a.Part)
	case hal.KindSlot:
		p.followSlot(a, on)
	case hal.KindSensor:
		p.followSensor(a.Part, now)
	case hal.KindInterlock:
		p.followInput(a, on, now)
	case PartChip:
		p.followChip(a, on, now)
	case PartOwner:
		if o := p.owners[hal.Owner(a.Part)]; o != nil && a.Kind == RigStall {
			p.freeze(o, on, now)
		}
	default:
		p.followMachine(a, on, now)
	}
	p.sense(now)
}

func (p *Plant) followMachine(a *active, on bool, now time.Duration) {
	switch a.Kind {
	case CupRemoved:
		p.cup.present = !on
	case SupplyRamp, CO2Out, CarbonatorFault:
		p.wakeSlow(now)
	case WaterWarm, CabinetWarm:
		p.wakeSlow(now)
		p.heat()
	case PowerCut:
		p.powerCut(on, now)
	}
	p.supply.goal = p.pressureGoal(now)
	p.repower(now)
}

func (p *Plant) followValve(a *active, on bool, now time.Duration) {
	i := p.valveIndex(a.Part)
	v := &p.valves[i]
	switch {
	case p.is(StuckOpen, a.Part):
		v.jam = stuckOpen
	case p.is(StuckShut, a.Part):
		v.jam = stuckShut
	default:
		v.jam = free
	}
	v.clog = 1
	if share, on := p.has(HalfFlow, a.Part); on {
		v.clog = share
	}
	v.tune()
	ms, slow := p.has(SlowClose, a.Part)
	v.slower = time.Duration(ms * float64(time.Millisecond))
	if !slow {
		v.extra = 0
	}
	mlh, weeps := p.has(Weep, a.Part)
	v.weep = mlh * 1000 / 3600
	if weeps {
		p.wakeSlow(now)
	}
	switch a.Kind {
	case AirSlugs:
		v.air = nil
		if on {
			v.air = newSlugs(a.amount*1000, p.chance)
		}
	case ValvesSwapped:
		p.rewire(a, on, now)
	}
}

// rewire exchanges the wires of two valves, or puts them right.
func (p *Plant) rewire(a *active, on bool, now time.Duration) {
	i, j := p.valveIndex(a.Part), p.valveIndex(a.With)
	p.valves[i].wired, p.valves[j].wired = i, j
	if on {
		p.valves[i].wired, p.valves[j].wired = j, i
	}
	p.energise(i, now)
	p.energise(j, now)
}

func (p *Plant) followMeter(a *active, on bool, now time.Duration) {
	i := p.meterIndex(a.Part)
	m := &p.meters[i]
	switch a.Kind {
	case MeterDead:
		m.dead = on
	case MeterDrift:
		m.driftPerUL, m.drift = 0, 0
		if on {
			m.driftPerUL = a.amount / 1e6
		}
	case MissedPulses:
		m.missed, _ = p.has(MissedPulses, a.Part)
	case Coasting:
		ms, _ := p.has(Coasting, a.Part)
		m.coast(ms / 1000)
	case PhantomPulses:
		m.emit = emission{}
		if on {
			p.burst(m, a, now)
		}
	case LostPulses:
		p.meters[i].line.stall(on, int(a.amount))
	case MetersSwapped:
		j := p.meterIndex(a.With)
		m.out, p.meters[j].out = &m.line, &p.meters[j].line
		if on {
			m.out, p.meters[j].out = &p.meters[j].line, &m.line
		}
	}
}

// burst plans the next burst of phantom pulses, and the one after it, while the fault lasts.
func (p *Plant) burst(m *meter, a *active, now time.Duration) {
	p.plan(now+time.Duration((0.2+1.8*p.chance.Float64())*float64(time.Second)), func(at time.Duration) {
		if p.faults[a.key()] != a {
			return
		}
		n := max(1, int(a.amount*(0.5+p.chance.Float64())))
		m.emit = emission{left: n, every: time.Duration((1 + 2*p.chance.Float64()) * float64(time.Millisecond)), next: at}
		p.burst(m, a, at+time.Second)
	})
}

// SendPulses makes a meter send n pulses without water, one every `every`: interference to measure, for tests.
func (p *Plant) SendPulses(meter string, n int, every time.Duration) error {
	now := p.lock()
	defer p.mu.Unlock()
	i := p.meterIndex(meter)
	if i < 0 || n < 0 || every <= 0 {
		return fmt.Errorf("send %d pulses: %w", n, unknown(meter))
	}
	p.meters[i].emit = emission{left: n, every: every, next: now + every}
	p.changes++
	return nil
}

func (p *Plant) valveIndex(id string) int {
	return slices.IndexFunc(p.valves, func(v valve) bool { return v.part.ID == id })
}

func (p *Plant) meterIndex(id string) int {
	return slices.IndexFunc(p.meters, func(m meter) bool { return m.part.ID == id })
}

func (p *Plant) pumpIndex(id string) int {
	return slices.IndexFunc(p.pumps, func(u pump) bool { return u.part.ID == id })
}

func (p *Plant) slotIndex(id string) int {
	return slices.IndexFunc(p.slots, func(s slot) bool { return s.id == id })
}
