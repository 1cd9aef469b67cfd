package record

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"fountain/internal/problem"
	"fountain/sync/wire"
)

// intentVersion is the version of the stored intent this build writes.
const intentVersion = 1

// Intent is what is stored before anything opens, and all that a crash leaves of a pour. Volumes are µL.
type Intent struct {
	V         int          `json:"v"`
	Pour      string       `json:"pour"` // ULID
	Boot      string       `json:"boot"`
	Session   uint64       `json:"session"` // beat session, to match the guard's last beat
	Started   time.Time    `json:"started"`
	Clock     string       `json:"clock"`
	Beverage  string       `json:"beverage"`
	Mix       []wire.Share `json:"mix,omitempty"`
	Catalogue string       `json:"catalogue"`
	TargetUL  int64        `json:"target_ul"`
	MaxUL     int64        `json:"max_ul,omitempty"` // what the guard's limits let through at most; 0: DefaultMax
	Source    string       `json:"source"`
	Parts     []IntentPart `json:"parts"`
	LagUL     int64        `json:"lag_ul"`             // learned close lag at NominalUL
	NominalUL int64        `json:"nominal,omitempty"`  // the rate LagUL was learned at, µL/s; 0: take LagUL as it is
	Campaign  string       `json:"campaign,omitempty"` // of the screen the pour began on
	Arm       string       `json:"arm,omitempty"`
}

// IntentPart is one ingredient of the plan; Share is its part per million of the drink.
type IntentPart struct {
	Ingredient string `json:"ingredient"`
	Cartridge  string `json:"cartridge,omitempty"`
	Share      int64  `json:"share"`
}

// DefaultMax bounds a pour whose intent names no limit: a quarter over the target, at least 100 ml.
func DefaultMax(targetUL int64) int64 { return targetUL + max(targetUL/4, 100_000) }

// Encode makes the bytes to store.
func (in Intent) Encode() ([]byte, error) {
	in.V = intentVersion
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode intent %s: %w", in.Pour, err)
	}
	return b, nil
}

// DecodeIntent reads what Encode made.
func DecodeIntent(b []byte) (Intent, error) {
	var in Intent
	if err := json.Unmarshal(b, &in); err != nil {
		return Intent{}, fmt.Errorf("decode intent: %w", err)
	}
	if in.V > intentVersion {
		return Intent{}, &problem.Problem{
			Code: problem.CodeNewerSchema, Where: "intent " + in.Pour,
			What:   fmt.Sprintf("the open pour was written by a newer version (intent v%d, this build reads v%d)", in.V, intentVersion),
			Remedy: "start the newer version once so that it can finish the record",
		}
	}
	if in.Pour == "" || in.Beverage == "" {
		return Intent{}, fmt.Errorf("decode intent: pour or beverage is empty")
	}
	return in, nil
}

// LastBeat is what the guard remembers of the control loop. Times are on one monotonic clock of the guard's boot.
type LastBeat struct {
	Boot         string
	Session      uint64
	Pour         [16]byte // zero when the loop was idle
	CountedUL    int64
	RateULs      int64
	ReceivedAt   time.Duration
	MasterShut   bool // MasterShutAt is known
	MasterShutAt time.Duration
	NeverOpened  bool // this guard never opened MASTER in this session; one before it may have
}

// Reasons of interrupted records.
const (
	ReasonAgentGone  = "agent_gone"  // the control process died or stalled; the guard shut MASTER
	ReasonPowerCut   = "power_cut"   // the machine went down
	ReasonNotStarted = "not_started" // it ended before anything opened
	ReasonUnknown    = "no_last_beat"
)

// Interrupted makes the pour an open intent became. boot is the present boot id; beat is nil when the guard has none.
//
//	same boot, beat of this pour, MASTER's close known  counted + estimated (rate × time to shut + lag)
//	same boot, its first session, MASTER never opened in it
//	by a guard that lived through it, nothing counted   zero
//	anything else                                       at least what was counted, at most the limit
func Interrupted(in Intent, beat *LastBeat, boot string) Pour {
	p := Pour{
		ID: in.Pour, Boot: in.Boot, Started: in.Started, Clock: in.Clock, Beverage: in.Beverage, Mix: in.Mix, Catalogue: in.Catalogue,
		TargetUL: in.TargetUL, Outcome: wire.Interrupted, Source: in.Source, Campaign: in.Campaign, Arm: in.Arm,
	}
	limit := in.MaxUL
	if limit <= 0 {
		limit = DefaultMax(in.TargetUL)
	}
	pour, _ := IDBytes(in.Pour)
	ours := beat != nil && beat.Boot == in.Boot && beat.Pour == pour // by its id: a pour that was paused has had several sessions
	if ours {
		p.CountedUL = min(max(beat.CountedUL, 0), limit)
	}
	sameBoot := in.Boot != "" && in.Boot == boot
	switch {
	case sameBoot && beat != nil && beat.Boot == in.Boot && beat.Session == in.Session && beat.NeverOpened && beat.CountedUL <= 0:
		p.Reason = ReasonNotStarted
	case sameBoot && ours && beat.MasterShut:
		p.Reason = ReasonAgentGone
		p.EstimatedUL = min(flowedAfter(in, beat), limit-p.CountedUL)
	default:
		p.Reason = ReasonUnknown
		if !sameBoot {
			p.Reason = ReasonPowerCut
		}
		p.AtLeastUL, p.AtMostUL = p.CountedUL, limit
	}
	p.Parts = split(in.Parts, p.CountedUL+p.EstimatedUL)
	return p
}

// flowedAfter is what flowed between the last beat and the end of the close lag.
func flowedAfter(in Intent, beat *LastBeat) int64 {
	rate := max(beat.RateULs, 0)
	open := max(beat.MasterShutAt-beat.ReceivedAt, 0)
	lag := max(in.LagUL, 0)
	if in.NominalUL > 0 {
		lag = int64(math.Round(float64(lag) * float64(rate) / float64(in.NominalUL)))
	} else if rate == 0 {
		lag = 0
	}
	return int64(math.Round(float64(rate)*open.Seconds())) + lag
}

// split divides total by the shares so that the parts add up to it exactly: each gets the floor, the largest
// remainders one more.
func split(parts []IntentPart, total int64) []wire.Part {
	out := make([]wire.Part, len(parts))
	var sum int64
	for i, p := range parts {
		out[i] = wire.Part{Ingredient: p.Ingredient, Cartridge: p.Cartridge, How: HowEstimated}
		sum += max(p.Share, 0)
	}
	if sum == 0 || total <= 0 {
		return out
	}
	left := total
	rest := make([]int64, len(parts))
	for i, p := range parts {
		n := max(p.Share, 0) * total // a share is at most a million, a pour at most some 10⁹ µL: fits
		out[i].UL, rest[i] = n/sum, n%sum
		left -= out[i].UL
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rest {
			if rest[i] > rest[best] {
				best = i
			}
		}
		out[best].UL++
		rest[best] = -1
	}
	return out
}
