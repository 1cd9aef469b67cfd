// Package wire is what travels between a unit and the cloud: topics, payloads and their limits. The agent and the
// cloud both import it; it imports neither.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
)

// RecordVersion is the version of Record this build writes.
const RecordVersion = 1

// Outcome says how a pour ended.
type Outcome string

// Outcomes of a pour.
const (
	Completed   Outcome = "completed"   // the target was reached
	Stopped     Outcome = "stopped"     // the consumer or technician let go
	Interrupted Outcome = "interrupted" // a process, link or power went away: crash, lease lost, guard gone, loop gap, shutdown
	Faulted     Outcome = "faulted"     // a line or interlock ended it: no flow, sold out, E-stop, door, …
)

// Sources of a pour.
const (
	SourceTouch   = "touch"
	SourceService = "service"
	SourcePhone   = "phone"
)

// Record is one pour as it happened, version 1. All volumes are µL. The wire bytes are made once, when the pour is
// committed, stored, and sent unchanged for ever after.
type Record struct {
	V           int     `json:"v"`
	ID          string  `json:"id"`    // ULID, for people
	Thing       string  `json:"thing"` // identity: (thing, log, seq)
	Log         string  `json:"log"`
	Seq         uint64  `json:"seq"`
	Boot        string  `json:"boot"`    // kernel boot id
	Started     string  `json:"started"` // RFC 3339, UTC, milliseconds
	Clock       string  `json:"clock"`   // trusted | rtc | unknown
	DurationMS  int64   `json:"duration_ms"`
	Beverage    string  `json:"beverage"`      // Mixed for a mix
	Mix         []Share `json:"mix,omitempty"` // what a mix was made of
	Catalogue   string  `json:"catalogue"`     // digest of the catalogue the recipe came from
	TargetUL    int64   `json:"target_ul"`
	Parts       []Part  `json:"parts"`
	CountedUL   int64   `json:"counted_ul"`             // from meters and confirmed strokes
	EstimatedUL int64   `json:"estimated_ul,omitempty"` // flowed after the last count, computed
	AtLeastUL   int64   `json:"at_least_ul,omitempty"`  // after a power cut
	AtMostUL    int64   `json:"at_most_ul,omitempty"`
	Outcome     Outcome `json:"outcome"`
	Reason      string  `json:"reason,omitempty"`
	Source      string  `json:"source"` // touch | service | phone
	Campaign    string  `json:"campaign,omitempty"`
	Arm         string  `json:"arm,omitempty"`
	SW          string  `json:"sw"`
	Rig         string  `json:"rig"` // sim | hw; never mixed downstream
	Prev        string  `json:"prev,omitempty"`
}

// Mixed is Record.Beverage of a mix.
const Mixed = "mix"

// MaxMix is how many beverages a mix has at most.
const MaxMix = 3

// Share is one beverage of a mix, in per cent.
type Share struct {
	Beverage string `json:"beverage"`
	Share    int    `json:"share"`
}

// Part is what one ingredient contributed.
type Part struct {
	Ingredient string `json:"ingredient"`
	Cartridge  string `json:"cartridge,omitempty"` // tag id; empty for carriers
	UL         int64  `json:"ul"`
	How        string `json:"how"` // metered | strokes | estimated
}

// Key is the identity of a pour.
type Key struct {
	Thing string
	Log   string
	Seq   uint64
}

// Key returns the record's identity.
func (r *Record) Key() Key { return Key{r.Thing, r.Log, r.Seq} }

// ErrRecord is wrapped by every error of Validate and DecodeRecord.
var ErrRecord = errors.New("bad pour record")

// Validate checks what every reader relies on.
func (r *Record) Validate() error {
	bad := func(field, why string) error { return fmt.Errorf("%w: %s %s", ErrRecord, field, why) }
	switch {
	case r.V != RecordVersion:
		return bad("v", fmt.Sprintf("is %d, want %d", r.V, RecordVersion))
	case r.Thing == "":
		return bad("thing", "is empty")
	case r.Log == "" || r.Log[0] < 'A' || r.Log[0] > 'z' || (r.Log[0] > 'Z' && r.Log[0] < 'a'):
		return bad("log", "must start with a letter")
	case r.Seq == 0:
		return bad("seq", "must be 1 or more")
	case r.ID == "":
		return bad("id", "is empty")
	case r.Beverage == "":
		return bad("beverage", "is empty")
	case r.CountedUL < 0 || r.EstimatedUL < 0 || r.TargetUL < 0:
		return bad("volume", "is negative")
	case r.Rig != "sim" && r.Rig != "hw":
		return bad("rig", `must be "sim" or "hw"`)
	}
	if err := r.checkMix(); err != nil {
		return err
	}
	switch r.Outcome {
	case Completed, Stopped, Interrupted, Faulted:
	default:
		return bad("outcome", fmt.Sprintf("%q is unknown", r.Outcome))
	}
	return nil
}

// checkMix checks that a mix says what of, and nothing else does.
func (r *Record) checkMix() error {
	bad := func(why string) error { return fmt.Errorf("%w: mix %s", ErrRecord, why) }
	if len(r.Mix) == 0 {
		return nil // also a mix whose unit did not say what of
	}
	if r.Beverage != Mixed {
		return bad("is set, but the beverage is " + r.Beverage)
	}
	if len(r.Mix) > MaxMix {
		return bad(fmt.Sprintf("has more than %d parts", MaxMix))
	}
	sum := 0
	for _, s := range r.Mix {
		if s.Beverage == "" || s.Share < 1 || s.Share > 100 {
			return bad("has a part without a beverage or a share")
		}
		sum += s.Share
	}
	if sum != 100 {
		return bad(fmt.Sprintf("is %d per cent", sum))
	}
	return nil
}

// DecodeRecord parses and validates one record. Unknown fields are kept out, not refused: a newer unit may add some.
func DecodeRecord(b []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return &r, nil
}
