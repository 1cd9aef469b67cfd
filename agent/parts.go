package agent

import (
	"encoding/json"
	"fmt"

	"fountain/agent/beverage"
	"fountain/agent/inventory"
	"fountain/agent/machine"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/agent/store"
	"fountain/sync/uplink"
)

// Keys of settings in the store.
const (
	settingLags      = "machine.lags"
	settingLocks     = "machine.locks"
	settingInventory = "inventory"
	settingSerial    = "unit.serial"
	settingProbe     = "store.probe"
	settingClock     = "clock.last_trusted"
	settingHouse     = "clock.house"
)

// stock hands the inventory to the machine.
type stock struct {
	book    *inventory.Book
	changed func() // after a cartridge ran dry
}

var (
	_ machine.Stock     = stock{}
	_ recipe.AllSources = stock{}
)

// Source names the slot to draw from.
func (s stock) Source(ing beverage.IngredientID, needUL int64) (recipe.Source, bool) {
	l, ok := s.book.Source(ing, needUL)
	return recipe.Source{Slot: l.Slot, Cartridge: l.Cartridge}, ok
}

// Sources lists every slot that holds enough, in planogram order.
func (s stock) Sources(ing beverage.IngredientID, needUL int64) []recipe.Source {
	var out []recipe.Source
	for _, l := range s.book.Levels() {
		if l.Ingredient == ing && l.Cartridge != "" && l.LeftUL >= max(needUL, 1) {
			out = append(out, recipe.Source{Slot: l.Slot, Cartridge: l.Cartridge})
		}
	}
	return out
}

// SetEmpty notes that a cartridge ran dry.
func (s stock) SetEmpty(slot string) {
	s.book.SetEmpty(slot)
	s.changed()
}

// lagStore keeps the learned close lags in the store's settings.
type lagStore struct{ store *store.Store }

var _ machine.LagStore = lagStore{}

// Load reads the lags; none yet is an empty map.
func (l lagStore) Load() (map[string]pour.Lag, error) {
	b, ok, err := l.store.Setting(settingLags)
	if err != nil || !ok {
		return nil, err
	}
	var lags map[string]pour.Lag
	if err := json.Unmarshal(b, &lags); err != nil {
		return nil, fmt.Errorf("read learned close lags: %w", err)
	}
	return lags, nil
}

// Save makes the lags durable.
func (l lagStore) Save(lags map[string]pour.Lag) error {
	b, err := json.Marshal(lags)
	if err != nil {
		return fmt.Errorf("encode learned close lags: %w", err)
	}
	return l.store.PutSetting(settingLags, b)
}

// lockStore keeps what waits for a person in the store's settings.
type lockStore struct{ store *store.Store }

var _ machine.LockStore = lockStore{}

// LoadLocks reads the lock-outs; none yet is an empty list.
func (l lockStore) LoadLocks() ([]machine.Fault, error) {
	b, ok, err := l.store.Setting(settingLocks)
	if err != nil || !ok {
		return nil, err
	}
	var locks []machine.Fault
	if err := json.Unmarshal(b, &locks); err != nil {
		return nil, fmt.Errorf("read lock-outs: %w", err)
	}
	return locks, nil
}

// SaveLocks makes the lock-outs durable.
func (l lockStore) SaveLocks(locks []machine.Fault) error {
	b, err := json.Marshal(locks)
	if err != nil {
		return fmt.Errorf("encode lock-outs: %w", err)
	}
	return l.store.PutSetting(settingLocks, b)
}

// logSource is one log of the store as the uplink sees it.
type logSource struct {
	store *store.Store
	log   string

	confirmed func()          // called after the mark has moved
	notify    chan struct{}   // one signal: an append
	rejects   map[uint64]bool // read from the store at first use; owned by the uplink's goroutine
}

var _ uplink.Source = (*logSource)(nil)

func (s *logSource) state() store.LogState {
	for _, l := range s.store.Logs() {
		if l.Log == s.log {
			return l
		}
	}
	return store.LogState{Log: s.log} // retired: nothing is left to send
}

// Log is the log's name.
func (s *logSource) Log() string { return s.log }

// Last is its newest seq.
func (s *logSource) Last() uint64 { return s.state().Last }

// Acked is its settled mark.
func (s *logSource) Acked() uint64 { return s.state().Acked }

// Read reads records as they were stored, without those that were set aside, in this process or an earlier one.
func (s *logSource) Read(from uint64, limit, maxBytes int) ([]uplink.Entry, error) {
	rejects := s.rejected()
	for {
		got, err := s.store.ReadLog(s.log, from, limit, maxBytes)
		out := make([]uplink.Entry, 0, len(got))
		for _, e := range got {
			if !rejects[e.Seq] {
				out = append(out, uplink.Entry{Seq: e.Seq, Body: e.Body})
			}
		}
		if len(out) > 0 || len(got) == 0 || err != nil {
			return out, err
		}
		from = got[len(got)-1].Seq + 1
	}
}

func (s *logSource) rejected() map[uint64]bool {
	if s.rejects != nil {
		return s.rejects
	}
	s.rejects = map[uint64]bool{}
	for _, r := range s.store.Rejects() {
		if r.Log == s.log {
			s.rejects[r.Seq] = true
		}
	}
	return s.rejects
}

// SetAcked moves the settled mark.
func (s *logSource) SetAcked(upto uint64) error {
	err := s.store.SetAckedLog(s.log, upto)
	if err == nil && s.confirmed != nil {
		s.confirmed()
	}
	return err
}

// Oldest is the lowest seq that is still kept.
func (s *logSource) Oldest() uint64 { return s.state().Oldest }

// Restored is the restore generation that Rewind noted last.
func (s *logSource) Restored() uint64 { return s.state().Restored }

// Rewind moves the settled mark back for a cloud that was restored.
func (s *logSource) Rewind(upto, restore uint64) error { return s.store.Rewind(s.log, upto, restore) }

// Quarantine notes a record the cloud refuses; its bytes stay in the store.
func (s *logSource) Quarantine(seq uint64, reason string, _ []byte) error {
	if err := s.store.Reject(store.Rejected{Log: s.log, Seq: seq, Reason: reason}); err != nil {
		return err
	}
	s.rejects = nil // read again
	return nil
}

// Notify receives after an append.
func (s *logSource) Notify() <-chan struct{} { return s.notify }

func (s *logSource) signal() {
	wake(s.notify)
}
