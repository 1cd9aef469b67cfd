package uplink

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fountain/sync/wire"
)

// A PUBACK that never means stored: accepted messages are dropped, the ledger brings them back.
func TestLedgerBringsBackWhatWasAcceptedAndDropped(t *testing.T) {
	for name, tellSeen := range map[string]bool{"upto and missing": false, "with seen": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(20261123, 2))
				b := newBench(t, nil)
				b.cloud.tellSeen = tellSeen
				dropped := 0
				b.cloud.accept = func([]wire.Item) (bool, bool) {
					if rng.IntN(100) < 30 {
						dropped++
						return false, false
					}
					return true, false
				}
				b.log.append(2000, 440)
				b.start()
				b.settled(time.Hour)
				b.stop()
				b.complete()
				if dropped < 20 {
					t.Errorf("only %d messages dropped", dropped)
				}
				if s := b.up.Status(); s.Resent == 0 || s.Quarantined != 0 || len(s.Alarms) != 0 {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// Everything is accepted and dropped for a while: no seq is listed as missing, so only time tells.
func TestSilentLedgerMakesEverythingDueAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		var dropping atomic.Bool
		dropping.Store(true)
		b.cloud.accept = func([]wire.Item) (bool, bool) { return !dropping.Load(), false }
		b.log.append(50, 440)
		b.start()
		time.Sleep(3*testInterval - time.Second)
		first := b.cloud.sent()
		if s := b.up.Status(); s.Sent != 50 || s.Acked != 0 || s.Resent != 0 {
			t.Errorf("status before the time is up %+v", s)
		}
		dropping.Store(false)
		time.Sleep(4 * time.Second)
		if again := b.cloud.sent() - first; again != first {
			t.Errorf("%d messages sent again, want %d", again, first)
		}
		b.settled(2 * testInterval)
		b.stop()
		b.complete()
		if !b.cloud.inOrder() {
			t.Error("out of order")
		}
	})
}

func TestLedgerAheadStopsDeleting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.log.append(10, 440)
		b.cloud.override = map[string]wire.Ack{"L1": {Upto: 5000}}
		b.start()
		time.Sleep(time.Minute)
		if a := b.log.Acked(); a != 0 {
			t.Errorf("acked %d", a)
		}
		b.cloud.mu.Lock()
		last := b.cloud.reports[len(b.cloud.reports)-1]["L1"]
		b.cloud.override = nil
		b.cloud.mu.Unlock()
		if last.Alarm != AlarmLedgerAhead {
			t.Errorf("reported %+v", last)
		}
		b.settled(time.Minute)
		time.Sleep(time.Second)
		b.stop()
		b.complete()
		last = b.cloud.reports[len(b.cloud.reports)-1]["L1"]
		if len(b.up.Status().Alarms) != 0 || last.Alarm != "" {
			t.Errorf("alarm stays: %+v", last)
		}
	})
}

// A missing record that was never sent tells nothing about those before it: nobody can miss it.
func TestLedgerMissesWhatWasNeverSent(t *testing.T) {
	for name, ack := range map[string]wire.Ack{
		"far ahead": {Missing: []uint64{1000}}, "the next": {Missing: []uint64{11}}, "huge": {Missing: []uint64{3, math.MaxUint64}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.log.append(10, 440)
				b.cloud.override = map[string]wire.Ack{"L1": ack}
				b.start()
				time.Sleep(time.Minute)
				if a, alarms := b.log.Acked(), b.up.Status().Alarms; a != 0 || !slices.Contains(alarms, AlarmLedgerAhead) {
					t.Errorf("acked %d, alarms %v", a, alarms)
				}
				b.stop()
			})
		})
	}
}

// A figure ahead of the log does not become true by the log growing past it.
func TestLedgerAheadIsNotBelievedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		var deaf, gone atomic.Bool
		b.cloud.accept = func([]wire.Item) (bool, bool) { return !deaf.Load(), false }
		b.away = gone.Load
		b.log.append(10, 440)
		b.start()
		b.settled(time.Minute)
		deaf.Store(true)
		b.cloud.mu.Lock()
		b.cloud.override = map[string]wire.Ack{"L1": {Upto: 15, Seen: 15}}
		b.cloud.mu.Unlock()
		gone.Store(true)
		b.cloud.current().end(false)
		b.log.append(10, 440) // offline, so the cloud cannot have them
		gone.Store(false)
		time.Sleep(500 * time.Millisecond)
		if a := b.log.Acked(); a != 10 {
			t.Errorf("acked %d", a)
		}
		b.cloud.mu.Lock()
		b.cloud.override = nil
		b.cloud.mu.Unlock()
		deaf.Store(false)
		b.settled(10 * time.Minute)
		b.stop()
		b.complete()
	})
}

// The cloud goes back to a backup: what it forgot is sent again once, all that the unit still keeps and no more.
func TestReplayAfterARestore(t *testing.T) {
	for name, tc := range map[string]struct {
		forgets, oldest, back uint64
	}{"yesterday": {60, 1, 60}, "everything": {0, 1, 0}, "more than is kept": {20, 41, 40}, "nothing": {100, 1, 100}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.log.append(100, 440)
				b.start()
				b.settled(time.Minute)
				b.log.lose(1, tc.oldest-1)
				b.log.mu.Lock()
				b.log.oldest = tc.oldest
				b.log.mu.Unlock()
				b.cloud.mu.Lock()
				for seq := range b.cloud.sink["L1"] {
					if seq > tc.forgets {
						delete(b.cloud.sink["L1"], seq)
					}
				}
				b.cloud.restore = 1_763_856_000
				b.cloud.mu.Unlock()
				time.Sleep(3 * testInterval)
				if tc.oldest > 1 { // what is gone is gone: the cloud lists it for ever
					b.log.mu.Lock()
					b.log.acked = 100
					b.log.mu.Unlock()
				}
				b.settled(time.Minute)
				b.log.append(1, 440)
				b.settled(time.Minute)
				b.stop()
				b.log.mu.Lock()
				defer b.log.mu.Unlock()
				if !slices.Equal(b.log.rewound, []uint64{tc.back}) || b.log.restored != 1_763_856_000 {
					t.Errorf("went back to %v for %d", b.log.rewound, b.log.restored)
				}
				for seq := max(tc.forgets+1, tc.oldest); seq <= 101; seq++ {
					if b.cloud.sink["L1"][seq] == nil {
						t.Errorf("record %d is not there again", seq)
					}
				}
				for seq, n := range b.cloud.arrivals {
					if want := 1; seq <= tc.forgets && n != want {
						t.Errorf("record %d came %d times, the cloud has had it all the time", seq, n)
					}
				}
				last := b.cloud.reports[len(b.cloud.reports)-1]["L1"]
				if last.Restore != 1_763_856_000 || last.Oldest != tc.oldest {
					t.Errorf("reported %+v", last)
				}
			})
		})
	}
}

// No shadows at the other end, as with a plain broker: records go up once, nothing is deleted, and when the ledger
// comes after all, it is believed.
func TestWithoutALedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.cloud.mute.Store(true)
		b.log.append(100, 440)
		b.start()
		time.Sleep(time.Hour)
		b.cloud.current().end(false)
		time.Sleep(time.Minute)
		b.log.append(10, 440)
		time.Sleep(time.Hour)
		if n := b.cloud.stored(); n != 110 {
			t.Errorf("%d records arrived", n)
		}
		for seq, n := range b.cloud.arrivals {
			if n != 1 {
				t.Errorf("record %d was sent %d times", seq, n)
			}
		}
		if s := b.up.Status(); s.Acked != 0 || !slices.Contains(s.Alarms, AlarmLedgerSilent) {
			t.Errorf("status %+v", s)
		}
		b.cloud.mute.Store(false)
		b.settled(2 * testInterval)
		time.Sleep(time.Second)
		b.stop()
		b.complete()
		if s := b.up.Status(); len(s.Alarms) != 0 {
			t.Errorf("alarms stay: %v", s.Alarms)
		}
	})
}

func TestLowerMarkIsIgnoredAndOtherLogsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.log.append(10, 440)
		b.start()
		b.settled(time.Minute)
		b.cloud.mu.Lock()
		b.cloud.override = map[string]wire.Ack{"L1": {Upto: 3}, "old": {Upto: 9000}}
		b.cloud.mu.Unlock()
		time.Sleep(time.Minute) // SetAcked would complain about a step back
		b.stop()
		if s := b.up.Status(); s.Acked != 10 || len(s.Alarms) != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.log.append(3, 440)
		b.start()
		time.Sleep(49 * time.Hour)
		b.stop()
		if len(b.cloud.reports) != 3 { // on connect, then daily
			t.Fatalf("%d reports", len(b.cloud.reports))
		}
		if r := b.cloud.reports[0]["L1"]; r.Last != 3 || r.Acked != 0 || r.Backlog != 3 {
			t.Errorf("first report %+v", r)
		}
		if r := b.cloud.reports[2]["L1"]; r.Last != 3 || r.Acked != 3 || r.Backlog != 0 {
			t.Errorf("last report %+v", r)
		}
	})
}

// A cloud that lists as missing what it acknowledged before gets it, whatever its restore generation.
func TestMissingBelowTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.log.append(200, 440)
		b.start()
		b.settled(time.Minute)
		b.cloud.mu.Lock()
		for seq := uint64(50); seq < 150; seq++ {
			delete(b.cloud.sink["L1"], seq)
		}
		b.cloud.mu.Unlock()
		time.Sleep(5 * testInterval) // 32 with every ledger
		b.stop()
		b.complete()
		for seq, n := range b.cloud.arrivals {
			want := 1
			if seq >= 50 && seq < 150 {
				want = 2
			}
			if n != want {
				t.Errorf("record %d came %d times, want %d", seq, n, want)
			}
		}
	})
}

// The log has a gap larger than the ledger can list: the ranges it has say what lies behind it.
func TestALargeGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.cloud.tellHave = true
		b.log.append(300, 440)
		b.log.lose(100, 150)
		b.log.lose(170, 280)
		b.start()
		b.settled(time.Minute)
		b.log.append(10, 440)
		b.settled(time.Minute)
		b.stop()
		b.complete()
	})
}

// A cloud that does not tell them cannot say it. What lies behind is sent again, but less and less often.
func TestAGapNobodyCanTellAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.log.append(300, 440)
		b.log.lose(100, 200)
		b.start()
		time.Sleep(7 * 24 * time.Hour)
		b.stop()
		b.complete()
		if n := b.cloud.arrivals[300]; n > 20 {
			t.Errorf("record 300 was sent %d times in a week", n)
		}
	})
}
