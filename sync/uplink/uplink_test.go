package uplink

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fountain/sync/wire"
)

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

// Everything at once: drops after PUBACK, hang-ups, dead lines, records that keep coming, a restart of the uplink.
func TestChaos(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
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
