package wire

import (
	"encoding/json"
	"errors"
	"fmt"
)

// LedgerShadow is the named shadow in which the cloud says what it has committed and the unit says what it has.
const LedgerShadow = "ledger"

// Limits of the ledger document (DESIGN 4).
const (
	MaxLedgerLogs    = 4
	MaxLedgerMissing = 32
	MaxLedgerHave    = 8
)

// ErrLedger is wrapped by every error of DecodeLedger.
var ErrLedger = errors.New("bad ledger")

// Ledger is the desired state of the ledger shadow: {"ack":{"<log>":{"upto":N,"missing":[…]}}}. In a delta only the
// part that differs is there.
type Ledger struct {
	Ack map[string]Ack `json:"ack,omitempty"`
}

// Ack is the cloud's committed mark for one log.
//
// A mark that moves back is an old answer, and a unit ignores it: unless Restore has changed. A cloud that lost its end,
// because it was restored from a backup, or that wants records again, draws a new Restore (the seconds since 1970 will
// do), keeps it with what was restored, and writes it into every Ack from then on. A unit that sees one it has not
// followed yet moves its own mark back to Upto, or to before the oldest record it still keeps (30 days), notes Restore
// with it durably, and sends what the marks do not have; so it follows each once, however often it is told. Everything
// arrives under the keys it had, so what the cloud did keep has no second effect. LogReport.Restore says who has heard.
type Ack struct {
	// Upto: every record with a seq from 1 to Upto is committed.
	Upto uint64 `json:"upto"`
	// Missing lists the lowest seqs above Upto that the cloud does not have although it has a later one; ascending,
	// at most MaxLedgerMissing. So what lies between and is not listed is committed. Always written, [] when empty: a
	// shadow merges key by key, an absent key would stay.
	Missing []uint64 `json:"missing"`
	// Seen is the newest seq the cloud has; 0 when it does not say. With it, and unless Missing is full, what lies
	// behind the last missing one up to Seen is known to be committed too, so a record the unit had to set aside does
	// not hold the mark until a later one is missing.
	Seen uint64 `json:"seen"`
	// Have lists the lowest ranges above Upto, first and last seq, that are committed; ascending, at most MaxLedgerHave.
	// It tells what lies behind a gap that is larger than Missing can list. Always written, as Missing is.
	Have [][2]uint64 `json:"have"`
	// Restore is the generation of the cloud's memory; 0 or absent: it was never restored.
	Restore uint64 `json:"restore,omitempty"`
}

// MarshalJSON writes missing and have as [] when there is none.
func (a Ack) MarshalJSON() ([]byte, error) {
	type plain Ack
	if a.Missing == nil {
		a.Missing = []uint64{}
	}
	if a.Have == nil {
		a.Have = [][2]uint64{}
	}
	return json.Marshal(plain(a))
}

// Safe is the highest seq that may be taken as committed even if the cloud lists a missing seq below Upto.
func (a Ack) Safe() uint64 {
	safe := a.Upto
	for _, m := range a.Missing {
		if m <= safe {
			safe = max(m, 1) - 1
		}
	}
	return safe
}

// Validate checks the limits of the document.
func (l Ledger) Validate() error {
	if len(l.Ack) > MaxLedgerLogs {
		return fmt.Errorf("%w: %d logs, at most %d", ErrLedger, len(l.Ack), MaxLedgerLogs)
	}
	for log, a := range l.Ack {
		if log == "" {
			return fmt.Errorf("%w: a log without name", ErrLedger)
		}
		if len(a.Missing) > MaxLedgerMissing {
			return fmt.Errorf("%w: log %s lists %d missing, at most %d", ErrLedger, log, len(a.Missing), MaxLedgerMissing)
		}
		if len(a.Have) > MaxLedgerHave {
			return fmt.Errorf("%w: log %s lists %d ranges it has, at most %d", ErrLedger, log, len(a.Have), MaxLedgerHave)
		}
		for i, h := range a.Have {
			if h[0] == 0 || h[1] < h[0] || i > 0 && h[0] <= a.Have[i-1][1] {
				return fmt.Errorf("%w: log %s: what it has must ascend from 1", ErrLedger, log)
			}
		}
		for i, m := range a.Missing {
			if m == 0 || i > 0 && m <= a.Missing[i-1] {
				return fmt.Errorf("%w: log %s: missing must ascend from 1", ErrLedger, log)
			}
		}
	}
	return nil
}

// DecodeLedger parses the desired state (or the state of a delta) of the ledger shadow. Absent state is an empty
// ledger. Other keys beside "ack" are left alone.
func DecodeLedger(state []byte) (Ledger, error) {
	var l Ledger
	if len(state) == 0 {
		return l, nil
	}
	if err := json.Unmarshal(state, &l); err != nil {
		return Ledger{}, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	if err := l.Validate(); err != nil {
		return Ledger{}, err
	}
	return l, nil
}

// LedgerReport is the reported state of the ledger shadow: log -> what the unit has. A nil entry removes a log.
type LedgerReport map[string]*LogReport

// LogReport is the unit's side of one log. Every field is always written because a shadow merges key by key.
type LogReport struct {
	Last        uint64 `json:"last"`        // newest seq
	Oldest      uint64 `json:"oldest"`      // oldest seq still kept; Last+1 when none is
	Acked       uint64 `json:"acked"`       // committed by the cloud, as the unit knows it
	Backlog     uint64 `json:"backlog"`     // records above Acked
	Quarantined uint64 `json:"quarantined"` // records the unit gave up sending since it started
	Restore     uint64 `json:"restore"`     // the Ack.Restore it has followed
	Alarm       string `json:"alarm"`       // "" or why acknowledgements are not believed
}

// DecodeLedgerReport parses the reported state of the ledger shadow.
func DecodeLedgerReport(state []byte) (LedgerReport, error) {
	r := LedgerReport{}
	if len(state) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(state, &r); err != nil {
		return nil, fmt.Errorf("%w: reported: %w", ErrLedger, err)
	}
	return r, nil
}
