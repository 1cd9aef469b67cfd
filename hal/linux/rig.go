package linux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/i2c"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// rig is the lines of one owner. Its parts are fixed when it is open; each owns its state.
type rig struct {
	file  *rigfile.Rig
	owner hal.Owner
	log   *slog.Logger
	pacer Pacer

	outs     *outputs
	counters []*counters
	meters   map[string]*counter
	bank     *bank
	lines    []*linePumps
	pumps    map[string]hal.Pump
	unsensed []string // pumps whose strokes nobody confirms
	buses    []*bus
	adapters map[int]i2c.BusCloser
	sensors  map[string]*sensor
	slots    map[string]*slot
	readers  []*tagReader
	heart    *heart
	notes    []hal.Fault // found when opening, true as long as the rig is open

	stop    alarm // ends the edge reader
	reader  sync.WaitGroup
	cancel  context.CancelFunc // ends the pollers of sensors
	pollers sync.WaitGroup
	release []func() error // descriptors, in the order they were taken
	closed  atomic.Bool
}

var (
	_ hal.Rig   = (*rig)(nil)
	_ hal.Heart = (*rig)(nil)
)

// Parts implements hal.Rig.
func (r *rig) Parts() []hal.Part { return slices.Clone(r.file.Parts()) }

// Outputs implements hal.Rig.
func (r *rig) Outputs() hal.Outputs { return group{r} }

// group is outputs with the ids of the rig.
type group struct{ r *rig }

func (g group) Apply(mask, bits uint64) error { return g.r.outs.Apply(mask, bits) }
func (g group) Commanded() uint64             { return g.r.outs.Commanded() }

func (g group) Bit(id string) (uint64, error) {
	if i := slices.Index(g.r.outs.ids, id); i >= 0 {
		return 1 << i, nil
	}
	return 0, g.r.refuse(id, hal.KindValve, hal.KindAgitator)
}

// refuse explains why a part cannot be had: it is someone else's, or there is none of that kind.
func (r *rig) refuse(id string, kinds ...hal.Kind) error {
	for _, p := range r.file.Parts() {
		if p.ID == id && slices.Contains(kinds, p.Kind) {
			return fmt.Errorf("part %q: %w", id, hal.ErrNotOwner)
		}
	}
	return fmt.Errorf("part %q: %w", id, hal.ErrUnknownPart)
}

// Meter implements hal.Rig.
func (r *rig) Meter(id string) (hal.FlowMeter, error) {
	if m := r.meters[id]; m != nil {
		return m, nil
	}
	return nil, r.refuse(id, hal.KindMeter)
}

// Pump implements hal.Rig.
func (r *rig) Pump(id string) (hal.Pump, error) {
	if p := r.pumps[id]; p != nil {
		return p, nil
	}
	return nil, r.refuse(id, hal.KindPump)
}

// Interlocks implements hal.Rig.
func (r *rig) Interlocks() hal.InterlockBank { return r.bank }

// Slot implements hal.Rig.
func (r *rig) Slot(id string) (hal.CartridgeSlot, error) {
	if s := r.slots[id]; s != nil {
		return s, nil
	}
	return nil, r.refuse(id, hal.KindSlot)
}

// Sensor implements hal.Rig.
func (r *rig) Sensor(id string) (hal.Sensor, error) {
	if s := r.sensors[id]; s != nil {
		return s, nil
	}
	return nil, r.refuse(id, hal.KindSensor)
}

// Safe implements hal.Rig.
func (r *rig) Safe(error) error {
	err := r.outs.safe()
	for _, l := range r.lines {
		l.safe()
	}
	for _, b := range r.buses {
		for _, d := range b.dosers {
			if derr := d.safe(); err == nil {
				err = derr
			}
		}
	}
	return err
}

// Beat implements hal.Heart.
func (r *rig) Beat() error {
	if r.heart == nil {
		return nil
	}
	if r.closed.Load() {
		return hal.ErrClosed
	}
	return r.heart.beat(r.pacer.Now())
}

// heart is the heartbeat line. It belongs to the goroutine that beats.
type heart struct {
	file  lineFile
	every time.Duration
	last  time.Duration
	level uint64
}

func (h *heart) beat(now time.Duration) error {
	if now-h.last < h.every {
		return nil
	}
	h.last = now
	h.level ^= 1
	return h.file.set(1, h.level)
}

// Health implements hal.Rig.
func (r *rig) Health() []hal.Fault {
	if r.closed.Load() {
		return []hal.Fault{{Part: string(r.owner), What: hal.ErrClosed.Error()}}
	}
	out := slices.Clone(r.notes)
	for _, f := range r.bank.files {
		if err := f.broken(); err != nil {
			for _, id := range f.ids {
				out = append(out, hal.Fault{Part: id, What: "the input cannot be read: " + err.Error(), Kind: hal.FaultGone})
			}
		}
	}
	for _, c := range r.counters {
		for _, m := range c.all {
			if c.failed.Load() {
				out = append(out, hal.Fault{Part: m.id, What: "the input's chip is gone: nothing is counted", Kind: hal.FaultGone})
			} else if low, high := c.low.Load(), c.high.Load(); low+high > 0 {
				out = append(out, hal.Fault{Part: m.id, What: fmt.Sprintf("the count is uncertain: the inputs of this chip together lack %d pulses and have %d too many", low, high), Kind: hal.FaultLost})
			}
		}
	}
	for _, l := range r.lines {
		l.mu.Lock()
		if l.err != nil {
			out = append(out, hal.Fault{Part: "pumps", What: "the pumps' lines cannot be driven: " + l.err.Error(), Kind: hal.FaultGone})
		}
		l.mu.Unlock()
	}
	for _, b := range r.buses {
		b.mu.Lock()
		now := b.now()
		for _, e := range b.expanders {
			out = append(out, e.faults(e.id, now)...)
		}
		for _, d := range b.dosers {
			out = append(out, d.faults(d.id, now)...)
		}
		b.mu.Unlock()
	}
	for _, s := range r.file.Sensors {
		if x := r.sensors[s.ID]; x != nil {
			if why := x.fault(); why != "" {
				out = append(out, hal.Fault{Part: s.ID, What: why, Kind: hal.FaultGone})
			}
		}
	}
	for _, t := range r.readers {
		if why := t.gone.Load(); why != nil {
			out = append(out, hal.Fault{Part: t.slot, What: "the tag reader does not answer: " + *why, Kind: hal.FaultGone})
		}
	}
	for _, id := range r.unsensed {
		out = append(out, hal.Fault{Part: id, What: "strokes are not confirmed: the pump has no stroke sensor", Kind: hal.FaultUnconfirmed})
	}
	return out
}

// Close implements hal.Rig.
func (r *rig) Close() error { return r.end(false) }

// end makes everything safe, then ends the threads and releases the lines. Abandoned, it skips the first.
func (r *rig) end(abandon bool) error {
	if r.closed.Swap(true) {
		return nil
	}
	err := r.outs.close(abandon)
	for _, l := range r.lines {
		err = errors.Join(err, l.close(abandon))
	}
	for _, b := range r.buses {
		err = errors.Join(err, b.close(abandon))
	}
	if r.heart != nil && !abandon {
		err = errors.Join(err, r.heart.file.set(1, 0))
	}
	r.cancel()
	r.stop.ring()
	r.reader.Wait()
	for _, f := range slices.Backward(r.release) {
		_ = f() // lines were shut above; letting go of them can fail in no way that matters
	}
	r.pollers.Wait()   // at most as long as a sensor's file blocks
	_ = r.stop.close() // as above
	if err != nil {
		return fmt.Errorf("close the lines of %s: %w", r.owner, err)
	}
	return nil
}

// Abandon ends a rig of Open the way the death of its process would: its descriptors are closed and its threads stop,
// without shutting anything. It is there for the contract suite and for nothing else.
func Abandon(h hal.Rig) {
	if r, ok := h.(*rig); ok {
		_ = r.end(true) // a dead process tells nobody
	}
}
