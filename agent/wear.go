package agent

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/pour"
	"fountain/internal/logkey"
)

// Control limits of a learned close lag (a Shewhart chart on the EWMA that package pour keeps).
const (
	wearBase  = 20                    // pours that make the base line
	wearSkip  = 5                     // the first ones, while the lag is still being learned
	wearSigma = 4                     // limits, in standard deviations of the base line
	wearLeast = 10 * time.Millisecond // but never closer than this
	wearRun   = 8                     // pours in a row outside, or inside to end it
)

// settingWear is the key of the charts in the store.
const settingWear = "machine.wear"

// wearChart is the history of one valve's close lag.
type wearChart struct {
	N       int       `json:"n"` // as pour.Lag.N when it was last looked at
	Base    int       `json:"base"`
	Mean    float64   `json:"mean"` // of the base line, ns
	M2      float64   `json:"m2"`   // sum of squared distances from Mean
	Since   time.Time `json:"since"`
	Outside int       `json:"outside"` // pours in a row outside the limits
	Inside  int       `json:"inside"`  // and inside, after that
	Worn    bool      `json:"worn,omitempty"`
}

// take takes in the lag after a pour and reports whether anything changed. A count that went back means that the lag is
// learned anew: another valve.
func (c *wearChart) take(l pour.Lag, now time.Time) bool {
	if l.N < c.N {
		*c = wearChart{}
	}
	if l.N == c.N {
		return false
	}
	c.N = l.N
	if l.N <= wearSkip {
		return true
	}
	x := float64(l.Mean)
	if c.Base < wearBase {
		if c.Base == 0 {
			c.Since = now
		}
		c.Base++
		d := x - c.Mean
		c.Mean += d / float64(c.Base)
		c.M2 += d * (x - c.Mean)
		return true
	}
	if math.Abs(x-c.Mean) > c.limit() {
		c.Outside++
		c.Inside = 0
	} else {
		c.Inside++
		c.Outside = 0
	}
	switch {
	case c.Outside >= wearRun:
		c.Worn = true
	case c.Inside >= wearRun:
		c.Worn = false
	}
	return true
}

// limit is the distance from the base line that is still usual, ns.
func (c *wearChart) limit() float64 {
	return max(wearSigma*math.Sqrt(c.M2/float64(max(c.Base-1, 1))), float64(wearLeast))
}

// alarm is what a worn valve tells.
func (c *wearChart) alarm(valve string, l pour.Lag, now time.Time) alarm.Alarm {
	days := int(now.Sub(c.Since).Hours() / 24)
	return alarm.Alarm{Name: alarm.ValveWearing, Scope: valve, Evidence: fmt.Sprintf(
		"it shuts after %s, was %s and may differ by %s; over %d pours in %d days",
		l.Mean.Round(time.Millisecond), time.Duration(c.Mean).Round(time.Millisecond), time.Duration(c.limit()).Round(time.Millisecond), l.N, days)}
}

// wear keeps the charts of all valves; it belongs to the journal's goroutine.
type wear struct {
	Charts map[string]*wearChart `json:"charts"`
}

// openWear reads the charts; damaged ones are begun anew.
func (a *Agent) openWear() *wear {
	w := &wear{}
	b, ok, err := a.store.Setting(settingWear)
	if err == nil && ok {
		err = json.Unmarshal(b, w)
	}
	if err != nil {
		a.log.Warn("read the valves' history", slog.Any(logkey.Err, err))
		w = &wear{}
	}
	if w.Charts == nil {
		w.Charts = map[string]*wearChart{}
	}
	return w
}

// learned looks at the lags after a pour.
func (w *wear) learned(lags map[string]pour.Lag, now time.Time) (want []alarm.Alarm, changed bool) {
	for valve, l := range lags {
		c := w.Charts[valve]
		if c == nil {
			c = &wearChart{}
			w.Charts[valve] = c
		}
		changed = c.take(l, now) || changed
		if c.Worn {
			want = append(want, c.alarm(valve, l, now))
		}
	}
	return want, changed
}

// worn tells the board which valves wear, and keeps their charts.
func (a *Agent) worn() {
	want, changed := a.wear.learned(a.machine.Lags(), time.Now())
	a.board.Keep(alarm.RaisedBy("agent/wear.go"), want)
	if !changed {
		return
	}
	b, err := json.Marshal(a.wear)
	if err == nil {
		err = a.store.PutSetting(settingWear, b)
	}
	if err != nil {
		a.log.Warn("keep the valves' history", slog.Any(logkey.Err, err)) // the next pour keeps it
	}
}
