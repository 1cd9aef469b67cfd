package linux

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
	"fountain/hal/chips"
	"fountain/hal/chips/chipmodel"
)

const expanderAddr, doserAddr = 0x20, 0x40

// newTestExpander puts a model of an MCP23017 with valves on lines 0 (active low) and 9 on a bus; nothing runs yet.
func newTestExpander(b *bus) (*expander, *chipmodel.MCP23017) {
	models, m := chipmodel.NewBus(), chipmodel.NewMCP23017()
	models.Put(expanderAddr, m)
	e := &expander{
		bus: b, id: "x1", chip: chips.NewMCP23017(modelBus{models}, expanderAddr), shut: func(uint64) {},
		lines: []expanderLine{{bit: 0, line: 0}, {bit: 1, line: 9}}, used: 1<<0 | 1<<9 | 1<<4, low: 1 << 0, own: 0b11,
	}
	b.expanders = append(b.expanders, e)
	return e, m
}

// rigOnBus is a group of two valves and a pump behind one expander, with its worker, in a bubble.
type rigOnBus struct {
	o      *outputs
	e      *expander
	model  *chipmodel.MCP23017
	models *chipmodel.Bus
	pump   *expanderPump
}

// open tells which valves the chip's pins open.
func (r *rigOnBus) open() (bits uint64) {
	levels, driven := r.model.Pins()
	if driven&1 != 0 && levels&1 == 0 { // active low
		bits |= 1
	}
	if levels&(1<<9) != 0 {
		bits |= 2
	}
	return bits
}

func onBus(t *testing.T, f func(t *testing.T, r *rigOnBus)) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		b := newBus(1, log)
		e, m := newTestExpander(b)
		models := chipmodel.NewBus()
		models.Put(expanderAddr, m)
		e.chip = chips.NewMCP23017(modelBus{models}, expanderAddr)
		o := newOutputs(log)
		o.add("low", time.Second)
		o.add("high", time.Second)
		o.sinks = []sink{e}
		e.shut = o.shut
		r := &rigOnBus{o: o, e: e, model: m, models: models}
		r.pump = &expanderPump{e: e, line: 4, stroker: stroker{shortest: 10 * ms}}
		e.strokes = append(e.strokes, r.pump)
		if err := e.init(); err != nil {
			t.Fatal(err)
		}
		o.start()
		b.start()
		f(t, r)
		_ = o.close(false) // may say that the chip is gone
		_ = b.close(false)
		if r.open() != 0 && e.reset == nil && !e.gone {
			t.Errorf("open after close: %b", r.open())
		}
	})
}

func soon() { time.Sleep(5 * ms); synctest.Wait() }

func TestExpanderFollows(t *testing.T) {
	onBus(t, func(t *testing.T, r *rigOnBus) {
		if got := r.open(); got != 0 {
			t.Fatalf("open at the start: %b", got)
		}
		for _, bits := range []uint64{0b11, 0b01, 0b10, 0} {
			r.o.must(t, 0b11, bits)
			soon()
			if got := r.open(); got != bits {
				t.Errorf("open %b, want %b", got, bits)
			}
		}
		r.o.must(t, 0b11, 0b11)
		time.Sleep(time.Second + 5*ms) // the dead-man reaches behind the wire
		synctest.Wait()
		if r.open() != 0 || r.o.Commanded() != 0 {
			t.Errorf("open %b, commanded %b after max_open", r.open(), r.o.Commanded())
		}
	})
}

// The control loop is never held up by a slow bus.
func TestExpanderDoesNotHoldTheLoop(t *testing.T) {
	onBus(t, func(t *testing.T, r *rigOnBus) {
		r.models.Slow(50 * ms)
		start := time.Now()
		for range 10 {
			r.o.must(t, 0b11, 0b11)
		}
		_ = r.o.safe()
		if d := time.Since(start); d != 0 {
			t.Errorf("calls took %v", d)
		}
		time.Sleep(time.Second)
	})
}

// A bus that is slow all the time is told; it is no failure.
func TestSlowBusIsTold(t *testing.T) {
	onBus(t, func(t *testing.T, r *rigOnBus) {
		r.models.Slow(50 * ms)
		time.Sleep(4 * checkEvery * 3)
		synctest.Wait()
		if f := r.e.faults("x1", r.e.bus.now()); len(f) != 1 || f[0].Kind != hal.FaultSlow {
			t.Errorf("health %v", f)
		}
		r.o.must(t, 0b11, 0b01)
		time.Sleep(500 * ms)
		if r.open() != 0b01 {
			t.Errorf("open %b", r.open())
		}
		r.models.Slow(0)
		time.Sleep(noteFor + checkEvery)
		synctest.Wait()
		if f := r.e.faults("x1", r.e.bus.now()); len(f) != 0 {
			t.Errorf("health of a quick bus: %v", f)
		}
	})
}

// A chip that stops answering with a valve open: told at once, nothing opens again by itself, and once it answers all is
// shut until the owner has taken note.
func TestExpanderGoneAndBack(t *testing.T) {
	onBus(t, func(t *testing.T, r *rigOnBus) {
		r.o.must(t, 0b11, 0b10)
		soon()
		r.models.Fail(expanderAddr, chipmodel.ErrNAK)
		time.Sleep(checkEvery + 10*ms) // nobody writes: the read-back finds it
		synctest.Wait()
		if err := r.o.Apply(0b10, 0b10); !errors.Is(err, hal.ErrGone) {
			t.Errorf("apply to a chip that is gone: %v", err)
		}
		if f := r.e.faults("x1", r.e.bus.now()); len(f) != 1 {
			t.Errorf("health %v", f)
		}
		r.models.Fail(expanderAddr, nil)
		time.Sleep(retryGone + 10*ms)
		synctest.Wait()
		if r.open() != 0 || r.o.Commanded() != 0 {
			t.Errorf("it came back open: %b, commanded %b", r.open(), r.o.Commanded())
		}
		for range 3 { // whoever renews without looking opens nothing
			if err := r.o.Apply(0b10, 0b10); !errors.Is(err, hal.ErrGone) {
				t.Errorf("renewing after it came back: %v", err)
			}
			soon()
		}
		if r.open() != 0 {
			t.Error("renewing opened a valve that had been shut by a failure")
		}
		if err := r.o.Apply(0b11, 0); !errors.Is(err, hal.ErrGone) {
			t.Errorf("the call that takes note: %v", err)
		}
		r.o.must(t, 0b11, 0b11)
		soon()
		if r.open() != 0b11 {
			t.Errorf("open %b after it was taken note of", r.open())
		}
		time.Sleep(noteFor)
		if f := r.e.faults("x1", r.e.bus.now()); len(f) != 0 {
			t.Errorf("health %v long after", f)
		}
	})
}

// Reset to its defaults in the middle of a pour: found by the read-back, shut, told; the same for a changed direction.
func TestExpanderReset(t *testing.T) {
	for name, disturb := range map[string]func(*chipmodel.MCP23017){
		"reset":     (*chipmodel.MCP23017).Reset,
		"direction": func(m *chipmodel.MCP23017) { m.Poke(1, 0xFF) },
		"latch":     func(m *chipmodel.MCP23017) { m.Poke(0x15, 0xFF) },
	} {
		t.Run(name, func(t *testing.T) {
			onBus(t, func(t *testing.T, r *rigOnBus) {
				r.o.must(t, 0b11, 0b01)
				soon()
				disturb(r.model)
				time.Sleep(checkEvery + 10*ms)
				synctest.Wait()
				if _, driven := r.model.Pins(); r.open() != 0 || driven != r.e.used {
					t.Errorf("open %b, driven %b, want all shut and %b driven", r.open(), driven, r.e.used)
				}
				if err := r.o.Apply(0b01, 0b01); !errors.Is(err, hal.ErrGone) {
					t.Errorf("apply after the reset: %v", err)
				}
				if f := r.e.faults("x1", r.e.bus.now()); len(f) != 1 {
					t.Errorf("health %v", f)
				}
			})
		})
	}
	t.Run("idle", func(t *testing.T) { // nothing was open: told, and nothing is held against the next pour
		onBus(t, func(t *testing.T, r *rigOnBus) {
			r.model.Reset()
			time.Sleep(checkEvery + 10*ms)
			synctest.Wait()
			if f := r.e.faults("x1", r.e.bus.now()); len(f) != 1 {
				t.Errorf("health %v", f)
			}
			r.o.must(t, 0b11, 0b11)
			soon()
			if r.open() != 0b11 {
				t.Errorf("open %b", r.open())
			}
		})
	})
}

// Who opens a valve while the worker sets up a chip that was reset gets no valve that the dead-man does not know.
func TestOpenWhileAChipIsSetUp(t *testing.T) {
	onBus(t, func(t *testing.T, r *rigOnBus) {
		var begun atomic.Bool
		r.e.reset = func(assert bool) error { begun.Store(assert); return nil } // setting up takes two pulses of it
		r.o.must(t, 0b11, 0)
		r.model.Reset()
		for !begun.Load() {
			time.Sleep(ms / 4)
		}
		_ = r.o.Apply(0b01, 0b01)
		soon()
		if got := r.open(); got&^r.o.Commanded() != 0 {
			t.Errorf("open %b, commanded %b: the dead-man does not see it", got, r.o.Commanded())
		}
		time.Sleep(time.Second + 5*ms)
		if got := r.open(); got != 0 {
			t.Errorf("open %b after max_open", got)
		}
	})
}

// With a reset line the outputs fall although the bus is dead.
func TestResetLineShutsWithoutTheBus(t *testing.T) {
	onBus(t, func(t *testing.T, r *rigOnBus) {
		asserted := false
		r.e.bus.mu.Lock()
		r.e.reset = func(on bool) error {
			if asserted = on; on {
				r.model.Reset()
			}
			return nil
		}
		r.e.bus.mu.Unlock()
		r.o.must(t, 0b11, 0b11)
		soon()
		r.models.Fail(expanderAddr, chipmodel.ErrNAK)
		time.Sleep(checkEvery + 10*ms)
		synctest.Wait()
		if !asserted || r.open() != 0 {
			t.Errorf("reset asserted %v, open %b", asserted, r.open())
		}
	})
}

func TestExpanderPump(t *testing.T) {
	onBus(t, func(t *testing.T, r *rigOnBus) {
		rises, high := 0, false
		r.model.OnChange = func(levels, _ uint16) {
			if now := levels&(1<<4) != 0; now != high {
				if high = now; now {
					rises++
				}
			}
		}
		if err := errors.Join(r.pump.Dose(3, 20*ms), r.pump.Dose(2, 20*ms), r.pump.Dose(0, 0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * ms)
		synctest.Wait()
		if n := r.pump.Delivered(); n != 3 {
			t.Errorf("%d strokes in 50 ms at one every 20 ms, want 3", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := r.pump.Delivered(); n != 5 || rises != 5 {
			t.Errorf("%d strokes, %d pulses, want 5", n, rises)
		}
		_ = r.pump.Dose(1000, 0)
		time.Sleep(42 * ms)
		_ = r.o.safe()
		time.Sleep(20 * ms)
		at := r.pump.Delivered()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := r.pump.Delivered(); n != at || high {
			t.Errorf("%d strokes after Safe at %d, line high %v", n, at, high)
		}
	})
}

// pumps behind a doser's model, whose own clock runs with the bubble's.
func onDoser(t *testing.T, f func(t *testing.T, d *doser, m *chipmodel.Doser, models *chipmodel.Bus)) {
	synctest.Test(t, func(t *testing.T) {
		models, m := chipmodel.NewBus(), chipmodel.NewDoser()
		start := time.Now()
		m.Now = func() time.Duration { return time.Since(start) }
		models.Put(doserAddr, m)
		b := newBus(1, slog.New(slog.DiscardHandler))
		d := &doser{bus: b, id: "d1", chip: chips.NewDoser(modelBus{models}, doserAddr)}
		for _, ch := range []int{2, 7} {
			d.pumps[ch] = &doserPump{d: d, ch: ch, shortest: 5 * ms}
		}
		b.dosers = append(b.dosers, d)
		if err := d.open(); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(ms):
					m.Advance()
				}
			}
		}()
		b.start()
		f(t, d, m, models)
		_ = b.close(false) // may say that the chip is gone
		close(stop)
	})
}

func TestDoserDelivers(t *testing.T) {
	onDoser(t, func(t *testing.T, d *doser, m *chipmodel.Doser, _ *chipmodel.Bus) {
		p, q := d.pumps[2], d.pumps[7]
		if err := errors.Join(p.Dose(10, 10*ms), p.Dose(10, 10*ms), q.Dose(30, 0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * ms)
		synctest.Wait()
		if n := p.Delivered(); n < 8 || n > 11 {
			t.Errorf("%d strokes in 100 ms at one every 10 ms", n)
		}
		time.Sleep(120 * ms)
		synctest.Wait()
		if a, b := p.Delivered(), q.Delivered(); a != 20 || b != 30 {
			t.Errorf("%d and %d strokes, want 20 and 30", a, b)
		}
		time.Sleep(10 * time.Second) // longer than the chip bears silence: the worker kept it alive, idle
		if err := p.Dose(5, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * ms)
		synctest.Wait()
		if n := p.Delivered(); n != 25 {
			t.Errorf("%d strokes, want 25", n)
		}
	})
}

func TestDoserStopsOneOrAll(t *testing.T) {
	onDoser(t, func(t *testing.T, d *doser, m *chipmodel.Doser, _ *chipmodel.Bus) {
		p, q := d.pumps[2], d.pumps[7]
		_, _ = p.Dose(1000, 10*ms), q.Dose(1000, 10*ms)
		time.Sleep(50 * ms)
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * ms)
		synctest.Wait()
		at, other := p.Delivered(), q.Delivered()
		time.Sleep(200 * ms)
		synctest.Wait()
		if p.Delivered() != at || q.Delivered() < other+18 {
			t.Errorf("stopped pump %d → %d, the other %d → %d", at, p.Delivered(), other, q.Delivered())
		}
		_ = p.Dose(1000, 10*ms)
		time.Sleep(50 * ms)
		_ = d.safe()
		time.Sleep(20 * ms)
		synctest.Wait()
		at, other = p.Delivered(), q.Delivered()
		time.Sleep(time.Second)
		synctest.Wait()
		if p.Delivered() != at || q.Delivered() != other {
			t.Errorf("after Safe %d → %d, %d → %d", at, p.Delivered(), other, q.Delivered())
		}
		if err := p.Dose(3, 0); err != nil {
			t.Errorf("dose after Safe: %v", err)
		}
		time.Sleep(100 * ms)
		synctest.Wait()
		if p.Delivered() != at+3 {
			t.Errorf("%d strokes, want %d", p.Delivered(), at+3)
		}
	})
}

// A pump driver that fails or starts anew while it doses: told until the owner has stopped the pump; what was left is never
// given later; confirmed strokes only grow.
func TestDoserFails(t *testing.T) {
	for name, fault := range map[string]func(m *chipmodel.Doser, models *chipmodel.Bus){
		"reset": func(m *chipmodel.Doser, _ *chipmodel.Bus) { m.Reset() },
		"gone": func(_ *chipmodel.Doser, models *chipmodel.Bus) {
			models.Fail(doserAddr, chipmodel.ErrNAK)
			time.Sleep(400 * ms)
			models.Fail(doserAddr, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onDoser(t, func(t *testing.T, d *doser, m *chipmodel.Doser, models *chipmodel.Bus) {
				p := d.pumps[2]
				var strokes atomic.Int64
				m.Stroke = func(int) bool { strokes.Add(1); return true }
				given := func() int { synctest.Wait(); return int(strokes.Load()) }
				_ = p.Dose(1000, 10*ms)
				time.Sleep(105 * ms)
				before := p.Delivered()
				fault(m, models)
				time.Sleep(600 * ms)
				synctest.Wait()
				if err := p.Dose(1, 0); !errors.Is(err, hal.ErrGone) {
					t.Errorf("dose after the failure: %v", err)
				}
				if f := d.faults("d1", d.bus.now()); len(f) != 1 {
					t.Errorf("health %v", f)
				}
				if n := p.Delivered(); n < before {
					t.Errorf("the count went back: %d after %d", n, before)
				}
				if err := p.Stop(); err != nil {
					t.Errorf("stop: %v", err)
				}
				at := given()
				time.Sleep(time.Second)
				if n := given(); n != at {
					t.Errorf("%d strokes of a dose that had failed", n-at)
				}
				if err := p.Dose(4, 0); err != nil {
					t.Errorf("dose after it was taken note of: %v", err)
				}
				time.Sleep(100 * ms)
				synctest.Wait()
				if n := given(); n != at+4 {
					t.Errorf("%d strokes, want 4", n-at)
				}
			})
		})
	}
}

// The worker dies with its process: the chip stops by itself.
func TestDoserOutlivesNoHost(t *testing.T) {
	onDoser(t, func(t *testing.T, d *doser, m *chipmodel.Doser, _ *chipmodel.Bus) {
		var given atomic.Int64
		m.Stroke = func(int) bool { given.Add(1); return true }
		_ = d.pumps[2].Dose(1000, 10*ms)
		time.Sleep(100 * ms)
		_ = d.bus.close(true)
		at := given.Load()
		time.Sleep(5 * time.Second)
		if n := given.Load() - at; n > 26 {
			t.Errorf("%d strokes after the host died", n)
		}
	})
}
