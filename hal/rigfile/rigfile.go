// Package rigfile reads the wiring of one machine: chips, valves, pumps, meters, interlocks, cartridge slots, and the
// physics its simulated twin has.
//
//	rig.yaml ──Load/Parse──► Rig (checked, never changed) ──Parts──► []hal.Part
//	                          └──► hal/linux (chips and lines) │ hal/sim (the sim section)
//
// A rig file comes from the unit's own storage, never from the cloud. Everything is checked at load, and all problems are
// told at once with file, line, key path and remedy: unknown keys and chips; a line, address, channel or reader used twice
// (a line given once by number and once by name is found out when the chip is opened); a valve without owner, polarity or
// max_open; a meter, a stroke sensor, a safety input, MASTER or the
// heartbeat behind an expander; anything that is
// not its owner's; a sensor without its plausible range; a supply that cannot open MASTER and a valve.
//
// Schema is the same for editors, as far as a schema can tell. The package imports hal, internal/problem and the YAML
// parser; it holds no state.
package rigfile

import (
	"time"

	"fountain/hal"
)

// Rig is one machine as its rig file describes it.
type Rig struct {
	Path       string // where it was read from, for messages
	Board      Board
	Chips      []Chip
	Valves     []Valve // key "outputs"
	Pumps      []Pump
	Meters     []Meter
	Interlocks []Interlock
	Slots      []Slot
	Sensors    []Sensor
	Agitators  []Agitator
	Heartbeat  *Heartbeat // nil: the board has no one-shot
	Sim        Sim

	parts []hal.Part
}

// Board names the hardware and what its firmware must have set.
type Board struct {
	Model   string
	Expects []string // firmware settings the HAL verifies at start, e.g. strict_gpiod
	// SupplyMA is what the valve supply delivers, mA; 0 = not given, no budget is kept.
	SupplyMA int64
	Watchdog *Watchdog // nil: the board has none
}

// ExpectStrictGPIO under board.expects: the kernel lets go of the lines of a process that died.
const ExpectStrictGPIO = "strict_gpiod"

// Watchdog is the kernel's watchdog device; the guard holds it.
type Watchdog struct {
	Path    string        // e.g. /dev/watchdog0
	Timeout time.Duration // set at open; the machine resets that long after the last feed
}

// Heartbeat is the line the guard toggles for the board's one-shot, which holds the valve supply while it sees edges.
type Heartbeat struct {
	Line  Line
	Every time.Duration // between two edges
}

// Kinds of chips.
const (
	ChipGPIO     = "gpiochip" // lines of the SoC, found by label
	ChipMCP23017 = "mcp23017" // I²C expander, 16 lines
	ChipTCA9535  = "tca9535"  // I²C expander, 16 lines
	ChipPCA9685  = "pca9685"  // I²C PWM driver, 16 lines
	ChipDoser    = "doser"    // I²C stroke-counting pump driver, 16 pumps
	ChipADS1115  = "ads1115"  // I²C ADC, 4 channels
	ChipPN532    = "pn532"    // I²C tag reader
)

// Chip is where lines come from.
type Chip struct {
	ID    string
	Kind  string
	Label string // gpiochip: its label (numbers move between kernels)
	Bus   int    // I²C chips
	Addr  int    // I²C chips, 7 bit
	// Reset drives the chip's RESET or OE: an expander keeps its outputs when its owner dies. Optional.
	Reset *Line
}

// Line is one pin of a chip.
type Line struct {
	Chip       string
	Line       int
	Name       string // gpiochip: the line's name in the device tree, instead of Line; then Line is −1
	ActiveHigh bool
}

// Valve is a solenoid valve.
type Valve struct {
	ID      string
	Owner   hal.Owner
	Line    Line
	MaxOpen time.Duration
	Carrier string // ingredient it lets through; empty for MASTER
	QMaxUL  int64  // MASTER: largest flow of the machine, µL/s

	CurrentMA int64
}

// Pump is a dosing pump.
type Pump struct {
	ID       string
	Owner    hal.Owner
	Line     Line
	StrokeUL int64
	MaxRate  float64 // strokes/s
	// Sense is the stroke sensor's input (gpiochip only): one edge a stroke. A doser confirms strokes itself; without
	// either, strokes given out count as delivered and Health says that they are not confirmed.
	Sense     *Line
	CurrentMA int64
}

// Meter is a pulsing flow meter.
type Meter struct {
	ID             string
	Owner          hal.Owner
	Line           Line
	PulsesPerLitre float64
	Serves         []string
	Debounce       time.Duration // below half the shortest period; 0 = none
}

// Interlock is one safety input.
type Interlock struct {
	ID       string
	Owner    hal.Owner
	Signal   hal.Interlocks // the one bit it drives
	Line     Line
	SafeHigh bool // level of the line when all is well
	Debounce time.Duration
}

// Slot is a cartridge slot.
type Slot struct {
	ID     string
	Pump   string
	Reader string // chip of kind pn532; empty: the technician registers the cartridge
}

// Agitator is a motor that moves cartridges so that their contents do not settle.
type Agitator struct {
	ID        string
	Owner     hal.Owner
	Line      Line
	MaxOpen   time.Duration
	Slots     []string
	Every     time.Duration // between two runs
	For       time.Duration // of a run
	CurrentMA int64
}

// Kinds of sensors.
const (
	SensorFile = "file" // a kernel file with one number: w1_therm, IIO, hwmon
	SensorADC  = "adc"  // a channel of an ads1115
)

// Sensor is a slow reading. Value = raw × Scale + Offset in the unit of its role.
type Sensor struct {
	ID       string
	Role     hal.Role
	Kind     string
	Path     string // file: may hold * patterns
	Chip     string // adc
	Channel  int    // adc, 0 to 3, raw in mV
	Scale    float64
	Offset   float64
	Min, Max float64       // plausible range; outside it the reading is Bad
	Every    time.Duration // poll period; default 1 s
}

// Values of Sim.OnOwnerDeath.
const (
	DeathHold    = "hold"    // lines keep their level: Raspberry Pi OS without strict_gpiod, every I²C expander
	DeathRelease = "release" // the kernel lets go of the lines and pull-downs shut the valves
)

// Sim is the physics of the simulated machine. Whatever is zero is drawn from the plant's seed within the range that
// real parts have (spec/hal.md 5).
type Sim struct {
	OnOwnerDeath string // hold (default) or release
	Supply       SimSupply
	Valves       []SimValve
	Meters       []SimMeter
	Pumps        SimPumps
	Cup          SimCup
	TrayUL       int64 // drip tray; TrayFull trips at 80 %, beyond 100 % it floods and trips Leak

	// What follows is off unless the file gives it.
	Carbonator *SimCarbonator // nil: sparkling water never runs short
	Cooling    *SimCooling    // nil: the water stays at 3 °C and the cabinet at 5 °C
	Lines      SimLines
	Nozzle     SimNozzle
	Settle     time.Duration // time constant with which what an agitator should move settles; 0: never
	// EStopCutsSupply wires the emergency stop into the valve supply, as a real board has it.
	EStopCutsSupply bool
	// HeartbeatHold is how long the board's one-shot holds the valve supply after an edge; 0: it is bridged.
	HeartbeatHold time.Duration
	Faults        []SimFault
}

// SimCarbonator makes the sparkling water of the valves that carry one.
type SimCarbonator struct {
	CapacityUL int64 // default 2,000,000
	RefillAtUL int64 // level at which it starts to refill; default half
	RefillULS  int64 // µL/s while it refills; default 30,000
}

// SimCooling is the water bath and the cabinet.
type SimCooling struct {
	WaterC    float64 // the thermostat's middle; default 3
	CabinetC  float64 // default 5
	AmbientC  float64 // of the room and of the water that comes in; default 22
	BathUL    int64   // chilled water; default 10,000,000
	CoolWatts float64 // of the cooling; default 600
}

// SimLines are the lines between the pumps and the nozzle.
type SimLines struct {
	VolumeUL int64 // of each; 0: a stroke leaves the nozzle at once
	AirUL    int64 // that a change of cartridges lets in; default a quarter of the volume
}

// SimNozzle is the nozzle every drink passes.
type SimNozzle struct {
	FilmUL int64 // what stays at its walls and is washed out by the next drink; 0: none
}

// SimFault is a fault of the simulated machine from a time on (hal/sim lists the kinds and what their amounts mean).
type SimFault struct {
	Kind   string
	Part   string
	With   string        // swapped wiring: the other part; wrong cartridge: what is in it
	Amount float64       // 0: the kind's default
	At     time.Duration // after the plant's start
	For    time.Duration // 0: for good
}

// SimSupply is the water line. Fractions are of the nominal pressure.
type SimSupply struct {
	Drift  float64 // standard deviation of the slow drift; default 0.05
	Ripple float64 // standard deviation of the ripple within a pour; default 0.01
	Sag    float64 // pressure lost per further valve open at the same time; default 0.12
}

// SimValve is how one valve behaves.
type SimValve struct {
	ID       string
	FlowUL   int64         // µL/s wide open at nominal pressure; drawn from 45,000-90,000
	OpenLag  time.Duration // drawn from 15-60 ms
	CloseLag time.Duration // drawn from 15-60 ms
	Jitter   time.Duration // standard deviation of both lags; default 4 ms
}

// SimMeter is how one meter deviates from its name plate.
type SimMeter struct {
	ID        string
	GainError float64 // fixed error of this meter, e.g. 0.01; drawn with GainSigma when GainSet is false
	GainSet   bool
	GainSigma float64 // default 0.003: calibrated; 0.01 for a meter out of the box
	MinFlowUL int64   // µL/s below which the wheel stands still; default 1500
}

// SimPumps is how all dosing pumps deviate.
type SimPumps struct {
	Bias   float64 // standard deviation of the fixed error of a pump; default 0.003
	Spread float64 // standard deviation from stroke to stroke; default 0.02
}

// SimCup is the cup that stands under the nozzle when the plant starts.
type SimCup struct {
	Absent     bool
	CapacityUL int64 // default 1,000,000
}

// Parts lists every part in the order of the file.
func (r *Rig) Parts() []hal.Part { return r.parts }
