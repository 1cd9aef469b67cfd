// Package sim is the dispenser's plant: water line, valves, meters, dosing pumps, cartridges and a cup, as physics.
//
// In process (tests, virtual time):
//
//	NewPlant(cfg) ──► *Plant ──Open(owner)──► hal.Rig (agent) │ hal.Rig (guard)
//	                   ▲ Inject, Clear, NewCup …        State, CupUL, SpilledUL … (what is true, not what is measured)
//
// As a process (cmd/fountain-plant):
//
//	Plant ◄──Server── unix socket ◄── Dial(owner) hal.Rig      (binary frames, non-blocking both ways)
//	                              ◄── DialControl   *Control   (HTTP: state, faults, cup; also the panel page)
//
// The package uses plain package time, so it runs live and inside a testing/synctest bubble. No goroutine drives the
// in-process plant: every call first integrates the physics up to now on a fixed 1 ms grid, so what happens depends on
// the seed and on when commands were given, never on when somebody looked. One mutex guards a Plant; it is never held
// across a sleep or a write.
//
// What it models: supply pressure with drift, ripple and sag; valves with lag, jitter and travel; a line behind MASTER
// (carriers flow only while MASTER and their valve are open); inertia of the water (coasting after close); turbine
// meters with gain error, phase, uneven vanes, a smallest flow and a wheel that follows with delay; pumps whose strokes
// differ, with a sensor that confirms a stroke only if the chamber was full; cartridge levels; a cup that overflows; a
// tray that fills and leaks. Lines hold or release when their owner dies. Sensors are polled as a HAL polls them. E-stop
// and door only report, so that a test sees whether the software acted.
//
// A rig file can switch on more (rigfile.Sim): the carbonator and its refills, a bath that warms while it is poured, the
// lines from pump to nozzle with what is in them (air after a change of cartridges, cleaner until it is rinsed out), the
// film in the nozzle that the next drink takes along, contents that settle unless an agitator runs, the board's one-shot
// and an emergency stop that cuts the valve supply. These, and whatever takes seconds, are integrated every 100 ms beside
// the water's grid, and only where something needs them.
//
// What can go wrong is a Fault; Faults lists the kinds. Every one can be had by the rig file (sim.faults, with a time and
// a length), by Inject and Clear, by HTTP on the socket and by the panel page. What goes wrong outside the hardware is
// made by the tests of those it strikes: SIGKILL and SIGSTOP of agent and guard by internal/desk and internal/device (in
// virtual time by Kill and Stall here), a panic of the control loop by agent/machine, a step of the wall clock and a UI
// that is gone by agent and agent/apiserver, a power cut at any write by agent/store and agent (PowerCut here is the
// hardware's side of it).
//
// It may import hal, hal/rigfile and internal packages.
package sim

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal"
	"fountain/hal/rigfile"
)

const step = time.Millisecond // grid of the integration

// Plant is one simulated machine. All methods may be called from any goroutine.
type Plant struct {
	cfg Config
	rig *rigfile.Rig
	now func() time.Duration

	mu          sync.Mutex
	at          time.Duration // physics is integrated up to here (a multiple of step)
	supply      supply
	valves      []valve // in the order of the rig file; after the first flowing, the agitators' motors
	flowing     int
	master      int // index of MASTER
	meters      []meter
	pumps       []pump
	active      []int // pumps with queued strokes
	slots       []slot
	locks       []interlock
	cup         cup
	sensors     []sensor
	agitators   []agitator
	ingredients registry
	owners      map[hal.Owner]*owner
	holders     []*owner // the values of owners, for the hot path
	faults      map[faultKey]*active
	goneChips   map[string]bool
	slowChips   map[string]time.Duration
	chance      *rand.Rand // of the faults
	slowNext    time.Duration
	plans       []planned // by time
	carb        *carbonator
	cooling     *rigfile.SimCooling
	co2         float64 // kPa
	waterC      float64
	cabinetC    float64
	compressor  bool
	drawn       float64 // µL, up to the last slow step
	trapped     float64 // µL under pressure behind a shut MASTER
	valvePower  bool
	hold        time.Duration // of the one-shot; 0: none
	beatAt      time.Duration
	events      ring
	changes     uint64 // grows with every change that an observer could see
}

// NewPlant builds a machine at rest: everything shut, an empty cup in place unless the rig file says otherwise.
func NewPlant(cfg Config) (*Plant, error) {
	if cfg.Rig == nil {
		cfg.Rig = DemoRig()
	}
	p := &Plant{
		cfg: cfg, rig: cfg.Rig, now: clock(cfg.Live), owners: map[hal.Owner]*owner{},
		faults: map[faultKey]*active{}, goneChips: map[string]bool{}, slowChips: map[string]time.Duration{}, slowNext: never,
	}
	p.at = p.now().Truncate(step)
	p.build()
	for _, c := range cfg.Cartridges {
		c.Primed = true
		if err := p.SetCartridge(c); err != nil {
			return nil, err
		}
	}
	if err := p.schedule(cfg.Rig.Sim.Faults); err != nil {
		return nil, err
	}
	return p, nil
}

// clock returns a monotonic clock on package time, anchored at CLOCK_MONOTONIC when live.
func clock(live bool) func() time.Duration {
	base := time.Second
	if live {
		base = monotonicNow()
	}
	start := time.Now()
	return func() time.Duration { return base + time.Since(start) }
}

func monotonicNow() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("read CLOCK_MONOTONIC: " + err.Error()) // cannot fail with these arguments
	}
	return time.Duration(ts.Nano())
}

// Pacer is the simulator's hal.Pacer: package time on the plant's time base.
type Pacer struct{ now func() time.Duration }

var _ hal.Pacer = Pacer{}

// Now is the time on the plant's clock.
func (p Pacer) Now() time.Duration { return p.now() }

// SleepUntil sleeps until t on the plant's clock.
func (p Pacer) SleepUntil(t time.Duration) { time.Sleep(t - p.now()) }

// Pacer returns the clock that control loops on this plant use.
func (p *Plant) Pacer() Pacer { return Pacer{p.now} }

// Now is the time on the plant's clock; times in State and hal.Count are on it.
func (p *Plant) Now() time.Duration { return p.now() }

// lock takes the mutex and integrates up to now.
func (p *Plant) lock() time.Duration {
	p.mu.Lock()
	now := p.now()
	p.advance(now)
	return now
}

// advance integrates whole steps up to now. While nothing moves, time is skipped to the next thing that is due.
func (p *Plant) advance(now time.Duration) {
	end := now.Truncate(step)
	for p.at < end {
		if p.quiet() {
			p.supply.level = p.supply.goal
			p.at = max(p.at, min(end, p.due()))
		} else {
			p.step(p.at, p.at+step)
			p.at += step
		}
		for p.due() <= p.at {
			p.happen(p.at)
		}
	}
}

// quiet tells whether nothing can change before the next command.
func (p *Plant) quiet() bool {
	if len(p.active) > 0 {
		return false
	}
	for _, o := range p.holders {
		if o.armed() {
			return false
		}
	}
	path := p.valves[p.master].opening() > 0
	for i := range p.valves[:p.flowing] {
		v := &p.valves[i]
		if v.moving() || v.flow > 0 || (path && i != p.master && (v.opening() > 0 || v.weep >= torrent)) {
			return false
		}
	}
	for i := range p.meters {
		if m := &p.meters[i]; m.wheel > 0 || m.emit.left > 0 {
			return false
		}
	}
	return true
}

// step integrates one grid step.
func (p *Plant) step(t0, t1 time.Duration) {
	for _, o := range p.holders {
		p.deadMan(o, t1)
	}
	if p.hold > 0 && p.valvePower && t1-p.beatAt > p.hold {
		p.repower(t1)
	}
	pressure := p.supply.step(t1)
	valves := p.valves[:p.flowing]
	for i := range valves {
		v := &valves[i]
		before := v.pos
		v.step(t0, t1)
		if (before > 0) != (v.pos > 0) {
			at := max(t0, v.moveAt) + time.Duration(before*float64(travel)) // the way to the seat, if it closed
			p.moved(v, v.pos > 0, min(at, t1))
		}
	}
	m := &valves[p.master]
	total := 0.0
	for i := range valves {
		if i != p.master {
			total += valves[i].mean()
		}
	}
	sag := 1.0
	if total > 1 {
		sag = 1 / (1 + p.supply.sag*(total-1))
	}
	for i := range valves {
		v := &valves[i]
		v.passed, v.spun = 0, 0
		if i == p.master {
			continue
		}
		target := v.nominal * pressure * sag * v.mean() * m.mean()
		if v.weep >= torrent && v.pos == 0 && m.pos > 0 {
			target = v.weep
		}
		v.passed = v.pass(target)
		if v.passed > 0 {
			v.spun = v.passed
			if v.air != nil {
				p.slug(v, t0)
			}
			v.supplied += v.passed
			p.pourInto(v.ingredient, v.passed)
			if v.sparkles {
				p.cup.froth(t1, v.passed, p.waterC)
				if p.carb != nil {
					p.carb.draw(v.passed)
				}
			}
		}
	}
	for i := range p.meters {
		mt := &p.meters[i]
		vol := 0.0
		for _, s := range mt.serves {
			vol += p.valves[s].spun
		}
		mt.step(t0, vol)
	}
	p.stepPumps(t1)
	if p.cup.touched {
		p.cup.touched = false
		p.sense(t1)
	}
	p.changes++
}

// stepPumps makes the strokes that end before t1.
func (p *Plant) stepPumps(t1 time.Duration) {
	keep := p.active[:0]
	for _, i := range p.active {
		u := &p.pumps[i]
		for u.queue > 0 && u.next <= t1 {
			u.queue--
			p.stroke(u)
			u.last = u.next
			u.next += u.interval
		}
		if u.queue > 0 {
			keep = append(keep, i)
		}
	}
	p.active = keep
}

// slug lets the air in a valve's water through; when it is all out the fault is over.
func (p *Plant) slug(v *valve, t time.Duration) {
	var done bool
	if v.passed, v.spun, done = v.air.pass(t, v.passed); done {
		p.end(faultKey{AirSlugs, v.part.ID}, t)
	}
}

// command sets the level of one output's line.
func (p *Plant) command(i int, open bool, at time.Duration) {
	v := &p.valves[i]
	if v.commanded == open {
		return
	}
	v.commanded = open
	p.changes++
	p.events.add(Event{Part: v.part.ID, What: word(open, CommandedOpen, CommandedShut), AtNS: int64(at)})
	if open {
		v.commandedOpenAt = at
	} else {
		v.commandedShutAt = at
	}
	p.energise(i, at)
}

// moved notes that the armature left or reached its seat.
func (p *Plant) moved(v *valve, open bool, at time.Duration) {
	if open {
		v.openedAt = at
	} else {
		v.shutAt = at
	}
	p.changes++
	p.events.add(Event{Part: v.part.ID, What: word(open, Opened, Shut), AtNS: int64(at)})
}

func word(cond bool, a, b string) string {
	if cond {
		return a
	}
	return b
}

func unknown(id string) error { return fmt.Errorf("part %q: %w", id, hal.ErrUnknownPart) }

// Rig is the rig file the plant was built from.
func (p *Plant) Rig() *rigfile.Rig { return p.rig }
