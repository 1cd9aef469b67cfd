package linux

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/hal"
)

// file is a request whose writes the test sees; it can fail.
type file struct {
	mu     sync.Mutex
	bits   uint64
	writes int
	err    error
}

func (f *file) fail(err error) { f.mu.Lock(); f.err = err; f.mu.Unlock() }

func (f *file) set(mask, bits uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.bits = f.bits&^mask | bits&mask
	f.writes++
	return nil
}
func (f *file) get(mask uint64) (uint64, error) { return f.bits & mask, f.err }
func (f *file) read([]lineEvent) (int, error)   { return 0, nil }
func (f *file) fd() int                         { return -1 }
func (f *file) close() error                    { return nil }

// group of three outputs: a and c on one chip in the order c, a; b on another.
func newGroup(t *testing.T) (o *outputs, one, two *file) {
	one, two = &file{}, &file{}
	o = newOutputs(slog.New(slog.DiscardHandler))
	o.add("a", 400*time.Millisecond)
	o.add("b", time.Second)
	o.add("c", 3*time.Second)
	o.sinks = []sink{newGPIOSink(one, []uint8{2, 0}), newGPIOSink(two, []uint8{1})}
	o.start()
	t.Cleanup(func() { _ = o.close(false) })
	return o, one, two
}

func (o *outputs) must(t *testing.T, mask, bits uint64) {
	t.Helper()
	if err := o.Apply(mask, bits); err != nil {
		t.Fatalf("apply %b=%b: %v", mask, bits, err)
	}
}

func TestApplyMapsBits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, one, two := newGroup(t)
		o.must(t, 0b101, 0b111) // bits outside the mask do not matter
		if one.bits != 0b11 || two.bits != 0 || one.writes != 1 || two.writes != 0 || o.Commanded() != 0b101 {
			t.Errorf("one %b (%d writes), two %b (%d writes), commanded %b", one.bits, one.writes, two.bits, two.writes, o.Commanded())
		}
		o.must(t, 0b001, 0)
		if one.bits != 0b01 || o.Commanded() != 0b100 {
			t.Errorf("one %b, commanded %b", one.bits, o.Commanded())
		}
		if err := o.Apply(0b1000, 0); !errors.Is(err, hal.ErrUnknownPart) {
			t.Errorf("a bit nobody has: %v", err)
		}
	})
}

// The dead-man of each output runs by itself, exactly at its time, whatever the caller does.
func TestDeadManShutsEachAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, one, two := newGroup(t)
		start := time.Now()
		o.must(t, 0b111, 0b111)
		for _, step := range []struct {
			at       time.Duration
			one, two uint64
			bits     uint64
		}{
			{399 * time.Millisecond, 0b11, 1, 0b111},
			{401 * time.Millisecond, 0b01, 1, 0b110},
			{999 * time.Millisecond, 0b01, 1, 0b110},
			{1001 * time.Millisecond, 0b01, 0, 0b100},
			{2999 * time.Millisecond, 0b01, 0, 0b100},
			{3001 * time.Millisecond, 0, 0, 0},
		} {
			time.Sleep(step.at - time.Since(start))
			synctest.Wait()
			if one.bits != step.one || two.bits != step.two || o.Commanded() != step.bits {
				t.Errorf("at %v: one %b, two %b, commanded %b", step.at, one.bits, two.bits, o.Commanded())
			}
		}
		time.Sleep(time.Hour)
		o.must(t, 0b001, 0b001) // and again after a long rest
		time.Sleep(401 * time.Millisecond)
		synctest.Wait()
		if one.bits != 0 {
			t.Error("the second opening was not shut")
		}
	})
}

func TestRenewingKeepsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, one, _ := newGroup(t)
		for range 20 {
			o.must(t, 0b001, 0b001)
			time.Sleep(399 * time.Millisecond)
			synctest.Wait()
			if one.bits == 0 {
				t.Fatal("shut although it was renewed")
			}
		}
		o.must(t, 0b100, 0b100) // another one's renewal is not this one's
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if o.Commanded() != 0b100 {
			t.Errorf("commanded %b", o.Commanded())
		}
	})
}

// A line that cannot be shut is tried again until it can.
func TestDeadManTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, one, _ := newGroup(t)
		o.must(t, 0b001, 0b001)
		one.fail(gone(errors.New("no")))
		time.Sleep(time.Second)
		synctest.Wait()
		if o.Commanded() != 0b001 {
			t.Errorf("an output that could not be shut counts as shut: %b", o.Commanded())
		}
		one.fail(nil)
		time.Sleep(2 * deadManRetry)
		synctest.Wait()
		if one.bits != 0 || o.Commanded() != 0 {
			t.Errorf("one %b, commanded %b", one.bits, o.Commanded())
		}
	})
}

// One chip's fault keeps no other from being shut.
func TestSafeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, one, two := newGroup(t)
		o.must(t, 0b111, 0b111)
		one.fail(hal.ErrGone)
		if err := o.safe(); !errors.Is(err, hal.ErrGone) {
			t.Errorf("safe with a chip gone: %v", err)
		}
		if two.bits != 0 || o.Commanded() != 0b101 {
			t.Errorf("two %b, commanded %b", two.bits, o.Commanded())
		}
		one.fail(nil)
		if err := errors.Join(o.safe(), o.safe()); err != nil || one.bits != 0 || o.Commanded() != 0 {
			t.Errorf("%v, one %b, commanded %b", err, one.bits, o.Commanded())
		}
		if err := o.close(false); err != nil {
			t.Error(err)
		}
		if err := o.Apply(1, 1); !errors.Is(err, hal.ErrClosed) || one.bits != 0 {
			t.Errorf("apply after close: %v", err)
		}
	})
}

func TestControlLoopCallsDoNotAllocate(t *testing.T) {
	o, _, _ := newGroup(t)
	in := &inputs{file: &file{}, signals: []hal.Interlocks{hal.Door}, lines: make([]debouncer, 1), now: NewPacer().Now}
	h := &heart{file: &file{}, every: time.Nanosecond}
	c := newCounters(2)
	e, _ := newTestExpander(newBus(0, slog.New(slog.DiscardHandler)))
	p := NewPacer()
	for name, f := range map[string]func(){
		"Apply":    func() { _ = o.Apply(0b111, 0b111) },
		"shut":     func() { _ = o.Apply(0b111, 0) },
		"safe":     func() { _ = o.safe() },
		"read":     func() { _, _ = in.read() },
		"beat":     func() { _ = h.beat(p.Now()) },
		"Count":    func() { _ = c.all[0].Count() },
		"expander": func() { _ = e.apply(1, 1) },
		"Now":      func() { _ = p.Now() },
		"sleep":    func() { p.SleepUntil(p.Now() + time.Microsecond) },
		"event":    func() { c.take([]lineEvent{ev(p.Now(), 0, c.seq+1, c.all[0].lineSeq+1)}) },
	} {
		if n := testing.AllocsPerRun(100, f); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
