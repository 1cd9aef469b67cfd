package pour

import "time"

// Lag is how long a carrier's water keeps flowing after its valve was told to shut, learned over pours. It is a time,
// not a volume, because the flow varies with the supply's pressure (spec/hal.md 5).
type Lag struct {
	Mean time.Duration `json:"mean"`
	N    int           `json:"n"` // pours it was learned from
	// RateULs is the flow of the last pour it was learned from, µL/s: what to reckon with when nothing can be counted.
	RateULs int64 `json:"rate_ul_s,omitempty"`
}

// Bounds of a lag and how fast it follows.
const (
	DefaultLag = 45 * time.Millisecond // before the first pour
	minLag     = 5 * time.Millisecond
	maxLag     = 150 * time.Millisecond
	lagGain    = 0.2
	lagFirst   = 5 // pours that count the same
)

// Value is the lag to use now.
func (l Lag) Value() time.Duration {
	if l.N <= 0 {
		return DefaultLag
	}
	return min(max(l.Mean, minLag), maxLag)
}

// Learn takes in what one pour showed.
func (l Lag) Learn(sample time.Duration) Lag {
	sample = min(max(sample, minLag), maxLag)
	if l.N <= 0 {
		return Lag{Mean: sample, N: 1, RateULs: l.RateULs}
	}
	gain := lagGain
	if l.N < lagFirst {
		gain = 1 / float64(l.N+1)
	}
	return Lag{Mean: l.Mean + time.Duration(gain*float64(sample-l.Mean)), N: l.N + 1, RateULs: l.RateULs}
}
