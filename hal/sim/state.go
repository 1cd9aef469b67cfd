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
}

// SlotState is one cartridge slot.
type SlotState struct {
	Slot       string `json:"slot"`
	Ingredient string `json:"ingredient"`
	LevelUL    int64  `json:"level_ul"`
	Strokes    uint64 `json:"strokes"` // confirmed since the start
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
	Events    []Event           `json:"events"` // oldest first, the newest 256
}

// Valve returns the state of one valve; false when there is none.
func (s State) Valve(id string) (ValveState, bool) {
	for _, v := range s.Valves {
		if v.ID == id {
			return v, true
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
		s.Valves = append(s.Valves, p.valves[i].state())
	}
	s.Master = s.Valves[p.master]
	for i := range p.meters {
		s.Pulses[p.meters[i].part.ID] = p.meters[i].pulses
	}
	for i := range p.slots {
		if sl := &p.slots[i]; sl.present {
			s.Slots = append(s.Slots, SlotState{
				Slot: sl.id, Ingredient: p.ingredients.names[sl.ingredient], LevelUL: round(sl.level), Strokes: p.pumps[sl.pump].delivered,
			})
		}
	}
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
	for f := range p.faults {
		s.Faults = append(s.Faults, f)
	}
	slices.SortFunc(s.Faults, func(a, b Fault) int {
		if a.Kind != b.Kind {
			return compare(string(a.Kind), string(b.Kind))
		}
		return compare(a.Part, b.Part)
	})
	return s
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

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
