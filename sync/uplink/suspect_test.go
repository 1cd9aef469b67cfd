package uplink

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fountain/sync/wire"
)

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
