package agent

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/machine"
	"fountain/agent/record"
	"fountain/sync/wire"
)

func testJournal(t *testing.T, s recordStore) *journal {
	return newJournal(s, func() record.Unit { return record.Unit{Thing: "t", Boot: "b", SW: "s", Rig: RigSim} }, alarm.New(nil),
		slog.New(slog.NewTextHandler(t.Output(), nil)))
}

var aResult = machine.Result{
	Intent: machine.Intent{Pour: "01P", Beverage: "b.v", Source: wire.SourceTouch, Started: time.Unix(1_700_000_000, 0)}, Outcome: wire.Completed,
}

// A record that cannot be stored is tried until it can; an alarm blocks the unit meanwhile.
func TestJournalRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failingStore{fails: 3}
		j := testJournal(t, f)
		done := make(chan struct{})
		go func() { defer close(done); j.run(t.Context()) }()
		var seq uint64
		told := 0
		j.Commit(aResult, func(s uint64, err error) {
			told++
			seq = s
			if err != nil {
				t.Error(err)
			}
		})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if told != 0 || !j.board.Has(alarm.StoreFailing, "") {
			t.Errorf("told %d times while failing, alarm %v", told, j.board.List())
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if told != 1 || seq != 42 || j.board.Has(alarm.StoreFailing, "") {
			t.Errorf("told %d times, seq %d, alarm %v", told, seq, j.board.List())
		}
		j.close()
		<-done
		j.Commit(aResult, func(_ uint64, err error) {
			told++
			if !errors.Is(err, errJournalClosed) {
				t.Errorf("after close: %v", err)
			}
		})
		if told != 2 {
			t.Errorf("a closed journal did not answer")
		}
	})
}

// The end of the unit ends the retries; the intent stands for the pour then.
func TestJournalGivesUpAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := testJournal(t, &failingStore{fails: 1 << 30})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); j.run(ctx) }()
		var told error
		j.Commit(aResult, func(_ uint64, err error) { told = err })
		time.Sleep(10 * time.Second)
		j.close()
		cancel()
		<-done
		if told == nil {
			t.Error("the machine was told that an unstored pour is stored")
		}
	})
}
