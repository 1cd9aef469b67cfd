package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/inventory"
	"fountain/agent/machine"
	"fountain/agent/pour"
	"fountain/agent/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Timing of what is polled beside the control loop.
const (
	verifyFirst = 30 * time.Second // closed segments, after the start
	verifyEvery = 24 * time.Hour
	houseEvery  = time.Hour // retiring old segments
	mendEvery   = 2 * time.Second
)

// openBook reads the inventory the store has saved.
func (a *Agent) openBook() error {
	saved, _, err := a.store.Setting(settingInventory)
	if err != nil {
		return fmt.Errorf("read inventory: %w", err)
	}
	a.book, err = inventory.New(a.planogram, saved, a.cfg.Config.Location())
	return err
}

// fold brings the inventory up to the store's last record and saves it in the commit that marks what was applied.
// Records that recorded already took in change nothing: the book knows them.
func (a *Agent) fold() error {
	err := a.store.Fold(func(e store.Entry) error {
		var r wire.Record
		if err := json.Unmarshal(e.Body, &r); err != nil {
			return nil // not ours to judge: the store verified its bytes, and the level stays as it is
		}
		a.book.Apply(&r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("fold records: %w", err)
	}
	// The marks first: a record applied after them is in the state too, and folding it again changes nothing.
	marks := map[string]uint64{}
	for _, l := range a.store.Logs() {
		if upto := a.book.Applied(l.Log); upto > 0 && upto > a.marked[l.Log] {
			marks[l.Log] = upto
		}
	}
	state, err := a.book.Save()
	if err != nil {
		return err
	}
	for log, upto := range marks {
		if err := a.store.MarkApplied(log, upto, settingInventory, state); err != nil {
			return fmt.Errorf("mark folded records: %w", err)
		}
		a.marked[log] = upto
	}
	if len(marks) > 0 {
		return nil
	}
	return a.store.PutSetting(settingInventory, state)
}

// recorded takes in a record that was just stored; on the journal's goroutine.
func (a *Agent) recorded(r *wire.Record) {
	a.book.Apply(r)
	a.view.recorded(r)
	a.worn()
	a.cloud.appended(r.Log)
	a.log.Info("pour recorded", slog.String(logkey.Pour, r.ID), slog.Uint64(logkey.Seq, r.Seq), slog.String(logkey.Beverage, r.Beverage),
		slog.Int64(logkey.VolumeUL, r.CountedUL+r.EstimatedUL), slog.String(logkey.State, string(r.Outcome)), slog.String(logkey.Reason, r.Reason))
	a.save()
}

// stockChanged follows a change of the inventory that no record tells.
func (a *Agent) stockChanged() {
	a.view.stockChanged()
	a.save()
}

// save asks housekeep to save the inventory.
func (a *Agent) save() {
	wake(a.refold)
}

// housekeep saves the inventory, and while nothing pours retires old segments and verifies closed ones: soon after the
// start and daily, so that damage is known before its records are needed.
func (a *Agent) housekeep(ctx context.Context) error {
	house := time.NewTicker(houseEvery)
	defer house.Stop()
	mend := time.NewTicker(mendEvery)
	defer mend.Stop()
	verify := time.NewTimer(verifyFirst)
	defer verify.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-verify.C:
			verify.Reset(verifyEvery)
			if err := a.yield.Idle(ctx); err != nil {
				return nil
			}
			if err := a.store.Verify(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("verify segments", slog.Any(logkey.Err, err))
			}
		case <-a.refold:
			if err := a.fold(); err != nil {
				a.log.Warn("save inventory", slog.Any(logkey.Err, err)) // folded again after the next pour, or at start
			}
		case <-mend.C:
			failed = a.mend(failed)
		case <-house.C:
			if err := a.yield.Idle(ctx); err != nil {
				return nil
			}
			if n, err := a.store.Retire(ctx, a.houseTime(time.Now())); err != nil {
				a.log.Warn("retire segments", slog.Any(logkey.Err, err))
			} else if n > 0 {
				a.log.Info("segments retired", slog.Int(logkey.Count, n))
			}
		}
	}
}

// houseTime is the time by which acknowledged records age. It follows the wall clock, but forwards only twice as fast as
// time passes while the unit runs: a clock that jumps decades ahead makes nothing old that a restored cloud may ask for.
func (a *Agent) houseTime(now time.Time) time.Time {
	b, ok, err := a.store.Setting(settingHouse)
	if s, perr := strconv.ParseInt(string(b), 10, 64); err == nil && ok && perr == nil {
		if most := time.Unix(s, 0).Add(2 * houseEvery); now.After(most) {
			now = most
		}
	}
	if err := a.store.PutSetting(settingHouse, []byte(strconv.FormatInt(now.Unix(), 10))); err != nil {
		a.log.Warn("note the time records age by", slog.Any(logkey.Err, err)) // it stands still
	}
	return now
}

// mend tries a store that refused: while that blocks the unit, no pour would find out that it works again. failed tells
// that it refused since the last time all was well; mend returns whether that still stands.
func (a *Agent) mend(failed bool) bool {
	if failed = failed || a.board.Has(alarm.StoreFailing, ""); !failed {
		return false
	}
	if err := a.store.PutSetting(settingProbe, []byte(time.Now().UTC().Format(time.RFC3339))); err != nil {
		return true // the alarm stands
	}
	if a.board.Clear(alarm.StoreFailing, "") {
		a.log.Info("store works again")
	}
	if a.machine.State().Fault == pour.ReasonJournal { // no other lock-out is ours to clear
		if err := a.machine.ClearLockout(machine.ScopeUnit, pour.ReasonJournal); err != nil {
			a.log.Debug("lock-out stands", slog.Any(logkey.Err, err)) // a pour waits for its record still
		}
		return true // until the machine says so
	}
	return false
}
