package haltest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"fountain/hal"
)

// unplugged parts give errors, never a zero that looks like good news.
func unplugged(t *testing.T, b Bench) {
	if b.Hooks.Unplug == nil {
		t.Fatal("the bench cannot unplug a chip (Hooks.Unplug)")
	}
	h := open(t, b, hal.OwnerAgent)
	done := 0
	for _, p := range h.Rig.Parts() {
		if p.Owner != hal.OwnerAgent || !b.Hooks.Unplug(p.ID, true) {
			continue
		}
		done++
		h.missed(t, p)
		b.eventually(t, time.Second, p.ID+" unplugged: Health says so", h.anyGone)
		b.Hooks.Unplug(p.ID, false)
		b.eventually(t, 5*time.Second, p.ID+" plugged in again: it answers", func() bool { return !h.anyGone() })
		if err := h.Rig.Safe(nil); err != nil {
			t.Errorf("%s plugged in again: safe: %v", p.ID, err)
		}
		b.eventually(t, react, p.ID+" plugged in again: all shut", h.lines(false))
	}
	if done == 0 {
		t.Error("the bench offers to unplug chips and can unplug none")
	}
}

// anyGone tells whether Health reports something that does not work now. That it was away for a while may be said for
// longer.
func (h *hand) anyGone() bool {
	return slices.ContainsFunc(h.Rig.Health(), func(f hal.Fault) bool { return f.Kind != hal.FaultReset && !h.b.wiredSo(f) })
}

// missed uses a part whose chip does not answer, and wants to be told.
func (h *hand) missed(t *testing.T, p hal.Part) {
	t.Helper()
	limit := 2 * time.Second
	switch p.Kind {
	case hal.KindValve, hal.KindAgitator:
		bit, err := h.Rig.Outputs().Bit(p.ID)
		if err != nil {
			t.Fatal(err)
		}
		h.b.eventually(t, limit, p.ID+" unplugged: Apply fails", func() bool { return errors.Is(h.Rig.Outputs().Apply(bit, bit), hal.ErrGone) })
	case hal.KindPump:
		u, err := h.Rig.Pump(p.ID)
		if err != nil {
			t.Fatal(err)
		}
		h.b.eventually(t, limit, p.ID+" unplugged: Dose fails", func() bool { return errors.Is(u.Dose(1, 0), hal.ErrGone) })
	case hal.KindInterlock:
		h.b.eventually(t, limit, p.ID+" unplugged: Interlocks fail", func() bool { _, err := h.Rig.Interlocks().Now(); return err != nil })
	case hal.KindSlot:
		s, err := h.Rig.Slot(p.ID)
		if err != nil {
			t.Fatal(err)
		}
		h.b.eventually(t, limit, p.ID+" unplugged: Tag fails", func() bool { return errors.Is(readTag(t, s), hal.ErrGone) })
	case hal.KindSensor:
		s, err := h.Rig.Sensor(p.ID)
		if err != nil {
			t.Fatal(err)
		}
		h.b.eventually(t, 5*h.b.poll(), p.ID+" unplugged: the reading is not good", func() bool { return s.Read().Quality != hal.Good })
	}
}

func readTag(t *testing.T, s hal.CartridgeSlot) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := s.Tag(ctx)
	return err
}

func (b Bench) poll() time.Duration { return max(b.Hooks.SensorEvery, time.Second/10) }

// sensors say what is so, how old it is, and when they are broken.
func sensors(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	found := 0
	for _, p := range h.Rig.Parts() {
		if p.Kind != hal.KindSensor || p.Owner != hal.OwnerAgent {
			continue
		}
		found++
		if p.Role == "" {
			t.Errorf("sensor %s has no role", p.ID)
		}
		s, err := h.Rig.Sensor(p.ID)
		if err != nil {
			t.Fatal(err)
		}
		b.eventually(t, 5*b.poll(), p.ID+" is read", func() bool { return s.Read().Quality == hal.Good })
		if b.Hooks.SetSensor != nil {
			sensorFollows(t, b, h, p, s)
		}
		if b.Hooks.BreakSensor != nil {
			b.Hooks.BreakSensor(p.ID, true)
			b.eventually(t, 6*b.poll(), p.ID+" broken: bad", func() bool { r := s.Read(); return r.Quality != hal.Good && r.Why != "" })
			b.Hooks.BreakSensor(p.ID, false)
			b.eventually(t, 6*b.poll(), p.ID+" mended: good", func() bool { return s.Read().Quality == hal.Good })
		}
	}
	if _, err := h.Rig.Sensor("nothing"); !errors.Is(err, hal.ErrUnknownPart) {
		t.Errorf("Sensor: %v, want ErrUnknownPart", err)
	}
	if found == 0 {
		t.Fatal("the bench's rig file has no sensor")
	}
	if b.Hooks.SetSensor == nil || b.Hooks.BreakSensor == nil {
		t.Log("the bench cannot set or break its sensors (Hooks.SetSensor, Hooks.BreakSensor): only that they are read was proved")
	}
}

func sensorFollows(t *testing.T, b Bench, h *hand, p hal.Part, s hal.Sensor) {
	t.Helper()
	values := []float64{4.5, 9.5}
	if p.Role == hal.RoleWaterPressure || p.Role == hal.RoleCO2Pressure {
		values = []float64{250, 450}
	}
	last := time.Duration(0)
	for _, v := range values {
		b.Hooks.SetSensor(p.ID, v)
		b.eventually(t, 5*b.poll(), fmt.Sprintf("%s says %v", p.ID, v), func() bool {
			r := s.Read()
			return r.Quality == hal.Good && math.Abs(r.Value-v) < 0.3+0.02*v
		})
		r := s.Read()
		if age := h.Pacer.Now() - r.At; age < 0 || age > 3*b.poll()+b.Slack {
			t.Errorf("%s: a good reading is %v old", p.ID, age)
		}
		if r.At <= last {
			t.Errorf("%s: read at %v, the value before at %v", p.ID, r.At, last)
		}
		last = r.At
	}
}

// agitators are outputs of the group: shut at the start, with a dead-man, and not the guard's.
func agitators(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	found := 0
	for _, p := range h.Rig.Parts() {
		if p.Kind != hal.KindAgitator || p.Owner != hal.OwnerAgent {
			continue
		}
		found++
		bit, err := h.Rig.Outputs().Bit(p.ID)
		if err != nil {
			t.Fatalf("bit of %s: %v", p.ID, err)
		}
		if bit&h.all != 0 {
			t.Errorf("%s has the bit of a valve", p.ID)
		}
		level := func(want bool) func() bool {
			return func() bool { l, _ := b.Plant.Line(p.ID); return l == want }
		}
		if !level(false)() {
			t.Errorf("%s runs right after open", p.ID)
		}
		before := h.Pacer.Now()
		h.apply(t, bit|h.bits[0], bit|h.bits[0]) // together with a valve
		b.eventually(t, react, p.ID+" runs", level(true))
		b.eventually(t, p.MaxOpen+react, p.ID+" is stopped by the dead-man", level(false))
		if _, at := b.Plant.Line(p.ID); at-before < p.MaxOpen {
			t.Errorf("%s was stopped after %v, before its max_open %v", p.ID, at-before, p.MaxOpen)
		}
		h.apply(t, bit, bit)
		b.eventually(t, react, p.ID+" runs again", level(true))
		if err := h.Rig.Safe(nil); err != nil {
			t.Errorf("safe: %v", err)
		}
		b.eventually(t, react, p.ID+" stops with Safe", level(false))
	}
	if found == 0 {
		t.Fatal("the bench's rig file has no agitator")
	}
}

// polarity: an active-low line is high while it is shut, and its twin low; both are so before the first command.
func polarity(t *testing.T, b Bench) {
	if b.Hooks.Level == nil {
		t.Fatal("the bench does not show the lines' voltages (Hooks.Level)")
	}
	h := open(t, b, hal.OwnerAgent)
	twins := map[bool]int{}
	ids := []string{}
	bits := h.all
	for _, p := range h.Rig.Parts() {
		if p.Owner != hal.OwnerAgent || p.Kind != hal.KindValve && p.Kind != hal.KindAgitator {
			continue
		}
		bit, err := h.Rig.Outputs().Bit(p.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, low := b.Hooks.Level(p.ID)
		twins[low]++
		ids, bits = append(ids, p.ID), bits|bit
	}
	if twins[true] == 0 || twins[false] == 0 {
		t.Fatal("the bench's rig file has no twins: one output active high, one active low")
	}
	for _, open := range []bool{false, true, false} {
		want := uint64(0)
		if open {
			want = bits
		}
		h.apply(t, bits, want)
		for _, id := range ids {
			b.eventually(t, react, fmt.Sprintf("%s: voltage for open=%v", id, open), func() bool {
				high, low := b.Hooks.Level(id)
				return high == (open != low)
			})
		}
	}
}

// afterClose uses everything of a closed rig: nothing moves, nothing panics, nothing looks like good news.
func afterClose(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	meter, err := h.Rig.Meter(partOf(t, h.Rig, hal.KindMeter, hal.OwnerAgent))
	if err != nil {
		t.Fatal(err)
	}
	pump, err := h.Rig.Pump(partOf(t, h.Rig, hal.KindPump, hal.OwnerAgent))
	if err != nil {
		t.Fatal(err)
	}
	slot, err := h.Rig.Slot(partOf(t, h.Rig, hal.KindSlot, hal.OwnerAgent))
	if err != nil {
		t.Fatal(err)
	}
	h.apply(t, h.all, h.all)
	if err := pump.Dose(500, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond)
	var both sync.WaitGroup
	for range 2 { // at once, from two goroutines
		both.Go(func() {
			if err := h.Rig.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	both.Wait()
	b.eventually(t, react, "lines shut after Close", h.lines(false))
	_ = meter.Count()
	_ = pump.Delivered()
	_ = h.Rig.Outputs().Commanded()
	_ = pump.Stop()
	if err := pump.Dose(1, 0); err == nil {
		t.Error("a closed rig doses")
	}
	if err := readTag(t, slot); err == nil {
		t.Error("a closed rig reads tags")
	}
	_ = h.Rig.Safe(nil) // has nothing to do, and may say so
	if len(h.Rig.Health()) == 0 {
		t.Error("a closed rig is healthy")
	}
	again := open(t, b, hal.OwnerAgent)
	if !again.lines(false)() {
		t.Error("a line is high when the rig is opened again")
	}
}
