package alarm

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSetClearSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(nil)
		start := time.Now()
		if !b.Set(Alarm{Name: DoorOpen}) {
			t.Error("a new alarm changed nothing")
		}
		time.Sleep(time.Minute)
		if b.Set(Alarm{Name: DoorOpen}) {
			t.Error("the same alarm again is a change")
		}
		if !b.Set(Alarm{Name: DoorOpen, Evidence: "input 7 high"}) {
			t.Error("new evidence is no change")
		}
		list := b.List()
		if len(list) != 1 || !list[0].Since.Equal(start) || list[0].Scope != ScopeUnit || list[0].Evidence != "input 7 high" {
			t.Errorf("list %+v", list)
		}
		if b.Clear(DoorOpen, "valve-1") || !b.Clear(DoorOpen, "") || b.Clear(DoorOpen, ScopeUnit) {
			t.Error("clear told wrongly whether the alarm stood")
		}
		time.Sleep(time.Minute)
		b.Set(Alarm{Name: DoorOpen})
		if got := b.List()[0].Since.Sub(start); got != 2*time.Minute {
			t.Errorf("raised again after %s", got)
		}
		if n := b.Raised(DoorOpen); n != 2 {
			t.Errorf("raised %d times, counted %d", 2, n)
		}
	})
}

func TestOrderAndBlocking(t *testing.T) {
	now := time.Unix(1000, 0)
	b := New(func() time.Time { return now })
	b.Set(Alarm{Name: CartridgeLow, Scope: "s1"})
	now = now.Add(time.Second)
	b.Set(Alarm{Name: MeterDead, Scope: "w1"})
	b.Set(Alarm{Name: CartridgeLow, Scope: "s2"})
	b.Set(Alarm{Name: CartridgeExpiring, Scope: "s2"})
	got := ""
	for _, a := range b.List() {
		got += a.Name.String() + "/" + a.Scope + " "
	}
	if want := "meter_dead/w1 cartridge_low/s1 cartridge_low/s2 cartridge_expiring/s2 "; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if _, ok := b.Blocking("w2", "s2"); ok {
		t.Error("an alarm of w1 blocks w2, or a warning blocks s2")
	}
	if a, ok := b.Blocking("s1", "w1"); !ok || a.Name != MeterDead || a.Code() != CodeLineFault {
		t.Errorf("w1: %+v %v", a, ok)
	}
	b.Set(Alarm{Name: Leak})
	if a, ok := b.Blocking("w2"); !ok || a.Name != Leak {
		t.Errorf("an alarm of the unit does not block w2: %+v %v", a, ok)
	}
	if n := b.ClearAll(CartridgeLow); n != 2 || b.Has(CartridgeLow, "s1") || !b.Has(Leak, "") {
		t.Errorf("cleared %d, left %+v", n, b.List())
	}
}

func TestCatalogueWordsFillIn(t *testing.T) {
	b := New(nil)
	b.Set(Alarm{Name: ChipGone, Scope: "x1"})
	a, ok := b.Get(ChipGone, "x1")
	if !ok || a.What != "the chip x1 does not answer" || a.Severity != Blocks || a.Remedy == "" {
		t.Errorf("alarm %+v", a)
	}
	b.Set(Alarm{Name: NotProvisioned, What: "the claim was refused", Remedy: "release the serial number"})
	if a, _ := b.Get(NotProvisioned, ""); a.What != "the claim was refused" || a.Remedy != "release the serial number" || a.Severity != Warns {
		t.Errorf("alarm %+v", a)
	}
}

func TestOnlyCatalogueNames(t *testing.T) {
	for _, n := range []Name{0, names, 250} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("name %d was taken", n)
				}
			}()
			New(nil).Set(Alarm{Name: n})
		}()
	}
}

func TestChangedMissesNothing(t *testing.T) {
	b := New(nil)
	const writers, each = 4, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				b.Set(Alarm{Name: PartFault, Scope: fmt.Sprint(w), What: fmt.Sprint(i)})
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			ch := b.Changed()
			if b.Rev() == writers*each {
				return
			}
			<-ch
		}
	}()
	wg.Wait()
	<-done
	if n := len(b.List()); n != writers {
		t.Errorf("%d alarms", n)
	}
	ch := b.Changed()
	if b.Clear(EStop, ""); b.Rev() != writers*each {
		t.Error("clearing nothing is a change")
	}
	select {
	case <-ch:
		t.Error("told of no change")
	default:
	}
}
