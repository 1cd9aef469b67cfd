package haltest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"fountain/hal"
)

// safeIsQuick shuts from every state and from many goroutines at once, each time within the limit.
func safeIsQuick(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	pump, err := h.Rig.Pump(partOf(t, h.Rig, hal.KindPump, hal.OwnerAgent))
	if err != nil {
		t.Fatal(err)
	}
	first := h.valves[0].MaxOpen
	for _, s := range []struct {
		name   string
		open   uint64
		doses  int
		before time.Duration // between the command and Safe
	}{
		{"nothing open", 0, 0, 0},
		{"just commanded", h.all, 0, 0},
		{"one open", h.bits[0], 0, 30 * time.Millisecond},
		{"all open, dosing", h.all, 500, 30 * time.Millisecond},
		{"the dead-man about to shut", h.all, 0, first - time.Millisecond},
	} {
		h.apply(t, h.all, s.open)
		if err := pump.Dose(s.doses, 10*time.Millisecond); err != nil {
			t.Fatalf("%s: dose: %v", s.name, err)
		}
		h.Pacer.SleepUntil(h.Pacer.Now() + s.before)
		at := h.Pacer.Now()
		var calls sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			calls.Go(func() { errs[i] = h.Rig.Safe(errors.New(s.name)) })
		}
		calls.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("%s: safe: %v", s.name, err)
		}
		b.eventually(t, react, s.name+": all lines low after Safe", h.lines(false))
		for _, v := range h.valves {
			if _, changed := b.Plant.Line(v.ID); changed-at > react+b.Slack {
				t.Errorf("%s: %s was shut %v after Safe", s.name, v.ID, changed-at)
			}
		}
	}
	if b.Slack > 0 {
		return // on a live host other goroutines allocate
	}
	if n := testing.AllocsPerRun(20, func() { _ = h.Rig.Safe(nil) }); n != 0 {
		t.Errorf("Safe allocates %v times", n)
	}
}

// meterAtRates counts every pulse from one to two hundred a second.
func meterAtRates(t *testing.T, b Bench) {
	if b.Hooks.Pulse == nil {
		t.Fatal("the bench cannot make single pulses (Hooks.Pulse)")
	}
	h := open(t, b, hal.OwnerAgent)
	id := partOf(t, h.Rig, hal.KindMeter, hal.OwnerAgent)
	m, err := h.Rig.Meter(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ perSecond, n int }{{1, 2}, {20, 10}, {100, 50}, {200, 150}} {
		every := time.Second / time.Duration(r.perSecond)
		before := m.Count()
		b.Hooks.Pulse(id, r.n, every)
		b.eventually(t, time.Duration(r.n)*every+react+b.Slack, fmt.Sprintf("%d pulses at %d/s", r.n, r.perSecond), func() bool {
			return m.Count().Pulses-before.Pulses >= uint64(r.n)
		})
		time.Sleep(min(2*every, 100*time.Millisecond) + b.Slack/4)
		c := m.Count()
		if got := c.Pulses - before.Pulses; got != uint64(r.n) || c.Lost != before.Lost {
			t.Errorf("%d/s: counted %d of %d pulses, %d lost", r.perSecond, got, r.n, c.Lost-before.Lost)
		}
		if off := (c.Period - every).Abs(); b.exact() && off > every/10+time.Millisecond {
			t.Errorf("%d/s: period %v", r.perSecond, c.Period)
		}
		if now := h.Pacer.Now(); c.Last <= before.Last || c.Last > now {
			t.Errorf("%d/s: newest pulse at %v, the one before at %v, now %v", r.perSecond, c.Last, before.Last, now)
		}
	}
}

// meterLoss says how many pulses were missed when nobody read them, and counts them.
func meterLoss(t *testing.T, b Bench) {
	if b.Hooks.Pulse == nil || b.Hooks.StallReader == nil {
		t.Fatal("the bench cannot hold up the reader of the pulses (Hooks.Pulse, Hooks.StallReader)")
	}
	h := open(t, b, hal.OwnerAgent)
	id := partOf(t, h.Rig, hal.KindMeter, hal.OwnerAgent)
	m, err := h.Rig.Meter(id)
	if err != nil {
		t.Fatal(err)
	}
	n := b.Hooks.EventBuffer + 200
	before, sent := m.Count(), b.Plant.Pulses(id)
	b.Hooks.StallReader(func() {
		b.Hooks.Pulse(id, n, time.Millisecond)
		b.eventually(t, time.Duration(n)*2*time.Millisecond, "the pulses are sent", func() bool { return b.Plant.Pulses(id)-sent >= uint64(n) })
	})
	b.eventually(t, time.Second, "the reader catches up", func() bool { return m.Count().Pulses-before.Pulses >= uint64(n) })
	c := m.Count()
	if got := c.Pulses - before.Pulses; got != uint64(n) {
		t.Errorf("counted %d pulses, %d were sent", got, n)
	}
	if lost := c.Lost - before.Lost; lost == 0 || lost > uint64(n) {
		t.Errorf("%d of %d pulses reported lost with a buffer of %d", lost, n, b.Hooks.EventBuffer)
	}
	b.Hooks.Pulse(id, 5, 10*time.Millisecond)
	b.eventually(t, 100*time.Millisecond, "five more", func() bool { return m.Count().Pulses-c.Pulses == 5 })
	if again := m.Count(); again.Lost != c.Lost || again.Last <= c.Last {
		t.Errorf("after the loss: %+v, then %+v", c, again)
	}
}

// debounce ignores chatter and sees what stays.
func debounce(t *testing.T, b Bench) {
	if !b.exact() {
		t.Fatal("chatter of milliseconds cannot be made on a live host")
	}
	guard, agent := open(t, b, hal.OwnerGuard), open(t, b, hal.OwnerAgent)
	for _, tt := range []struct {
		sig hal.Interlocks
		h   *hand
	}{{hal.Door, agent}, {hal.EStop, guard}} {
		saw := func(d time.Duration) (seen hal.Interlocks) {
			for end := tt.h.Pacer.Now() + d; tt.h.Pacer.Now() < end; {
				il, err := tt.h.Rig.Interlocks().Now()
				if err != nil {
					t.Fatalf("interlocks: %v", err)
				}
				seen |= il
				tt.h.Pacer.SleepUntil(tt.h.Pacer.Now() + 500*time.Microsecond)
			}
			return seen
		}
		for range 5 {
			start := tt.h.Pacer.Now()
			b.Plant.Trip(tt.sig, true)
			early, err := tt.h.Rig.Interlocks().Now() // once: a call may take a while where the plant is another process
			if err != nil {
				t.Fatalf("interlocks: %v", err)
			}
			tt.h.Pacer.SleepUntil(start + 3*time.Millisecond)
			b.Plant.Trip(tt.sig, false)
			width := tt.h.Pacer.Now() - start
			if il := early | saw(4*time.Millisecond); il != 0 && width < 4*time.Millisecond {
				t.Fatalf("%v of chatter were seen as %v", width, il)
			}
		}
		b.Plant.Trip(tt.sig, true)
		if il := saw(10 * time.Millisecond); il != tt.sig {
			t.Errorf("10 ms of %v were seen as %v", tt.sig, il)
		}
		for range 3 { // chatter of a tripped contact does not make it safe
			b.Plant.Trip(tt.sig, false)
			time.Sleep(3 * time.Millisecond)
			b.Plant.Trip(tt.sig, true)
			if il, err := tt.h.Rig.Interlocks().Now(); err != nil || il != tt.sig {
				t.Errorf("%v during chatter: %v, %v", tt.sig, il, err)
			}
			time.Sleep(3 * time.Millisecond)
		}
		b.Plant.Trip(tt.sig, false)
		b.eventually(t, react, tt.sig.String()+" ends", func() bool { return saw(time.Millisecond) == 0 })
	}
}
