// Package api is the local API, version 1: its types and a client. No server code.
//
//	touchui, fountainctl ──api.Client──► STATE/run/{agent,service}.sock ──► agent/apiserver
//
//	GET    /v1/status            Status
//	GET    /v1/snapshot          Snapshot
//	GET    /v1/events            server-sent events, event "snapshot", data Snapshot; at once, on every change
//	                             (at most 30 a second) and at least every second
//	GET    /v1/catalogue         beverage.Catalogue, with ETag
//	GET    /v1/brands            []Brand
//	POST   /v1/pours             StartPour -> 201 Pour; a lease begins
//	POST   /v1/pours/{id}/beat   204; every BeatEvery while the consumer holds
//	POST   /v1/pours/{id}/pause  204; shuts everything and keeps the count; the beats go on
//	POST   /v1/pours/{id}/resume 204; a paused pour flows again; nothing else makes it
//	POST   /v1/rinse             201 Rinse; a lease begins, as a pour's, and is beaten and stopped by the same calls
//	GET    /v1/pours/{id}        Pour (its record once it is settled)
//	DELETE /v1/pours/{id}        204; stops the pour, also when it already ended; ?reason=released (default) or
//	                             screen_lost says who let go
//	PUT    /v1/ui/alive          204; the UI has drawn a frame
//	GET    /v1/metrics           Prometheus text
//
// Sessions of a person with the service PIN: session.go. The service API: service.go and overview.go.
//
// Errors are problem+json (internal/problem).
package api

import (
	"time"

	"fountain/agent/beverage"
)

// Lease timing (DESIGN 3).
const (
	BeatEvery  = 100 * time.Millisecond
	LeaseLimit = 300 * time.Millisecond // without a beat, or with the connection gone, the pour stops
)

// Socket names under the run directory. Both serve the same API; the service socket also accepts source "service".
const (
	AgentSocket   = "agent.sock"
	ServiceSocket = "service.sock"
)

// Modes of a pour.
const (
	ModePortion = "portion" // stops by itself at TargetUL
	ModeHold    = "hold"    // flows while beats come, at most TargetUL
)

// StartPour asks for a pour.
type StartPour struct {
	Beverage beverage.ID `json:"beverage,omitempty"`
	// Mix pours several beverages into one drink instead: 1 to beverage.MixMost parts of percent, multiples of
	// beverage.MixStep, 100 in all; Beverage is empty then. beverage.Mix judges it, beverage.Mixable what fits together.
	Mix      []MixPart `json:"mix,omitempty"`
	TargetUL int64     `json:"target_ul"` // portion, or the cup's size in hold mode
	Mode     string    `json:"mode"`
	Source   string    `json:"source"` // touch | service
	// TopOff names the drink, ended at most 30 s ago and still in its cup, that gets at most 15 % more of the same.
	TopOff string `json:"top_off,omitempty"`
}

// MixPart is one beverage of a mix and its share in percent.
type MixPart = beverage.MixPart

// Rinse is a rinse of the nozzle that a person asked for.
type Rinse struct {
	ID string `json:"id"`
}

// Reasons a holder may give when it stops a pour.
const (
	StopReleased   = "released"    // a person let go
	StopScreenLost = "screen_lost" // nobody did: the screen lost its input, or ends
)

// Phases of a pour.
const (
	PhaseArming   = "arming"
	PhaseFlowing  = "flowing"
	PhasePaused   = "paused"
	PhaseSettling = "settling"
	PhaseDone     = "done"
)

// Pour is one pour, live or ended.
type Pour struct {
	ID       string      `json:"id"`            // ULID
	Beverage beverage.ID `json:"beverage"`      // beverage.MixID for a mix
	Mix      []MixPart   `json:"mix,omitempty"` // what of
	Mode     string      `json:"mode"`
	Source   string      `json:"source"`
	Phase    string      `json:"phase"`
	TargetUL int64       `json:"target_ul"`
	PouredUL int64       `json:"poured_ul"` // counted so far
	Outcome  string      `json:"outcome,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	Pause    string      `json:"pause,omitempty"` // why it is paused: cup_removed | asked
	Seq      uint64      `json:"seq,omitempty"`   // once recorded
	Record   any         `json:"record,omitempty"`

	// What an ended pour may still get while its cup stands: the offer of StartPour.TopOff. All are 0 when there is none:
	// the cup is gone, it is too late, or so little is left that no pour can dose it. Milliseconds count from the snapshot.
	TopOffID string `json:"top_off_id,omitempty"` // the pour to name in StartPour.TopOff: the first of this drink
	TopOffUL int64  `json:"top_off_ul,omitempty"` // how much more fits at most
	TopOffMS int64  `json:"top_off_ms,omitempty"` // how long the offer stands
	FoamMS   int64  `json:"foam_ms,omitempty"`    // until the foam has settled and topping off makes sense; 0: it has, or there is none
}

// States of the unit.
const (
	UnitReady      = "ready"
	UnitPouring    = "pouring"
	UnitOutOfOrder = "out_of_order"
	UnitStarting   = "starting"
)

// MaxSizes is how many cup sizes a unit has at most: a screen shows them side by side.
const MaxSizes = 3

// Size is one cup.
type Size struct {
	ID string `json:"id"`
	UL int64  `json:"ul"`
}

// Snapshot is everything a screen needs to draw itself.
type Snapshot struct {
	Rev        uint64                 `json:"rev"` // grows with every change
	Unit       string                 `json:"unit"`
	Reason     string                 `json:"reason,omitempty"`  // why out of order, a code: e_stop, door, guard_gone, no_water, …
	Cup        bool                   `json:"cup"`               // a cup stands under the nozzle; never so on a unit that cannot see one
	Rinsing    bool                   `json:"rinsing,omitempty"` // the nozzle rinses itself into the tray
	Pour       *Pour                  `json:"pour,omitempty"`    // the active pour, or the last one until the next
	Blocked    map[beverage.ID]string `json:"blocked"`           // beverages that cannot be poured now -> sold_out | not_stocked | no_fizz | recalled | no_water | too_warm | line_fault | cleaning | wrong_cartridge | expired; more may come
	Sizes      []Size                 `json:"sizes"`             // cups of the unit, small to large, 1 to MaxSizes
	Favourites []beverage.ID          `json:"favourites"`        // most poured first, at most 8, all pourable
	Interlocks []string               `json:"interlocks"`
	Alarms     []Alarm                `json:"alarms"`
	Online     bool                   `json:"online"`
	Catalogue  string                 `json:"catalogue"`          // digest; fetch /v1/catalogue again when it changes
	Language   string                 `json:"language,omitempty"` // BCP 47: what the screen speaks unless a consumer chooses
	Languages  []string               `json:"languages"`          // what is offered, BCP 47, in order; empty: everything the screen has words for
	Units      string                 `json:"units"`              // volumes are shown in: UnitsML | UnitsFlOz | UnitsBoth
	PanelMM    Panel                  `json:"panel_mm"`           // size of the lit area; 0 when nobody told
	Phone      string                 `json:"phone,omitempty"`    // URL to show as a QR code for a hand-over to a phone
	Mixes      bool                   `json:"mixes"`              // mixes are offered
	Speech     string                 `json:"speech,omitempty"`   // audio device that speaks; empty: none
}

// How volumes are shown.
const (
	UnitsML   = "ml"
	UnitsFlOz = "fl_oz"
	UnitsBoth = "both"
)

// Panel is the size of the lit area of the screen in millimetres, as it hangs: a portrait panel is higher than wide.
type Panel struct {
	W float64 `json:"w"`
	H float64 `json:"h"`
}

// Alarm is a named condition.
type Alarm struct {
	Name     string    `json:"name"`
	Severity string    `json:"severity"` // blocks | warns
	Scope    string    `json:"scope"`    // unit, or a line or beverage id
	What     string    `json:"what"`
	Evidence string    `json:"evidence,omitempty"` // what was measured
	Remedy   string    `json:"remedy"`
	Since    time.Time `json:"since"`
}

// Brand is a row of `fountainctl brands`.
type Brand struct {
	ID        beverage.BrandID `json:"id"`
	Name      string           `json:"name"`
	Available bool             `json:"available"` // at least one of its beverages can be poured
	Why       string           `json:"why,omitempty"`
	Beverages []BeverageStatus `json:"beverages"`
}

// BeverageStatus says whether one beverage can be poured.
type BeverageStatus struct {
	ID        beverage.ID `json:"id"`
	Name      string      `json:"name"`
	Available bool        `json:"available"`
	Why       string      `json:"why,omitempty"`
}

// Status is `fountainctl status`.
type Status struct {
	Version   string    `json:"version"`
	Thing     string    `json:"thing,omitempty"` // empty before provisioning
	Serial    string    `json:"serial"`
	Rig       string    `json:"rig"` // sim | hw
	Unit      string    `json:"unit"`
	Reason    string    `json:"reason,omitempty"`
	StartedAt time.Time `json:"started_at"`
	UIAlive   bool      `json:"ui_alive"`
	Master    string    `json:"master"` // open | shut
	Store     Store     `json:"store"`
	Cloud     Cloud     `json:"cloud"`
	Alarms    []Alarm   `json:"alarms"`
}

// Store is the state of the pour buffer.
type Store struct {
	Log      string `json:"log"`
	Last     uint64 `json:"last"`  // newest seq
	Acked    uint64 `json:"acked"` // cloud's committed mark
	Segments int    `json:"segments"`
	Damaged  int    `json:"damaged"`
}

// Cloud is the state of the link.
type Cloud struct {
	State    string `json:"state"` // off | provisioning | connecting | online | offline | decommissioned
	Endpoint string `json:"endpoint,omitempty"`
	// Endpoints are all that are configured, best first; Endpoint is the one in use.
	Endpoints   []string   `json:"endpoints,omitempty"`
	Certificate string     `json:"certificate,omitempty"` // id of the one in use
	ValidUntil  *time.Time `json:"valid_until,omitempty"` // of it
	LastErr     string     `json:"last_error,omitempty"`
	Backlog     uint64     `json:"backlog"` // records not acknowledged
}
