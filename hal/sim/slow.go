package sim

import (
	"math"
	"slices"
	"time"
)

// Slow physics: what changes over seconds is integrated every slowStep, beside the 1 ms grid of the water, and only in
// plants whose rig file or faults need it. Figures: spec/peers.md 3.
const (
	slowStep = 100 * time.Millisecond

	waterKPa  = 380.0 // 55 psi, of the supply
	co2KPa    = 690.0 // 100 psi, behind the regulator
	noWater   = 0.36  // of the supply's pressure: 20 psi, where its switch trips
	noCO2     = 414.0 // kPa: 60 psi, where its switch trips
	flowDrop  = 0.15  // of the supply's pressure lost in the pipe at 100 ml/s
	co2Tau    = 10.0  // s: an empty bottle's pressure falls, a full one's returns in a tenth of it
	heatWater = 4.186 // J/(g·K)
	hystC     = 0.5   // the thermostat switches this far off its middle
	leakWatts = 2.0   // per kelvin between the bath and the room
	settledTo = 0.55  // what is left of the solids at the outlet when everything has settled
	stirTau   = 4.0   // s until an agitated cartridge is mixed
	trapped   = 3_000 // µL a shut MASTER leaves under pressure behind it
)

// never is later than anything.
const never = time.Duration(math.MaxInt64)

// planned is something that happens at a time of its own.
type planned struct {
	at time.Duration
	do func(at time.Duration) // the plant is locked
}

func (p *Plant) plan(at time.Duration, do func(at time.Duration)) {
	i, _ := slices.BinarySearchFunc(p.plans, at, func(x planned, at time.Duration) int {
		if x.at <= at { // those of the same time in the order they were planned
			return -1
		}
		return 1
	})
	p.plans = slices.Insert(p.plans, i, planned{at, do})
}

// due is when the next slow step or planned thing happens.
func (p *Plant) due() time.Duration {
	if len(p.plans) > 0 {
		return min(p.slowNext, p.plans[0].at)
	}
	return p.slowNext
}

// happen does what is due at t.
func (p *Plant) happen(t time.Duration) {
	for len(p.plans) > 0 && p.plans[0].at <= t {
		x := p.plans[0]
		p.plans = slices.Delete(p.plans, 0, 1)
		x.do(max(x.at, t-step))
	}
	if p.slowNext <= t {
		p.slow(p.slowNext)
		p.slowNext += slowStep
	}
}

// wakeSlow starts the slow steps; they go on for the plant's life.
func (p *Plant) wakeSlow(now time.Duration) {
	if p.slowNext == never {
		p.slowNext = now.Truncate(step) + slowStep
	}
}

// slow integrates one slow step that ends at t.
func (p *Plant) slow(t time.Duration) {
	dt := slowStep.Seconds()
	p.supply.goal = p.pressureGoal(t)
	p.gas(dt)
	p.drip(dt)
	p.cool(dt)
	p.stir(dt)
	for i := range p.sensors {
		if s := &p.sensors[i]; s.next <= t {
			p.poll(s, t)
			s.next += s.every
		}
	}
	if p.sense(t); p.hold > 0 {
		p.repower(t)
	}
}

// pressureGoal is what the supply gives, of its nominal pressure.
func (p *Plant) pressureGoal(now time.Duration) float64 {
	goal := 1.0
	if share, on := p.has(SupplySag, ""); on {
		goal = share
	}
	if a := p.faults[faultKey{kind: SupplyRamp}]; a != nil {
		goal *= max(0, 1-a.amount*(now-a.since).Minutes())
	}
	if p.is(SupplyCut, "") {
		goal = 0
	}
	return goal
}

// carbonator makes sparkling water, for as long as it lasts.
type carbonator struct {
	capacity, refillAt, rate float64 // µL, µL/s
	level                    float64
	filling                  bool
}

// gas lets CO2 and the carbonator follow, and with them the flow of sparkling water.
func (p *Plant) gas(dt float64) {
	if p.is(CO2Out, "") {
		p.co2 *= math.Exp(-dt / co2Tau)
	} else if p.co2 < co2KPa {
		p.co2 = math.Min(co2KPa, p.co2+co2KPa*dt*10/co2Tau)
	}
	push := 1.0
	if p.co2 < co2KPa {
		push = math.Max(0.05, p.co2/co2KPa)
	}
	broken := p.is(CarbonatorFault, "")
	if c := p.carb; c != nil {
		was := c.filling
		if !broken && !p.is(SupplyCut, "") {
			if c.level <= c.refillAt {
				c.filling = true
			}
			if c.filling {
				c.level = math.Min(c.capacity, c.level+c.rate*p.supply.goal*dt)
				c.filling = c.level < c.capacity
			}
		}
		if c.filling != was {
			p.changes++
		}
		switch {
		case c.level <= 0:
			push *= 0.02
		case c.filling:
			push *= 0.6 // the refill takes the supply's pressure
		}
	} else if broken {
		push *= 0.5
	}
	for i := range p.valves[:p.flowing] {
		if v := &p.valves[i]; v.sparkles && v.push != push {
			v.push = push
			v.tune()
		}
	}
}

// draw takes the sparkling water of one step from the carbonator.
func (c *carbonator) draw(ul float64) { c.level = math.Max(0, c.level-ul) }

// torrent is a weep so large that it is a flow: it turns the meter's wheel and is integrated with the water.
const torrent = 1500.0 // µL/s

// drip lets weeping valves drip.
func (p *Plant) drip(dt float64) {
	m := &p.valves[p.master]
	fed := math.Inf(1) // µL/s behind MASTER
	if m.pos == 0 {
		fed = m.weep
	} else {
		p.trapped = trapped
	}
	for i := range p.valves[:p.flowing] {
		v := &p.valves[i]
		if i == p.master {
			continue
		}
		rate := v.weep
		switch {
		case v.pos > 0 && m.pos == 0:
			rate = m.weep // MASTER is the one that weeps, into an open line
		case v.pos > 0:
			continue // it flows
		}
		if rate <= 0 || rate >= torrent && m.pos > 0 {
			continue
		}
		ul := math.Min(rate, fed) * dt
		if rest := rate*dt - ul; rest > 0 { // what was under pressure when MASTER shut
			rest = math.Min(rest, p.trapped)
			p.trapped -= rest
			ul += rest
		}
		ul *= math.Min(1, p.supply.goal+boolean(p.trapped > 0))
		if ul > 0 {
			v.supplied += ul
			p.pourInto(v.ingredient, ul)
			p.changes++
		}
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// heat sets the temperatures that faults dictate, and those of a plant whose rig file gives no cooling.
func (p *Plant) heat() {
	if p.cooling == nil {
		p.waterC, p.cabinetC = 3, 5
	}
	if c, on := p.has(WaterWarm, ""); on {
		p.waterC = c
	}
	if c, on := p.has(CabinetWarm, ""); on {
		p.cabinetC = c
	}
}

// cool integrates the water bath and the cabinet.
func (p *Plant) cool(dt float64) {
	if c := p.cooling; c != nil {
		drawn := 0.0
		for i := range p.valves[:p.flowing] {
			drawn += p.valves[i].supplied
		}
		in := drawn - p.drawn
		p.drawn = drawn
		mass := float64(c.BathUL) / 1000 // g
		p.waterC += (c.AmbientC - p.waterC) * math.Min(1, in/float64(c.BathUL))
		if p.waterC > c.WaterC+hystC {
			p.compressor = true
		} else if p.waterC < c.WaterC-hystC {
			p.compressor = false
		}
		watts := (c.AmbientC - p.waterC) * leakWatts
		if p.compressor {
			watts -= c.CoolWatts
		}
		p.waterC += watts * dt / (heatWater * mass)
		p.cabinetC += (c.CabinetC - p.cabinetC) * dt / 300
	}
	if len(p.faults) > 0 {
		p.heat()
	}
}

// stir lets the contents of cartridges settle, and agitators mix them.
func (p *Plant) stir(dt float64) {
	tau := p.rig.Sim.Settle.Seconds()
	if tau <= 0 {
		return
	}
	for i := range p.agitators {
		a := &p.agitators[i]
		runs := p.valves[a.output].driven
		for _, k := range a.slots {
			s := &p.slots[k]
			if runs {
				s.stirred += (1 - s.stirred) * min(1, dt/stirTau)
			} else {
				s.stirred += (settledTo - s.stirred) * min(1, dt/tau)
			}
		}
	}
}

// agitator is a motor, and the slots it moves.
type agitator struct {
	output int // in valves
	slots  []int
}

// repower follows what the valve supply hangs on.
func (p *Plant) repower(now time.Duration) {
	on := !p.is(PowerCut, "") && !p.is(ValvePowerCut, "") &&
		(!p.rig.Sim.EStopCutsSupply || !p.is(EStopPressed, "")) &&
		(p.hold == 0 || now-p.beatAt <= p.hold)
	if on == p.valvePower {
		return
	}
	p.valvePower = on
	p.changes++
	for i := range p.valves {
		p.energise(i, now)
	}
}

// beat is an edge of the heartbeat line.
func (p *Plant) beat(now time.Duration) {
	p.beatAt = now
	if !p.valvePower {
		p.repower(now)
	}
}

// energise lets the coil that valve i's wires lead to follow the line.
func (p *Plant) energise(i int, at time.Duration) {
	v := &p.valves[p.valves[i].wired]
	if on := p.valves[i].commanded && p.valvePower; on != v.driven {
		v.drive(on, at)
	}
}
