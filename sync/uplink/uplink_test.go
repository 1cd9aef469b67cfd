package uplink

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
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
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				rng := rand.New(rand.NewPCG(seed, 2))
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

func TestCloudAwayForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		var gone atomic.Bool
		b.away = gone.Load
		b.start()
		pour := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Second) {
				b.log.append(1, 440)
			}
		}
		pour(time.Minute)
		b.settled(time.Minute)
		gone.Store(true)
		l := b.cloud.current()
		l.end(false)
		before := b.log.Last()
		pour(10 * time.Minute)
		if n := b.cloud.stored(); n != int(before) {
			t.Errorf("%d records arrived while the cloud was away", n-int(before))
		}
		gone.Store(false)
		pour(30 * time.Second)
		b.settled(time.Minute)
		b.stop()
		b.complete()
		if !b.cloud.inOrder() {
			t.Error("out of order")
		}
		for seq, n := range b.cloud.arrivals {
			if n != 1 {
				t.Errorf("record %d was sent %d times", seq, n)
			}
		}
	})
}

func TestBatchesWindowAndRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.cloud.latency = 4 * time.Second // 40 messages would be under way without a window
		b.cloud.interval = time.Second
		b.log.append(800, 440)
		b.up.trip = time.Millisecond
		b.start()
		time.Sleep(time.Second)
		b.stop()
		if most := slices.Max(b.cloud.messages); most > wire.BatchBytes || most < wire.BatchBytes-500 {
			t.Errorf("largest message has %d bytes", most)
		}
		if b.cloud.mostOut > 20 {
			t.Errorf("%d messages under way at most", b.cloud.mostOut)
		}
	})
	for name, tc := range map[string]struct {
		trip time.Duration
		most int
	}{"50 ms": {50 * time.Millisecond, 20}, "400 ms": {400 * time.Millisecond, 43}, "10 s": {10 * time.Second, MaxWindow}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pace, err := NewPace(80)
				if err != nil {
					t.Fatal(err)
				}
				b := newBench(t, func(c *Config) { c.Pace = pace })
				b.cloud.latency, b.cloud.interval = tc.trip, time.Second
				b.log.append(11*800, 440) // 800 messages or so
				b.start()
				b.settled(10 * time.Minute)
				b.stop()
				b.complete()
				n := len(b.cloud.times)
				took := b.cloud.times[n-1].Sub(b.cloud.times[0]) - time.Second // the last batch waits for company
				if rate := float64(n-1) / took.Seconds(); tc.most < MaxWindow && rate < 0.95*80 || rate > 1.02*80 {
					t.Errorf("%d messages at %.1f/s", n, rate)
				}
				if out := b.cloud.mostOut; out > tc.most {
					t.Errorf("%d messages under way, at most %d are needed", out, tc.most)
				}
			})
		})
	}
}

// Two logs share one pace.
func TestSeveralLogsShareThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace, err := NewPace(20)
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t, func(c *Config) { c.Pace = pace })
		old := newLog(t, b.cloud)
		old.log = "L0"
		up, err := New(b.up.cfg, old)
		if err != nil {
			t.Fatal(err)
		}
		b.log.append(3300, 440)
		old.append(3300, 440)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		l := b.cloud.connect()
		for _, u := range []*Uplink{b.up, up} {
			wg.Go(func() { _ = u.Serve(ctx, l, l) })
		}
		time.Sleep(10 * time.Second)
		cancel()
		wg.Wait()
		if n := b.cloud.sent(); n < 190 || n > 210 {
			t.Errorf("%d messages in 10 s at 20/s", n)
		}
		if x, y := len(b.cloud.sink["L0"]), len(b.cloud.sink["L1"]); x < 200 || y < 200 {
			t.Errorf("%d records of one log, %d of the other", x, y)
		}
	})
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.start()
		time.Sleep(time.Minute)
		start := time.Now()
		b.log.append(1, 440)
		time.Sleep(300 * time.Millisecond)
		b.log.append(1, 440)
		time.Sleep(10 * time.Second)
		b.stop()
		if len(b.cloud.times) != 1 || b.cloud.times[0].Sub(start) != time.Second || len(b.cloud.order) != 2 {
			t.Errorf("sent at %v after %v", b.cloud.times, start)
		}
	})
	// A ledger that moves meanwhile does not make a record wait again.
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.cloud.interval = 300 * time.Millisecond
		b.log.append(100, 440)
		b.start()
		start := time.Now()
		time.Sleep(10 * time.Second)
		b.stop()
		if last := b.cloud.times[len(b.cloud.times)-1].Sub(start); last > 3*time.Second {
			t.Errorf("the last record waited %v", last)
		}
	})
}

func TestPoison(t *testing.T) {
	for name, tc := range map[string]struct {
		records int
		poison  []uint64
	}{
		"in the middle": {100, []uint64{37}},
		"the first":     {100, []uint64{1}},
		"two together":  {100, []uint64{37, 38}},
		"two first":     {100, []uint64{1, 2}},
		"the last":      {30, []uint64{30}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.cloud.accept = func(items []wire.Item) (bool, bool) {
					for _, it := range items {
						if slices.Contains(tc.poison, it.Record.Seq) {
							return false, true
						}
					}
					return true, false
				}
				b.log.append(tc.records, 440)
				b.start()
				time.Sleep(30 * time.Minute)
				b.log.append(1, 440) // the ledger moves past a poison at the end once it sees a later record
				b.settled(time.Hour)
				b.stop()
				b.complete()
				if len(b.log.aside) != len(tc.poison) {
					t.Errorf("set aside %v, want %v", b.log.aside, tc.poison)
				}
				for _, p := range tc.poison {
					if b.log.aside[p] == "" {
						t.Errorf("record %d was not set aside", p)
					}
				}
				last := b.cloud.reports[len(b.cloud.reports)-1]["L1"]
				if last.Quarantined != uint64(len(tc.poison)) || last.Alarm != AlarmQuarantine {
					t.Errorf("reported %+v", last)
				}
			})
		})
	}
}

// A wrong policy or rule hangs up on every record. None of them is to blame, and all arrive once it is put right.
func TestHangUpOnEverythingBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		var broken atomic.Bool
		broken.Store(true)
		b.cloud.accept = func([]wire.Item) (bool, bool) { return !broken.Load(), broken.Load() }
		b.log.append(100, 440)
		b.start()
		time.Sleep(6 * time.Hour)
		if s := b.up.Status(); !slices.Contains(s.Alarms, AlarmRecordHangup) {
			t.Errorf("no alarm: %+v", s)
		}
		broken.Store(false)
		b.settled(time.Hour)
		b.stop()
		b.complete()
		if len(b.log.aside) != 0 {
			t.Errorf("set aside %v", b.log.aside)
		}
		if s := b.up.Status(); len(s.Alarms) != 0 {
			t.Errorf("alarms %v", s.Alarms)
		}
	})
}

// A dead line is no hang-up, however often it dies with the same batch on it.
func TestDeadLineBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		n := 0
		b.cloud.accept = func([]wire.Item) (bool, bool) {
			if n++; n < 200 && n%2 == 0 {
				l := b.cloud.current()
				time.AfterFunc(time.Millisecond, func() { l.end(false) })
			}
			return n >= 200, false
		}
		b.log.append(30, 440)
		b.start()
		b.settled(time.Hour)
		b.stop()
		b.complete()
		if len(b.log.aside) != 0 || b.up.suspect.active() {
			t.Errorf("set aside %v, suspect %+v", b.log.aside, b.up.suspect)
		}
	})
}

func TestUnfitRecordsAreSetAsideAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.log.append(9, 440)
		b.log.append(1, wire.MaxPayload+100) // too large
		b.log.append(1, 20_000)              // larger than a batch, travels alone
		b.log.append(9, 440)
		b.log.entries[4].Body = []byte(`{"seq":5`)
		b.start()
		b.settled(time.Minute)
		b.stop()
		b.complete()
		if len(b.log.aside) != 2 || b.log.aside[5] == "" || b.log.aside[10] == "" {
			t.Errorf("set aside %v", b.log.aside)
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

// Damage took records away: what is left arrives and the mark passes the gap.
func TestGapInTheLog(t *testing.T) {
	for name, tellSeen := range map[string]bool{"upto and missing": false, "with seen": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.cloud.tellSeen = tellSeen
				b.log.append(300, 440)
				b.log.lose(100, 120)
				b.start()
				if tellSeen {
					b.settled(time.Minute)
				} else {
					time.Sleep(time.Minute)
					if a := b.log.Acked(); a != 120 {
						t.Errorf("acked %d, want all up to the end of the gap", a)
					}
				}
				b.stop()
				b.complete()
			})
		})
	}
}

// The newest records are gone, or were set aside before a restart: they hold back neither the mark nor the sending again.
func TestGapAtTheEndOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		var dropping atomic.Bool
		dropping.Store(true)
		b.cloud.accept = func([]wire.Item) (bool, bool) { return !dropping.Load(), false }
		b.log.append(30, 440)
		b.log.lose(28, 30)
		b.start()
		time.Sleep(time.Minute) // accepted and dropped: only silence tells
		dropping.Store(false)
		b.settled(4 * testInterval)
		b.log.append(2, 440)
		b.settled(2 * testInterval)
		b.stop()
		b.complete()
	})
}

type gate struct{ busy atomic.Bool }

func (g *gate) Idle(ctx context.Context) error {
	for g.busy.Load() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

func TestBulkYieldsToAPour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{}
		g.busy.Store(true)
		b := newBench(t, func(c *Config) { c.Gate = g })
		b.log.append(500, 440)
		b.start()
		time.Sleep(time.Minute)
		if n := b.cloud.sent(); n != 0 {
			t.Errorf("%d messages during a pour", n)
		}
		g.busy.Store(false)
		b.settled(5 * time.Minute)
		g.busy.Store(true)
		b.log.append(1, 440) // a pour just recorded is no bulk
		b.settled(time.Minute)
		b.stop()
		b.complete()
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

// Everything at once: drops after PUBACK, hang-ups, dead lines, records that keep coming, a restart of the uplink.
func TestChaos(t *testing.T) {
	for range 10 {
		seed := rand.Uint64()
		t.Run("", func(t *testing.T) {
			t.Logf("seed %d", seed)
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 3))
				whims := rand.New(rand.NewPCG(seed, 4)) // the cloud's own: it runs beside the test
				b := newBench(t, nil)
				b.cloud.tellSeen = rng.IntN(2) == 0
				b.cloud.latency = time.Duration(rng.IntN(2000)) * time.Millisecond
				var calm atomic.Bool
				b.cloud.accept = func([]wire.Item) (bool, bool) {
					if calm.Load() {
						return true, false
					}
					switch x := whims.IntN(100); {
					case x < 10:
						return false, false
					case x < 13:
						return false, true
					case x < 16:
						l := b.cloud.current()
						time.AfterFunc(b.cloud.latency/2, func() { l.end(false) })
						return true, false
					}
					return true, false
				}
				b.start()
				for range 100 {
					b.log.append(rng.IntN(30), 300+rng.IntN(300))
					time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
					if rng.IntN(20) == 0 {
						b.stop()
						up, err := New(b.up.cfg, b.log)
						if err != nil {
							t.Fatal(err)
						}
						b.up = up
						b.start()
					}
				}
				calm.Store(true)
				b.settled(time.Hour)
				b.stop()
				b.complete()
				if len(b.log.aside) != 0 {
					t.Errorf("set aside %v", b.log.aside)
				}
			})
		})
	}
}
