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
		if !b.Set(Alarm{Name: "door", Severity: Blocks, What: "the service door is open"}) {
			t.Error("a new alarm changed nothing")
		}
		time.Sleep(time.Minute)
		if b.Set(Alarm{Name: "door", Severity: Blocks, What: "the service door is open"}) {
			t.Error("the same alarm again is a change")
		}
		if !b.Set(Alarm{Name: "door", Severity: Blocks, What: "the service door is open", Evidence: "input 7 high"}) {
			t.Error("new evidence is no change")
		}
		list := b.List()
		if len(list) != 1 || !list[0].Since.Equal(start) || list[0].Scope != ScopeUnit || list[0].Evidence != "input 7 high" {
			t.Errorf("list %+v", list)
		}
		if b.Clear("door", "valve-1") || !b.Clear("door", "") || b.Clear("door", ScopeUnit) {
			t.Error("clear told wrongly whether the alarm stood")
		}
		time.Sleep(time.Minute)
		b.Set(Alarm{Name: "door", Severity: Blocks})
		if got := b.List()[0].Since.Sub(start); got != 2*time.Minute {
			t.Errorf("raised again after %s", got)
		}
	})
}

func TestOrderAndBlocking(t *testing.T) {
	now := time.Unix(1000, 0)
	b := New(func() time.Time { return now })
	b.Set(Alarm{Name: "low", Scope: "s1"})
	now = now.Add(time.Second)
	b.Set(Alarm{Name: "meter", Severity: Blocks, Scope: "w1"})
	b.Set(Alarm{Name: "low", Scope: "s2"})
	b.Set(Alarm{Name: "clogged", Scope: "s2"})
	got := ""
	for _, a := range b.List() {
		got += a.Name + "/" + a.Scope + " "
	}
	if want := "meter/w1 low/s1 clogged/s2 low/s2 "; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if _, ok := b.Blocking("w2"); ok {
		t.Error("an alarm of w1 blocks w2")
	}
	if a, ok := b.Blocking("w1"); !ok || a.Name != "meter" {
		t.Errorf("w1: %+v %v", a, ok)
	}
	b.Set(Alarm{Name: "leak", Severity: Blocks})
	if a, ok := b.Blocking("w2"); !ok || a.Name != "leak" {
		t.Errorf("an alarm of the unit does not block w2: %+v %v", a, ok)
	}
	if n := b.ClearAll("low"); n != 2 || b.Has("low", "s1") || !b.Has("leak", "") {
		t.Errorf("cleared %d, left %+v", n, b.List())
	}
}

func TestChangedMissesNothing(t *testing.T) {
	b := New(nil)
	const writers, each = 4, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				b.Set(Alarm{Name: fmt.Sprint(w), What: fmt.Sprint(i)})
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
	if b.Clear("none", ""); b.Rev() != writers*each {
		t.Error("clearing nothing is a change")
	}
	select {
	case <-ch:
		t.Error("told of no change")
	default:
	}
}
