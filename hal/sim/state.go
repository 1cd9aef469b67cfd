package sim

import (
	"math"
	"slices"
	"time"

	"fountain/hal"
)

// What an Event says.
const (
	CommandedOpen = "commanded-open"
	CommandedShut = "commanded-shut"
	Opened        = "opened" // the armature left its seat
	Shut          = "shut"   // the armature reached its seat
)

const eventsKept = 256 // the newest; a pour makes 8

// Event is one change of one valve. Times are nanoseconds on the plant's clock (CLOCK_MONOTONIC in fountain-plant).
type Event struct {
	Part string `json:"part"`
	What string `json:"what"`
	AtNS int64  `json:"at_ns"`
}

// ring keeps the newest events without allocating.
type ring struct {
	buf   []Event
	start int
}

func (r *ring) add(e Event) {
	if len(r.buf) < cap(r.buf) {
		r.buf = append(r.buf, e)
		return
	}
	r.buf[r.start] = e
	r.start = (r.start + 1) % len(r.buf)
}

func (r *ring) list() []Event {
	return append(slices.Clone(r.buf[r.start:]), r.buf[:r.start]...)
}

// ValveState is one valve as it truly is.
type ValveState struct {
	ID              string  `json:"id"`
	Commanded       bool    `json:"commanded"` // level of its line
	Open            bool    `json:"open"`      // the armature is off its seat
	Opening         float64 `json:"opening"`   // 0 to 1
	FlowULs         int64   `json:"flow_ul_s"`
	SuppliedUL      int64   `json:"supplied_ul"` // since the start
	CommandedOpenNS int64   `json:"commanded_open_ns"`
	CommandedShutNS int64   `json:"commanded_shut_ns"`
	OpenedNS        int64   `json:"opened_ns"`
	ShutNS          int64   `json:"shut_ns"` // last time the armature reached its seat; 0 = never
}

// CupState is what stands under the nozzle.
type CupState struct {
	Present    bool             `json:"present"`
	CapacityUL int64            `json:"capacity_ul"`
	TotalUL    int64            `json:"total_ul"`
	Parts      map[string]int64 `json:"parts"` // µL by ingredient
	// CarryOver is what came with this drink from earlier ones, µL by ingredient (sim.nozzle). It is a book of its own:
	// Parts and TotalUL are without it.
	CarryOver map[string]int64 `json:"carry_over,omitempty"`
	// Strength is how well the ingredients that settle were mixed when they were poured: 1 = as they should be.
	Strength map[string]float64 `json:"strength,omitempty"`
	// FoamUL is the head of a sparkling drink, which settles; no part of TotalUL.
	FoamUL int64 `json:"foam_ul,omitempty"`
}

// SlotState is one cartridge slot.
type SlotState struct {
	Slot       string `json:"slot"`
	Ingredient string `json:"ingredient"`
	LevelUL    int64  `json:"level_ul"`
	Strokes    uint64 `json:"strokes"` // confirmed since the start
	// Line is what is between the pump and the nozzle, from the nozzle on; absent: a stroke leaves it at once.
	Line    []LineState `json:"line,omitempty"`
	Stirred float64     `json:"stirred,omitempty"` // of a slot that an agitator moves: 1 = well mixed
}

// LineState is a stretch of a line. Its ingredient is empty where there is air.
type LineState struct {
	Ingredient string `json:"ingredient"`
	UL         int64  `json:"ul"`
}

// SensorState is one sensor: what is true, and what it says.
type SensorState struct {
	ID   string   `json:"id"`
	Role hal.Role `json:"role"`
	True float64  `json:"true"`
	Says float64  `json:"says"`
	Why  string   `json:"why,omitempty"` // it is not good
}

// CarbonatorState is the carbonator.
type CarbonatorState struct {
	LevelUL int64 `json:"level_ul"`
	Filling bool  `json:"filling"`
}

// State is everything an observer can see. It is the plant's truth, not what meters say.
type State struct {
	NowNS     int64             `json:"now_ns"`
	Seed      uint64            `json:"seed"`
	Cup       CupState          `json:"cup"`
	SpilledUL int64             `json:"spilled_ul"`
	Spilled   map[string]int64  `json:"spilled"`
	TrayUL    int64             `json:"tray_ul"`
	Master    ValveState        `json:"master"`
	Valves    []ValveState      `json:"valves"` // MASTER among them
	Pulses    map[string]uint64 `json:"pulses"` // sent by each meter
	Slots     []SlotState       `json:"slots"`  // with a cartridge
	Tripped   []string          `json:"tripped"`
	Owners    []hal.Owner       `json:"owners"` // alive now
	Faults    []Fault           `json:"faults"`
	// What follows is there when the rig file has it.
	Agitators  []ValveState     `json:"agitators,omitempty"`
	Sensors    []SensorState    `json:"sensors,omitempty"`
	Carbonator *CarbonatorState `json:"carbonator,omitempty"`
	Nozzle     map[string]int64 `json:"nozzle,omitempty"`    // µL that stick in it, by ingredient
	Unpowered  bool             `json:"unpowered,omitempty"` // the valve supply is off
	Events     []Event          `json:"events"`              // oldest first, the newest 256
}

// Valve returns the state of one valve or agitator; false when there is none.
func (s State) Valve(id string) (ValveState, bool) {
	for _, list := range [][]ValveState{s.Valves, s.Agitators} {
		for _, v := range list {
			if v.ID == id {
				return v, true
			}
		}
	}
	return ValveState{}, false
}

// Valve observes one valve or agitator now; false when there is none. Who asks often takes it: State copies the whole plant.
func (p *Plant) Valve(id string) (ValveState, bool) {
	p.lock()
	defer p.mu.Unlock()
	for i := range p.valves {
		if p.valves[i].part.ID == id {
			return p.valves[i].state(), true
		}
	}
	return ValveState{}, false
}

// State observes the whole plant now.
func (p *Plant) State() State {
	now := p.lock()
	defer p.mu.Unlock()
	return p.state(now)
}

func (p *Plant) state(now time.Duration) State {
	s := State{
		NowNS: int64(now), Seed: p.cfg.Seed,
		Cup: CupState{
			Present: p.cup.present, CapacityUL: round(p.cup.capacity), TotalUL: round(p.cup.total), Parts: p.volumes(p.cup.parts),
		},
		SpilledUL: round(p.cup.spilledTotal), Spilled: p.volumes(p.cup.spilled), TrayUL: round(p.cup.tray),
		Pulses: map[string]uint64{}, Slots: []SlotState{}, Tripped: []string{}, Owners: []hal.Owner{}, Faults: []Fault{}, Events: p.events.list(),
	}
	for i := range p.valves {
		if i < p.flowing {
			s.Valves = append(s.Valves, p.valves[i].state())
		} else {
			s.Agitators = append(s.Agitators, p.valves[i].state())
		}
	}
	s.Master = s.Valves[p.master]
	for i := range p.meters {
		s.Pulses[p.meters[i].part.ID] = p.meters[i].pulses
	}
	for i := range p.slots {
		if sl := &p.slots[i]; sl.present {
			s.Slots = append(s.Slots, p.slotState(sl))
		}
	}
	p.extras(&s)
	for i := range p.locks {
		if p.locks[i].raw {
			s.Tripped = append(s.Tripped, p.locks[i].signal.String())
		}
	}
	for _, name := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
		if o := p.owners[name]; o != nil && o.alive {
			s.Owners = append(s.Owners, name)
		}
	}
	for _, k := range p.lasting() {
		s.Faults = append(s.Faults, p.faults[k].Fault)
	}
	return s
}

func (p *Plant) slotState(sl *slot) SlotState {
	out := SlotState{Slot: sl.id, Ingredient: p.ingredients.names[sl.ingredient], LevelUL: round(sl.level), Strokes: p.pumps[sl.pump].delivered}
	for _, x := range sl.line {
		l := LineState{UL: round(x.ul)}
		if x.ingredient != air {
			l.Ingredient = p.ingredients.names[x.ingredient]
		}
		out.Line = append(out.Line, l)
	}
	if sl.settles {
		out.Stirred = math.Round(sl.stirred*1000) / 1000
	}
	return out
}

// lineIngredient is the number behind a LineState's name.
func (p *Plant) lineIngredient(name string) int {
	if name == "" {
		return air
	}
	return p.ingredient(name)
}

// extras adds what only some rig files have.
func (p *Plant) extras(s *State) {
	s.Unpowered = !p.valvePower
	p.cup.froth(max(time.Duration(s.NowNS), p.cup.foamAt), 0, 0)
	s.Cup.FoamUL = round(p.cup.foam)
	for i := range p.sensors {
		x := &p.sensors[i]
		r := x.got.now(time.Duration(s.NowNS), x.every)
		s.Sensors = append(s.Sensors, SensorState{ID: x.part.ID, Role: x.part.Role, True: tenth(p.truth(x.part.Role)), Says: tenth(r.Value), Why: r.Why})
	}
	if c := p.carb; c != nil {
		s.Carbonator = &CarbonatorState{LevelUL: round(c.level), Filling: c.filling}
	}
	if p.cup.film.volume > 0 {
		s.Cup.CarryOver, s.Nozzle = p.volumes(p.cup.film.carried()), p.volumes(p.cup.film.held())
	}
	for i := range p.slots {
		sl := &p.slots[i]
		if ul := p.cup.parts[sl.ingredient]; sl.settles && ul > 0 {
			if s.Cup.Strength == nil {
				s.Cup.Strength = map[string]float64{}
			}
			s.Cup.Strength[p.ingredients.names[sl.ingredient]] = math.Round(p.cup.solids[sl.ingredient]/ul*1000) / 1000
		}
	}
}

func tenth(x float64) float64 { return math.Round(x*10) / 10 }

func (v *valve) state() ValveState {
	return ValveState{
		ID: v.part.ID, Commanded: v.commanded, Open: v.pos > 0, Opening: math.Round(v.pos*1000) / 1000, FlowULs: round(v.flow), SuppliedUL: round(v.supplied),
		CommandedOpenNS: int64(v.commandedOpenAt), CommandedShutNS: int64(v.commandedShutAt), OpenedNS: int64(v.openedAt), ShutNS: int64(v.shutAt),
	}
}

func round(x float64) int64 { return int64(math.Round(x)) }

// Changes is a number that grows whenever State changes in anything but its time.
func (p *Plant) Changes() uint64 {
	p.lock()
	defer p.mu.Unlock()
	return p.changes
}
