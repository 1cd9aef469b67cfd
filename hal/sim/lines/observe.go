//go:build linux

package lines

import (
	"fmt"
	"time"

	"fountain/hal"
	"fountain/hal/sim"
)

// The observers below may be called from any goroutine while Run steps the plant.

func (b *Board) output(id string) *output {
	for i := range b.outputs {
		if b.outputs[i].id == id {
			return &b.outputs[i]
		}
	}
	return &output{id: id}
}

// Plant is the physics behind the lines.
func (b *Board) Plant() *sim.Plant { return b.plant }

// Line tells whether an output's line is at its open level, and when that last changed (CLOCK_MONOTONIC).
func (b *Board) Line(id string) (open bool, changed time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.output(id)
	return o.open, o.changed
}

// Level is the voltage on an output's line now (true: high) and whether the line is active low.
func (b *Board) Level(id string) (high, activeLow bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.output(id)
	return o.open != o.activeLow, o.activeLow
}

// Switched counts how often an output's line was seen to go to its open level.
func (b *Board) Switched(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.output(id).switched
}

// Pulses counts what a meter has sent.
func (b *Board) Pulses(id string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.meter(id); m != nil {
		return m.sent
	}
	return 0
}

// Pulse makes a meter send n pulses, one every `every`, whatever flows.
func (b *Board) Pulse(id string, n int, every time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.meter(id); m != nil {
		m.extra, m.every, m.next = n, every, monotonic()+every
	}
}

// Burst makes a meter send n pulses as fast as its line takes them.
func (b *Board) Burst(id string, n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.meter(id); m != nil {
		return m.burst(n)
	}
	return fmt.Errorf("meter %q: %w", id, hal.ErrUnknownPart)
}

func (b *Board) meter(id string) *meterLine {
	for i := range b.meters {
		if b.rig.Meters[i].ID == id {
			return &b.meters[i]
		}
	}
	return nil
}

// Late is the longest time between two steps of the plant since it was last asked.
func (b *Board) Late() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.late
	b.late = 0
	return l
}
