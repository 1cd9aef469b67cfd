package wire

// Limits of a unit's report.
const (
	MaxUnitReport = 4 * 1024 // bytes
	MaxUnitAlarms = 10
)

// UnitReportV is the version of UnitReport.
const UnitReportV = 1

// UnitReport is the reported state of the unit shadow: how a unit is, in steps so coarse that it is seldom written. A
// unit writes it at a connection and a minute later, when its alarms change, at most once a minute, and else when something
// differs, at most every 15 minutes. Every field is always written because a shadow merges key by key.
type UnitReport struct {
	V int `json:"v"`
	// Decommissioned says that the unit leaves service: the cloud takes its certificates away.
	Decommissioned bool          `json:"decommissioned"`
	Health         UnitHealth    `json:"health"`
	Inventory      UnitInventory `json:"inventory"`
}

// UnitHealth is how a unit is.
type UnitHealth struct {
	State      string   `json:"state"`       // ready | pouring, told as ready | out_of_order | starting
	Reason     string   `json:"reason"`      // a code, why it is out of order; else empty
	SW         string   `json:"sw"`          // version
	Rig        string   `json:"rig"`         // sim | hw
	UptimeDays int      `json:"uptime_days"` // of the agent
	Restart    string   `json:"restart"`     // why it started last: see the Restart constants
	Backlog    uint64   `json:"backlog"`     // records not settled, rounded up to 1, 2 or 5 times a power of ten
	Alarms     []string `json:"alarms"`      // names of what stands, blocking first, each once, at most MaxUnitAlarms
	MoreAlarms int      `json:"more_alarms"` // names that are not listed
	Disk       string   `json:"disk"`        // ok | low | failing
	Clock      string   `json:"clock"`       // trusted | rtc | unknown, as in records
	Screen     bool     `json:"screen"`      // it draws
}

// Why an agent started.
const (
	RestartFirst   = "first"   // it never ran before on this state
	RestartCrash   = "crash"   // the one before ended without a word
	RestartPower   = "power"   // so did the whole board
	RestartReboot  = "reboot"  // the board was started anew, in order
	RestartUpdate  = "update"  // another version was installed
	RestartStopped = "stopped" // it was told to end, by the supervisor or a person
	RestartJob     = "job"     // the cloud asked
	RestartFault   = "fault"   // it gave up, its hardware gone for instance
)

// UnitInventory is what is left, in per cent: 0, 5, 10, 25, 50, 75 or 100, rounded down. A slot without a cartridge has 0.
type UnitInventory struct {
	Ingredients map[string]int `json:"ingredients"` // over all its slots
	Slots       map[string]int `json:"slots,omitempty"`
}
