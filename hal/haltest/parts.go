package haltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"fountain/hal"
)

func meterIsExact(t *testing.T, b Bench) {
	guard, agent := open(t, b, hal.OwnerGuard), open(t, b, hal.OwnerAgent)
	id := partOf(t, agent.Rig, hal.KindMeter, hal.OwnerAgent)
	m, err := agent.Rig.Meter(id)
	if err != nil {
		t.Fatal(err)
	}
	start, sent := m.Count(), b.Plant.Pulses(id)
	last := start
	for range 12 {
		guard.beat(t)
		guard.apply(t, guard.all, guard.all)
		agent.apply(t, agent.all, agent.all)
		for range 20 {
			guard.beat(t)
			time.Sleep(5 * time.Millisecond)
			c := m.Count()
			now := agent.Pacer.Now()
			switch {
			case c.Pulses < last.Pulses || c.Last < last.Last:
				t.Fatalf("the count went back: %+v after %+v", c, last)
			case c.Pulses == last.Pulses && c.Last != last.Last:
				t.Fatalf("a time without a pulse: %+v after %+v", c, last)
			case c.Last > now+time.Millisecond:
				t.Fatalf("a pulse of the future: %v at %v", c.Last, now)
			}
			last = c
		}
	}
	if last.Period <= 0 || last.Period > time.Second {
		t.Errorf("period %v of a running meter", last.Period)
	}
	agent.apply(t, agent.all, 0)
	guard.apply(t, guard.all, 0)
	time.Sleep(300*time.Millisecond + b.Slack)
	end := m.Count()
	if got, want := end.Pulses-start.Pulses, b.Plant.Pulses(id)-sent; got != want || want < 10 {
		t.Errorf("counted %d of %d pulses", got, want)
	}
	if end.Lost != 0 {
		t.Errorf("%d pulses lost", end.Lost)
	}
}

func pumpCountsStrokes(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	pump, err := h.Rig.Pump(partOf(t, h.Rig, hal.KindPump, hal.OwnerAgent))
	if err != nil {
		t.Fatal(err)
	}
	if n := pump.Delivered(); n != 0 {
		t.Errorf("%d strokes right after open", n)
	}
	for range 2 { // the second call adds to the first
		if err := pump.Dose(10, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	if n := pump.Delivered(); n > 11 && b.Slack == 0 {
		t.Errorf("%d strokes in 100 ms, at most one every 10 ms was asked for", n)
	}
	b.eventually(t, 200*time.Millisecond, "20 strokes", func() bool { return pump.Delivered() == 20 })
	time.Sleep(50 * time.Millisecond)
	if n := pump.Delivered(); n != 20 {
		t.Errorf("%d strokes, 20 were asked for", n)
	}
	if err := pump.Dose(0, 0); err != nil {
		t.Errorf("dose of nothing: %v", err)
	}
}

func slotTag(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	s, err := h.Rig.Slot(partOf(t, h.Rig, hal.KindSlot, hal.OwnerAgent))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	tag, err := s.Tag(ctx)
	if err != nil || tag.ID == "" || tag.Ingredient == "" || tag.VolumeUL <= 0 || tag.Expires.IsZero() {
		t.Errorf("tag %+v, %v", tag, err)
	}
	cancel()
	if _, err := s.Tag(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("tag with an ended context: %v", err)
	}
}

func pacer(t *testing.T, b Bench) {
	h := open(t, b, hal.OwnerAgent)
	last := h.Pacer.Now()
	for range 50 {
		want := last + time.Millisecond
		h.Pacer.SleepUntil(want)
		now := h.Pacer.Now()
		if now < want {
			t.Fatalf("woke at %v, before %v", now, want)
		}
		if now-want > react+b.Slack {
			t.Fatalf("woke %v late", now-want)
		}
		last = now
	}
	h.Pacer.SleepUntil(last - time.Second) // the past does not wait
	if late := h.Pacer.Now() - last; late > react+b.Slack {
		t.Errorf("sleeping until the past took %v", late)
	}
}
