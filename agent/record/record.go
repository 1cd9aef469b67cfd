// Package record turns what happened into Record v1: a pour that ended, or an intent that a crash or power cut left
// open. It may import sync/wire and internal packages; it holds no state.
//
//	machine.Result ──agent──► Pour ─┐
//	store intent + guard's last beat ──Interrupted──► Pour ─┴─Build(unit, place)──► wire bytes, once
package record

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"fountain/sync/wire"
)

// How far the wall clock could be trusted when a pour began.
const (
	ClockTrusted = "trusted" // synchronised since boot
	ClockRTC     = "rtc"     // from a battery-backed clock
	ClockUnknown = "unknown"
)

// How a part's volume was found.
const (
	HowMetered   = "metered"
	HowStrokes   = "strokes"
	HowEstimated = "estimated" // split of the total by the plan's shares
)

// Unit is what the record says about the machine.
type Unit struct {
	Thing string
	Boot  string // BootID
	SW    string // build.Version
	Rig   string // sim | hw
}

// Pour is a pour that ended. Volumes are µL.
type Pour struct {
	ID          string // ULID
	Boot        string // boot id of the pour; empty: the unit's present one
	Started     time.Time
	Clock       string // empty is ClockUnknown
	Duration    time.Duration
	Beverage    string
	Mix         []wire.Share // of a mix
	Catalogue   string
	TargetUL    int64
	Parts       []wire.Part
	CountedUL   int64
	EstimatedUL int64
	AtLeastUL   int64
	AtMostUL    int64
	Outcome     wire.Outcome
	Reason      string
	Source      string
	Campaign    string
	Arm         string
}

// timeLayout is RFC 3339 with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Build makes the record of p at (log, seq), validates it and encodes it. The bytes are to be stored and sent as they
// are, for ever.
func Build(u Unit, p Pour, log string, seq uint64) (*wire.Record, []byte, error) {
	r := &wire.Record{
		V: wire.RecordVersion, ID: p.ID, Thing: u.Thing, Log: log, Seq: seq,
		Boot: p.Boot, Started: p.Started.UTC().Format(timeLayout), Clock: p.Clock, DurationMS: p.Duration.Milliseconds(),
		Beverage: p.Beverage, Mix: p.Mix, Catalogue: p.Catalogue, TargetUL: p.TargetUL, Parts: p.Parts,
		CountedUL: p.CountedUL, EstimatedUL: p.EstimatedUL, AtLeastUL: p.AtLeastUL, AtMostUL: p.AtMostUL,
		Outcome: p.Outcome, Reason: p.Reason, Source: p.Source, Campaign: p.Campaign, Arm: p.Arm,
		SW: u.SW, Rig: u.Rig,
	}
	if r.Boot == "" {
		r.Boot = u.Boot
	}
	if r.Clock == "" {
		r.Clock = ClockUnknown
	}
	if r.Parts == nil {
		r.Parts = []wire.Part{}
	}
	if err := check(r); err != nil {
		return nil, nil, fmt.Errorf("build record of pour %s: %w", p.ID, err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil, nil, fmt.Errorf("build record of pour %s: %w", p.ID, err)
	}
	return r, b, nil
}

// check is wire's Validate plus what only the writer can promise.
func check(r *wire.Record) error {
	if err := r.Validate(); err != nil {
		return err
	}
	bad := func(field, why string) error { return fmt.Errorf("%w: %s %s", wire.ErrRecord, field, why) }
	switch r.Clock {
	case ClockTrusted, ClockRTC, ClockUnknown:
	default:
		return bad("clock", fmt.Sprintf("%q is unknown", r.Clock))
	}
	switch r.Source {
	case wire.SourceTouch, wire.SourceService, wire.SourcePhone:
	default:
		return bad("source", fmt.Sprintf("%q is unknown", r.Source))
	}
	if r.DurationMS < 0 {
		return bad("duration_ms", "is negative")
	}
	if r.AtLeastUL < 0 || r.AtMostUL < 0 || r.AtLeastUL > r.AtMostUL {
		return bad("at_least_ul", "must lie between 0 and at_most_ul")
	}
	for i, p := range r.Parts {
		if p.Ingredient == "" {
			return bad(fmt.Sprintf("parts[%d].ingredient", i), "is empty")
		}
		if p.UL < 0 {
			return bad(fmt.Sprintf("parts[%d].ul", i), "is negative")
		}
		switch p.How {
		case HowMetered, HowStrokes, HowEstimated:
		default:
			return bad(fmt.Sprintf("parts[%d].how", i), fmt.Sprintf("%q is unknown", p.How))
		}
	}
	return nil
}

// NewID makes a ULID for a pour that starts now. Its time is the wall clock's and only for people; uniqueness comes
// from its 80 random bits.
func NewID(now time.Time) string {
	return newID(now, rand.Reader)
}

func newID(now time.Time, entropy io.Reader) string {
	ms := now.UnixMilli()
	if ms < 0 {
		ms = 0 // a clock before 1970 is no clock
	}
	return ulid.MustNew(uint64(ms), entropy).String() // crypto/rand never fails; the time fits for 8,000 years
}

// IDBytes is the binary form of a ULID, as the beat carries it; ok is false when id is none.
func IDBytes(id string) (b [16]byte, ok bool) {
	u, err := ulid.ParseStrict(id)
	return u, err == nil
}

// bootIDFile is Linux's: Documentation/admin-guide/sysctl/kernel.rst.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// BootID is the kernel's id of this boot. It differs after every start of the machine.
func BootID() (string, error) {
	b, err := os.ReadFile(bootIDFile)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
