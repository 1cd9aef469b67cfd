// Package units holds the physical quantities of the dispenser as integer types.
//
// Control code counts in microlitres so that sums are exact; floats appear only at the edges (calibration, display).
package units

import (
	"fmt"
	"math"
	"time"
)

// Volume is a volume in microlitres (µL). 1 ml = 1000 µL.
type Volume int64

// Volume units.
const (
	Microlitre Volume = 1
	Millilitre        = 1000 * Microlitre
	Litre             = 1000 * Millilitre
)

// FromMillilitres rounds ml to the nearest microlitre.
func FromMillilitres(ml float64) Volume { return Volume(math.Round(ml * float64(Millilitre))) }

// Millilitres returns v in ml.
func (v Volume) Millilitres() float64 { return float64(v) / float64(Millilitre) }

// String formats v in ml with one decimal.
func (v Volume) String() string { return fmt.Sprintf("%.1f ml", v.Millilitres()) }

// Flow is a flow rate in microlitres per second (µL/s). 75 ml/s = 75,000 µL/s.
type Flow int64

// Over returns the volume that flows at rate f during d.
func (f Flow) Over(d time.Duration) Volume {
	return Volume(math.Round(float64(f) * d.Seconds()))
}

// String formats f in ml/s with one decimal.
func (f Flow) String() string { return fmt.Sprintf("%.1f ml/s", float64(f)/float64(Millilitre)) }
