package alarm

import "fmt"

// Name is one entry of the catalogue.
type Name uint8

// Names, in the order of the catalogue.
const (
	none Name = iota

	// Safety inputs.
	EStop
	Leak
	DoorOpen
	TrayFull
	InterlockUnreadable
	NoWater

	// Control.
	GuardGone
	RigLost
	LoopLate
	LoopGap
	WatchdogOff
	LinesKeepLevel
	RinseFirst

	// Flow.
	GhostFlow
	Weep
	StuckOpen
	WrongWay
	OverFlow
	NoFlow
	MeterDead
	MeterUncertain
	ValveWearing
	MeterNoise
	AirInLine
	OutputFault
	StrokesUnconfirmed
	CalibrationMissing
	CalibrationExpired

	// Water, gas and cold.
	WaterWarm
	WaterTooWarm
	WaterFreezing
	CabinetTemperature
	WaterPressureLow
	WaterPressureHigh
	CO2Low
	CO2Out
	CarbonatorNotReady
	SensorBad

	// Cartridges.
	CartridgeEmpty
	CartridgeLow
	CartridgeAbsent
	CartridgeWrong
	CartridgeForeign
	CartridgeExpired
	CartridgeExpiring
	ExpiryUnsure
	CartridgeUnreadable
	CartridgeUnverified
	CartridgeRefilled

	// Electronics.
	ChipGone
	PartGone
	BusSlow
	ExpanderReset
	PartFault

	// Care.
	CleanDue
	CleanOverdue
	CleanUnfinished
	BrixDue
	RigCheckMissing

	// Records.
	StoreFailing
	JournalStuck
	StoreFull
	StoreCritical
	StoreNoRoom
	StoreDamaged
	IntentDamaged
	ClockUntrusted
	ConfigRefused

	// Cloud.
	NotProvisioned
	Decommissioned
	ThingDiffers
	CloudOffline
	LedgerAhead
	RecordRefused
	RecordHangup
	BeverageRecalled
	IngredientRecalled

	names // how many there are
)

// Names lists the catalogue in its order.
func Names() []Name {
	out := make([]Name, 0, names-1)
	for n := none + 1; n < names; n++ {
		out = append(out, n)
	}
	return out
}

// Parse finds a name as the API writes it.
func Parse(s string) (Name, bool) {
	for _, n := range Names() {
		if catalogue[n].ID == s {
			return n, true
		}
	}
	return none, false
}

// RaisedBy lists the names that one file or package raises, as Definition.By names it.
func RaisedBy(by string) []Name {
	var out []Name
	for _, n := range Names() {
		if catalogue[n].By == by {
			out = append(out, n)
		}
	}
	return out
}

// Remedy is the catalogue's, for one scope.
func (n Name) Remedy(scope string) string { return fill(n.Definition().Remedy, scope) }

// String is the name as the API, logs and metrics write it.
func (n Name) String() string { return n.Definition().ID }

// Definition is the name's entry. It panics for what is no constant of this package.
func (n Name) Definition() Definition {
	if n == none || n >= names {
		panic(fmt.Sprintf("alarm name %d is not in the catalogue", uint8(n)))
	}
	return catalogue[n]
}

// ScopeKind is what the scope of an alarm names.
type ScopeKind string

// Kinds of scopes. Any alarm may stand for the whole unit instead, when nothing smaller can be told.
const (
	OfUnit       ScopeKind = "unit"
	OfLine       ScopeKind = "line"       // a valve, meter or pump of the rig file
	OfSlot       ScopeKind = "slot"       // a cartridge slot
	OfBeverage   ScopeKind = "beverage"   // a beverage of the catalogue
	OfIngredient ScopeKind = "ingredient" // an ingredient of the catalogue
	OfPart       ScopeKind = "part"       // a chip or sensor of the rig file
	OfFile       ScopeKind = "file"       // a file or record of the store
)

// Ending is what ends an alarm.
type Ending string

// Endings.
const (
	Itself Ending = "itself" // the unit sees that the cause is gone
	Proof  Ending = "proof"  // a service operation that measured it
	Person Ending = "person" // someone who has mended it says so, with POST /v1/service/alarms/clear
)

// Definition is one entry of the catalogue. {scope} in the words stands for the scope's id.
type Definition struct {
	ID       string // as the API, logs and metrics write it
	Severity Severity
	Scope    ScopeKind
	Code     string // Blocks: why its scope does not pour, in Snapshot.Blocked or Snapshot.Reason
	Cause    string // one plain sentence, for anybody
	Remedy   string // what to do
	Evidence string // what is shown with it
	Raised   string // when
	Cleared  string // when
	Ends     Ending
	By       string // the package, or the file of package agent, that raises it
}
