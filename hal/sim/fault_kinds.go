package sim

import (
	"slices"
	"time"

	"fountain/hal"
)

// FaultKind is something that goes wrong, or a person does, to the machine.
type FaultKind string

// Kinds of faults. Faults says of each what it strikes, what it does and what its numbers mean.
const (
	SupplyCut  FaultKind = "supply-cut"
	SupplySag  FaultKind = "supply-sag"
	SupplyRamp FaultKind = "supply-ramp"
	AirSlugs   FaultKind = "air-slugs"

	StuckOpen     FaultKind = "stuck-open"
	StuckShut     FaultKind = "stuck-shut"
	HalfFlow      FaultKind = "half-flow"
	SlowClose     FaultKind = "slow-close"
	Weep          FaultKind = "weep"
	ValvesSwapped FaultKind = "valves-swapped"

	MeterDead     FaultKind = "meter-dead"
	MeterDrift    FaultKind = "meter-drift"
	PhantomPulses FaultKind = "phantom-pulses"
	MissedPulses  FaultKind = "missed-pulses"
	Coasting      FaultKind = "coasting"
	LostPulses    FaultKind = "lost-pulses"
	MetersSwapped FaultKind = "meters-swapped"

	StrokeLoss   FaultKind = "stroke-loss"
	StrokeUnseen FaultKind = "stroke-unseen"
	LineAir      FaultKind = "line-air"

	CartridgeEmpty      FaultKind = "cartridge-empty"
	CartridgeGone       FaultKind = "cartridge-gone"
	CartridgeForeign    FaultKind = "cartridge-foreign"
	CartridgeExpired    FaultKind = "cartridge-expired"
	CartridgeWrong      FaultKind = "cartridge-wrong"
	CartridgeUnreadable FaultKind = "cartridge-unreadable"

	CarbonatorFault FaultKind = "carbonator-fault"
	CO2Out          FaultKind = "co2-out"

	WaterWarm    FaultKind = "water-warm"
	CabinetWarm  FaultKind = "cabinet-warm"
	SensorOpen   FaultKind = "sensor-open"
	SensorShort  FaultKind = "sensor-short"
	SensorFrozen FaultKind = "sensor-frozen"
	SensorFalse  FaultKind = "sensor-false"

	EStopPressed FaultKind = "e-stop"
	LeakSeen     FaultKind = "leak"
	DoorOpen     FaultKind = "door"
	TrayFull     FaultKind = "tray-full"
	CupRemoved   FaultKind = "cup-removed"
	InputChatter FaultKind = "input-chatter"
	InputStuck   FaultKind = "input-stuck"

	ChipGone    FaultKind = "chip-gone"
	BusStuck    FaultKind = "bus-stuck"
	ChipSlow    FaultKind = "chip-slow"
	ChipReset   FaultKind = "chip-reset"
	LineBusy    FaultKind = "line-busy"
	ChipMissing FaultKind = "chip-missing"

	RigStall      FaultKind = "rig-stall"
	ValvePowerCut FaultKind = "valve-power-cut"
	PowerCut      FaultKind = "power-cut"
)

// Kinds of parts a fault strikes, beside those of package hal.
const (
	PartMachine hal.Kind = ""      // the whole machine: a fault names no part
	PartChip    hal.Kind = "chip"  // a chip of the rig file
	PartOwner   hal.Kind = "owner" // guard or agent
)

// Param is a number or a name a fault can be given.
type Param struct {
	Name    string  `json:"name"` // amount, with or for_ns
	What    string  `json:"what"`
	Unit    string  `json:"unit,omitempty"`
	Default float64 `json:"default,omitempty"`
	Min     float64 `json:"min,omitempty"`
	Max     float64 `json:"max,omitempty"`
}

// FaultInfo describes one kind of fault, for the panel, for documents and for tables of tests.
type FaultInfo struct {
	Kind   FaultKind `json:"kind"`
	Group  string    `json:"group"`
	Part   hal.Kind  `json:"part"` // what it strikes
	What   string    `json:"what"` // one line: what is so while it lasts
	Params []Param   `json:"params,omitempty"`
}

// Amount is the fault's number; false when it takes none.
func (f FaultInfo) Amount() (Param, bool) { return f.param("amount") }

// With is the name the fault needs; false when it needs none.
func (f FaultInfo) With() (Param, bool) { return f.param("with") }

func (f FaultInfo) param(name string) (Param, bool) {
	i := slices.IndexFunc(f.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return Param{}, false
	}
	return f.Params[i], true
}

func amount(what, unit string, def, low, high float64) []Param {
	return []Param{{Name: "amount", What: what, Unit: unit, Default: def, Min: low, Max: high}}
}

func with(what string) []Param { return []Param{{Name: "with", What: what}} }

// Groups of faults, in the order of the panel.
const (
	groupWater     = "Water"
	groupValves    = "Valves"
	groupMeters    = "Flow meters"
	groupDosing    = "Dosing"
	groupCartridge = "Cartridges"
	groupGas       = "Carbonation"
	groupSensors   = "Temperatures and sensors"
	groupInputs    = "Inputs and people"
	groupBoard     = "Electronics"
	groupPower     = "Power and host"
)

var faultInfos = []FaultInfo{
	{SupplyCut, groupWater, PartMachine, "no water comes in", nil},
	{SupplySag, groupWater, PartMachine, "the supply has only a share of its pressure", amount("share left", "", 0.5, 0.02, 1)},
	{SupplyRamp, groupWater, PartMachine, "the supply loses pressure steadily, down to nothing", amount("share lost in a minute", "", 0.5, 0.01, 60)},
	{AirSlugs, groupWater, hal.KindValve, "air comes with the water: the meter spins two to five times too fast and unevenly, little water passes", amount("air in all; 0: it does not end", "ml", 0, 0, 100_000)},

	{StuckOpen, groupValves, hal.KindValve, "the armature stays open, or opens", nil},
	{StuckShut, groupValves, hal.KindValve, "the armature stays shut, or shuts", nil},
	{HalfFlow, groupValves, hal.KindValve, "a clogged strainer lets only a share through", amount("share that passes", "", 0.5, 0.01, 1)},
	{SlowClose, groupValves, hal.KindValve, "every closing takes longer than the one before", amount("more at every closing", "ms", 5, 0.1, 1000)},
	{Weep, groupValves, hal.KindValve, "the shut valve drips; below the meter's smallest flow nobody counts it", amount("drip", "ml/h", 60, 0.1, 100_000)},
	{ValvesSwapped, groupValves, hal.KindValve, "its wires and those of another valve are exchanged", with("the other valve")},

	{MeterDead, groupMeters, hal.KindMeter, "sends no pulses whatever flows", nil},
	{MeterDrift, groupMeters, hal.KindMeter, "its gain changes with every litre, by at most a half", amount("change a litre, of 1", "", 0.02, -0.5, 0.5)},
	{PhantomPulses, groupMeters, hal.KindMeter, "interference makes bursts of pulses without water", amount("pulses in a burst, one burst in about two seconds", "", 20, 1, 2000)},
	{MissedPulses, groupMeters, hal.KindMeter, "a share of the pulses is not sent", amount("share missed", "", 0.1, 0.001, 1)},
	{Coasting, groupMeters, hal.KindMeter, "the wheel runs on after the water has stopped", amount("time constant of its slowing", "ms", 100, 10, 10_000)},
	{LostPulses, groupMeters, hal.KindMeter, "nobody empties the event buffer while it lasts; what did not fit is counted as lost when it ends", amount("pulses the buffer holds", "", 16, 1, 100_000)},
	{MetersSwapped, groupMeters, hal.KindMeter, "its wire and that of another meter are exchanged", with("the other meter")},

	{StrokeLoss, groupDosing, hal.KindPump, "a share of the strokes moves nothing and is not confirmed", amount("share lost", "", 0.3, 0.001, 1)},
	{StrokeUnseen, groupDosing, hal.KindPump, "strokes move liquid but the stroke sensor misses a share", amount("share unseen", "", 1, 0.001, 1)},
	{LineAir, groupDosing, hal.KindSlot, "air in the line: confirmed strokes deliver it before any liquid", amount("air", "ml", 2, 0.01, 1000)},

	{CartridgeEmpty, groupCartridge, hal.KindSlot, "what is left vanishes but for the amount; ending it does not refill", amount("left", "ml", 0, 0, 100_000)},
	{CartridgeGone, groupCartridge, hal.KindSlot, "pulled out; ending it puts the same one back", nil},
	{CartridgeForeign, groupCartridge, hal.KindSlot, "a cartridge that is not ours sits in the slot, with unknown contents", nil},
	{CartridgeExpired, groupCartridge, hal.KindSlot, "its tag says that it expired yesterday", nil},
	{CartridgeWrong, groupCartridge, hal.KindSlot, "another of our cartridges sits in the slot", with("the ingredient in it")},
	{CartridgeUnreadable, groupCartridge, hal.KindSlot, "its tag cannot be read", nil},

	{CarbonatorFault, groupGas, PartMachine, "the carbonator does not get ready: it stays low and refills no more", nil},
	{CO2Out, groupGas, PartMachine, "the CO2 bottle is empty: the pressure falls within seconds", nil},

	{WaterWarm, groupSensors, PartMachine, "the chilled water is warm", amount("temperature", "°C", 12, -5, 60)},
	{CabinetWarm, groupSensors, PartMachine, "the cabinet is warm", amount("temperature", "°C", 18, -5, 60)},
	{SensorOpen, groupSensors, hal.KindSensor, "its wire is broken: the reading is bad", nil},
	{SensorShort, groupSensors, hal.KindSensor, "its wires touch: the reading is bad", nil},
	{SensorFrozen, groupSensors, hal.KindSensor, "says the same value again and again, as if it were well", nil},
	{SensorFalse, groupSensors, hal.KindSensor, "says a false value, as if it were well", amount("what it says, in its unit", "", 20, -1000, 10_000)},

	{EStopPressed, groupInputs, PartMachine, "the emergency stop is pressed", nil},
	{DoorOpen, groupInputs, PartMachine, "the service door is open", nil},
	{CupRemoved, groupInputs, PartMachine, "the cup is away; ending it puts the same one back", nil},
	{TrayFull, groupInputs, PartMachine, "the drip tray is full", nil},
	{LeakSeen, groupInputs, PartMachine, "the leak sensor is wet", nil},
	{InputChatter, groupInputs, hal.KindInterlock, "the contact bounces without end", amount("time in each state", "ms", 3, 1, 10_000)},
	{InputStuck, groupInputs, hal.KindInterlock, "the contact stays as it is, whatever happens", nil},

	{ChipGone, groupBoard, PartChip, "does not answer", nil},
	{BusStuck, groupBoard, PartChip, "its I²C bus is held low: no chip on it answers", nil},
	{ChipSlow, groupBoard, PartChip, "answers late: what is written and read through it is that old", amount("delay", "ms", 50, 1, 1000)},
	{ChipReset, groupBoard, PartChip, "loses its settings: its outputs fall and its strokes are forgotten, again and again if a period is given", amount("period; 0: once", "ms", 0, 0, 60_000)},
	{LineBusy, groupBoard, PartOwner, "another process holds a line of this owner: its next open is refused", nil},
	{ChipMissing, groupBoard, PartChip, "is not there when the next owner opens its lines", nil},

	{RigStall, groupPower, PartOwner, "the hardware's answers stand still for this owner: counts, strokes, inputs and sensors are as old as the stall", nil},
	{ValvePowerCut, groupPower, PartMachine, "the valve supply is off: coils drop out, lines stay commanded", nil},
	{PowerCut, groupPower, PartMachine, "the machine has no power: every output falls, no chip answers, what was counted stays", nil},
}

// Faults lists every kind of fault the plant knows, grouped.
func Faults() []FaultInfo {
	out := slices.Clone(faultInfos)
	for i := range out {
		out[i].Params = append(slices.Clone(out[i].Params), Param{Name: "for_ns", What: "ends by itself after", Unit: "ns"})
	}
	return out
}

// FaultOf describes a kind; false when there is no such kind.
func FaultOf(kind FaultKind) (FaultInfo, bool) {
	list := Faults()
	if i := slices.IndexFunc(list, func(x FaultInfo) bool { return x.Kind == kind }); i >= 0 {
		return list[i], true
	}
	return FaultInfo{}, false
}

// infoOf is FaultOf without what only a reader needs.
func infoOf(kind FaultKind) (FaultInfo, bool) {
	if i := slices.IndexFunc(faultInfos, func(x FaultInfo) bool { return x.Kind == kind }); i >= 0 {
		return faultInfos[i], true
	}
	return FaultInfo{}, false
}

// Fault is one fault at one part. At most one of a kind strikes a part at a time: injecting it again changes its numbers.
type Fault struct {
	Part string    `json:"part,omitempty"`
	Kind FaultKind `json:"kind"`
	// Amount is how much, in the unit of the kind; 0 takes the kind's default.
	Amount float64 `json:"amount,omitempty"`
	With   string  `json:"with,omitempty"`
	// For ends the fault by itself after so long; 0: it stays until it is cleared.
	For time.Duration `json:"for_ns,omitempty"`
}

// faultKey identifies a fault while it lasts.
type faultKey struct {
	kind FaultKind
	part string
}

func (f Fault) key() faultKey { return faultKey{f.Kind, f.Part} }
