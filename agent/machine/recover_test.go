package machine

import (
	"testing"
	"time"

	"fountain/agent/pour"
	"fountain/hal"
	"fountain/sync/wire"
)

// flowing is a loop on a rig that stands still, with a pour whose water flows.
func flowing(t *testing.T, r *still) (lo *loop, turn func(n int)) {
	t.Helper()
	m := stillMachine(t, r)
	lo = newLoop(m, newClerk(m))
	turn = func(n int) {
		for range n {
			r.now += time.Millisecond
			// A rig that does not obey is lost: MASTER is shut then.
			if r.open != 0 && !r.deaf && r.now%(12*time.Millisecond) == 0 {
				r.count = hal.Count{Pulses: r.count.Pulses + 1, Last: r.now, Period: 12 * time.Millisecond}
			}
			if lo.lease != nil {
				lo.lease.beats.Add(1)
			}
			lo.once(r.now, false)
		}
	}
	turn(10)
	l, err := m.newLease(StartRequest{Beverage: "b.v", TargetUL: 500_000, Hold: true, Source: wire.SourceTouch})
	if err != nil {
		t.Fatal(err)
	}
	m.current.Store(l)
	turn(1)
	l.begun.Store(&receipt{})
	turn(400)
	if s := m.State(); s.Phase != pour.Flow || r.open == 0 {
		t.Fatalf("phase %s, outputs %b, reason %q", s.Phase, r.open, s.Reason)
	}
	return lo, turn
}

// A close that the hardware did not take is tried until it does, and nothing is poured meanwhile: the next pour would
// open MASTER with the valve of the last one open.
// Peers: reef-pi returns on an error without trying to stop again.
func TestCloseIsTriedAgain(t *testing.T) {
	r := &still{now: time.Second}
	lo, turn := flowing(t, r)
	l := lo.lease
	r.deaf = true
	lo.m.Stop(l.id, pour.ReasonReleased)
	turn(500)
	l.commit.Store(&receipt{seq: 1})
	turn(5)
	if lo.lease != nil {
		t.Fatalf("the pour has not ended: %s", lo.pour.Phase)
	}
	if s := lo.m.State(); s.Fault != pour.ReasonRigLost {
		t.Errorf("fault %q while a valve does not shut, want %s", s.Fault, pour.ReasonRigLost)
	}
	r.deaf = false
	turn(1)
	if r.open != 0 {
		t.Errorf("outputs %b after the hardware answers again", r.open)
	}
	turn(1)
	if s := lo.m.State(); s.Fault != "" {
		t.Errorf("fault %q when everything is shut", s.Fault)
	}
}

// A journal that hangs for longer than it may, and then answers, lets the unit go: no alarm tells that there is anything
// to mend.
func TestSlowJournalLetsTheUnitGo(t *testing.T) {
	r := &still{now: time.Second}
	lo, turn := flowing(t, r)
	l := lo.lease
	lo.m.Stop(l.id, pour.ReasonReleased)
	turn(int((commitLimit + time.Second) / time.Millisecond))
	if s := lo.m.State(); s.Fault != pour.ReasonJournal || !s.Busy {
		t.Fatalf("fault %q, busy %v while the journal hangs", s.Fault, s.Busy)
	}
	l.commit.Store(&receipt{seq: 7})
	turn(2)
	if s := lo.m.State(); s.Fault != "" || s.Seq != 7 || s.Busy {
		t.Errorf("fault %q, seq %d, busy %v after the record is stored", s.Fault, s.Seq, s.Busy)
	}
}

// A journal that never answers the intent ends the pour and says so; when it answers after all, the unit goes on.
func TestSilentJournalIsAFault(t *testing.T) {
	r := &still{now: time.Second}
	lo, turn := flowing(t, r)
	l := lo.lease
	lo.m.Stop(l.id, pour.ReasonReleased)
	turn(500)
	l.commit.Store(&receipt{seq: 1})
	turn(5)
	l, err := lo.m.newLease(StartRequest{Beverage: "b.v", TargetUL: 500_000, Hold: true, Source: wire.SourceTouch})
	if err != nil {
		t.Fatal(err)
	}
	lo.m.current.Store(l)
	turn(int((commitLimit + time.Second) / time.Millisecond))
	if s := lo.m.State(); s.Fault != pour.ReasonJournal || s.Outcome != wire.Faulted || r.open != 0 {
		t.Fatalf("fault %q, outcome %s while the journal is silent", s.Fault, s.Outcome)
	}
	l.begun.Store(&receipt{})
	turn(2)
	l.commit.Store(&receipt{seq: 2})
	turn(2)
	if s := lo.m.State(); s.Fault != "" || s.Busy || s.PouredUL != 0 || s.Seq != 2 || lo.guard.packet.WantMaster {
		t.Errorf("state %+v after the journal answered", s)
	}
}
