package sim

import (
	_ "embed"
	"time"

	"fountain/hal/rigfile"
)

//go:embed demo.yaml
var demoYAML []byte

// DemoRig is the built-in machine: MASTER, still and sparkling with a meter each, 80 cartridge slots s01…s80 with
// pumps p01…p80, and every safety input.
func DemoRig() *rigfile.Rig {
	r, err := rigfile.Parse("built-in demo rig", demoYAML)
	if err != nil {
		panic("built-in demo rig: " + err.Error()) // embedded file: a test parses it
	}
	return r
}

// Config describes one simulated machine.
type Config struct {
	Rig        *rigfile.Rig // nil: DemoRig
	Seed       uint64       // of everything random: the machine's parts, their noise
	Quiet      bool         // nominal parts without any noise: 75 ml/s, 40 ms lags, exact meters and strokes
	Cartridges []Cartridge  // what sits in the slots at the start; other slots are empty
	// Live makes times CLOCK_MONOTONIC, comparable between processes of one host. Otherwise they count from 1 s at
	// NewPlant, so that a run under testing/synctest repeats exactly.
	Live bool
}

// Cartridge is a cartridge to put into a slot.
type Cartridge struct {
	Slot       string    `json:"slot"`
	ID         string    `json:"id,omitempty"` // tag id; empty: made from the slot
	Ingredient string    `json:"ingredient"`
	VolumeUL   int64     `json:"volume_ul"`
	Expires    time.Time `json:"expires,omitzero"` // zero: 180 days after NewPlant
	Lot        string    `json:"lot,omitempty"`
	// Primed says that the line is full of this ingredient already (sim.lines); so it is at the plant's start.
	Primed bool `json:"primed,omitempty"`
}
