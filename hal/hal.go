// Package hal is the contract between the dispenser's control code and its hardware.
//
//	agent/machine, agent/guard ──► hal ◄── hal/sim (plant in process, or fountain-plant over a socket)
//	                                  ◄── hal/linux (GPIO character device, I²C)
//
// Rules (DESIGN 3, spec/hal.md 7): no method reads an output line back; every open carries a dead-man time that the
// implementation enforces itself; an error of an interlock read means unsafe; raw counts stay here, millilitres and
// recipes in agent. Rig.Safe may be called from any goroutine; every other method belongs to one control loop.
// Calls made from the control loop return within 1 ms and do not allocate.
package hal

import (
	"context"
	"errors"
	"time"
)

// Errors every implementation returns.
var (
	ErrUnknownPart = errors.New("no such part in the rig file")
	ErrNotOwner    = errors.New("line belongs to another owner")
	ErrBusy        = errors.New("line is already held by another process")
	ErrClosed      = errors.New("rig is closed")
	ErrGone        = errors.New("hardware does not answer")
	ErrNoTag       = errors.New("no cartridge in the slot")
	ErrForeign     = errors.New("cartridge is not ours")
	ErrUnreadable  = errors.New("the cartridge's tag cannot be read")
	ErrNoReader    = errors.New("the slot has no tag reader")
)

// Owner says which process may open a line.
type Owner string

// Owners of lines.
const (
	OwnerGuard Owner = "guard"
	OwnerAgent Owner = "agent"
)

// Pacer is the control loop's clock: package time in the simulator (virtual under testing/synctest),
// clock_nanosleep on a locked thread on Linux. Durations count from an arbitrary start and never go back
// (CLOCK_MONOTONIC in hal/linux).
type Pacer interface {
	Now() time.Duration
	SleepUntil(t time.Duration)
}

// Kind is what a part is.
type Kind string

// Kinds of parts.
const (
	KindValve     Kind = "valve"
	KindPump      Kind = "dosing-pump"
	KindMeter     Kind = "flow-meter"
	KindInterlock Kind = "interlock"
	KindSlot      Kind = "cartridge-slot"
	KindSensor    Kind = "sensor"
	KindAgitator  Kind = "agitator"
)

// Role is what a sensor measures, and in which unit.
type Role string

// Roles of sensors.
const (
	RoleWaterTemp     Role = "water-temp"     // °C, of the chilled water
	RoleCabinetTemp   Role = "cabinet-temp"   // °C, where the cartridges are
	RoleWaterPressure Role = "water-pressure" // kPa, of the supply
	RoleCO2Pressure   Role = "co2-pressure"   // kPa, behind the regulator
)

// Part describes one part of the rig as its rig file does. Fields that do not apply to the kind are zero.
type Part struct {
	ID             string
	Kind           Kind
	Owner          Owner
	MaxOpen        time.Duration // valve, agitator: dead-man time
	PulsesPerLitre float64       // meter
	Serves         []string      // meter: ids of the valves whose flow it counts
	Carrier        string        // valve: the carrier ingredient it lets through ("water.still", …); empty for MASTER
	StrokeUL       int64         // pump: nominal volume of one stroke, µL
	StrokeNL       int64         // pump: calibrated volume of one stroke, nL; 0 = nominal. Rigs leave it 0
	MaxRate        float64       // pump: strokes per second
	Pump           string        // cartridge slot: id of its pump
	QMax           int64         // MASTER: largest flow the machine can reach, µL/s (guard's bound without a meter)
	SupplyMA       int64         // MASTER: what the supply of valves, pumps and agitators delivers, mA; 0 = not known
	CurrentMA      int64         // valve, pump, agitator: drawn while driven, mA; 0 = not known
	Role           Role          // sensor
	Slots          []string      // agitator: the cartridge slots it moves
	Every          time.Duration // agitator: between two runs; 0 = it has no schedule
	For            time.Duration // agitator: of a run
	Signal         Interlocks    // interlock: the input it drives
	Chip           string        // id of the chip its line (slot: its tag reader) is on; empty: none
}

// Master is the id of the master valve in every rig.
const Master = "master"

// Rig is one machine as seen by one owner: it holds only the lines of that owner.
type Rig interface {
	Parts() []Part // all parts of the rig file, in its order
	Outputs() Outputs
	Meter(id string) (FlowMeter, error)
	Pump(id string) (Pump, error)
	Interlocks() InterlockBank
	Slot(id string) (CartridgeSlot, error)
	Sensor(id string) (Sensor, error)
	// Safe shuts every output of this owner and stops its pumps. Idempotent, any goroutine, no allocation.
	Safe(reason error) error
	// Health lists what is wrong with the hardware now; empty when nothing is known to be.
	Health() []Fault
	// Close makes everything safe and releases the lines.
	Close() error
}

// Heart is a Rig that holds the board's heartbeat line (the guard's rig, when the rig file names one). The guard calls Beat
// at every turn of its loop; the line changes at most once per heartbeat period, so that the board's one-shot keeps the
// valve supply on. Nothing else toggles it: a guard that hangs lets the one-shot fall. Without a heartbeat line Beat does
// nothing. It does not block and does not allocate.
type Heart interface{ Beat() error }

// Outputs is the group of valves and agitators of one owner. Bit i of a mask is one of them.
type Outputs interface {
	// Apply sets the outputs in mask to bits in one write and leaves the others alone. Opening an open valve again
	// renews its dead-man time.
	Apply(mask, bits uint64) error
	// Commanded is what was last applied (and not since shut by the dead-man or Safe); never read from a line.
	Commanded() uint64
	// Bit returns the mask of one valve or agitator, or ErrUnknownPart, or ErrNotOwner.
	Bit(id string) (uint64, error)
}

// Count is the state of a flow meter. Last and Period are on the Pacer's clock.
type Count struct {
	Pulses uint64
	Lost   uint64        // pulses known to have been missed; Pulses already includes them
	Last   time.Duration // time of the newest pulse; 0 = none yet
	Period time.Duration // time between the two newest pulses; 0 = unknown
}

// FlowMeter counts pulses. Counters only grow; they are polled.
type FlowMeter interface{ Count() Count }

// Pump doses by strokes.
type Pump interface {
	// Dose queues strokes more strokes, at most one every `every` (0 = as fast as MaxRate allows). A call while strokes
	// are queued adds to them.
	Dose(strokes int, every time.Duration) error
	// Delivered counts the strokes the stroke sensor has confirmed since the rig was opened.
	Delivered() uint64
	// Stop drops queued strokes. The stroke under way completes.
	Stop() error
}

// Interlocks is a debounced reading of the safety inputs. A bit set means tripped (unsafe).
type Interlocks uint16

// Safety inputs.
const (
	EStop       Interlocks = 1 << iota // emergency stop pressed (guard's line)
	Leak                               // water in the base tray (guard's line)
	Door                               // service door open
	TrayFull                           // drip tray full: no new pours
	NoCup                              // no cup under the nozzle
	NoWater                            // the supply's pressure switch: no water (no new pours)
	NoCO2                              // the CO2 pressure switch: no gas (nothing sparkling)
	Carbonating                        // the carbonator fills: nothing sparkling for now
)

// Readiness are the inputs that are no danger: they keep a pour from starting, and end none.
const Readiness = TrayFull | NoWater | NoCO2 | Carbonating

// String names the inputs that are tripped, comma separated; "none" when all is well.
func (i Interlocks) String() string {
	names := [...]string{"e-stop", "leak", "door", "tray-full", "no-cup", "no-water", "no-co2", "carbonating"}
	s := ""
	for b, n := range names {
		if i&(1<<b) != 0 {
			if s != "" {
				s += ","
			}
			s += n
		}
	}
	if s == "" {
		return "none"
	}
	return s
}

// InterlockBank reads the safety inputs of this owner. An error means: treat all as tripped.
type InterlockBank interface {
	Now() (Interlocks, error)
}

// Quality says how far a reading can be trusted.
type Quality uint8

// Qualities.
const (
	Good  Quality = iota
	Stale         // older than three polls: the value was good once
	Bad           // open, short, out of its plausible range, or never read
)

// Reading is the newest value of a sensor.
type Reading struct {
	Value   float64       // in the unit of the sensor's role
	At      time.Duration // on the Pacer's clock; 0 = never
	Quality Quality
	Why     string // when Quality is not Good
}

// Sensor is polled by the implementation on a goroutine of its own, because a kernel file may block for a second; Read
// returns what it found last, at once and without allocating.
type Sensor interface{ Read() Reading }

// Tag is what a cartridge says about itself.
type Tag struct {
	ID         string // unique per cartridge
	Ingredient string
	VolumeUL   int64 // volume left, µL, as far as the tag knows
	Expires    time.Time
	Lot        string // production lot, for recalls; may be empty
}

// CartridgeSlot is a place for a cartridge. Tag may block; it is never called from the control loop. Errors: ErrNoTag,
// ErrForeign (a tag that is no cartridge of ours), ErrUnreadable, ErrNoReader, ErrGone.
type CartridgeSlot interface {
	Tag(ctx context.Context) (Tag, error)
}

// FaultKind is what is wrong with a part, for alarms.
type FaultKind string

// Kinds of faults; the zero value is none of them.
const (
	FaultGone        FaultKind = "gone"        // does not answer: whatever is on it does not work
	FaultSlow        FaultKind = "slow"        // answers, but late or only when asked again
	FaultReset       FaultKind = "reset"       // lost its settings since it was set up; was set up again
	FaultUnconfirmed FaultKind = "unconfirmed" // pump: strokes given out are not confirmed by a sensor
	FaultKeepsLevel  FaultKind = "keeps-level" // lines keep their level when their owner dies
	FaultLost        FaultKind = "lost"        // meter: pulses were missed
)

// Fault is something known to be wrong with one part or chip.
type Fault struct {
	Part string
	What string
	Kind FaultKind
}
